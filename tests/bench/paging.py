"""Pages of a large store over the API: how long each takes, and what paging costs deliveries.

The store is kept where it was made. It gets a token of the benchmark's, and what is delivered.
"""

import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.case_histories import receipt_number
from bench.corpus import write_corpus
from bench.growth import CONFIG_OF_LARGE, ROW
from bench.serving import SECRET, Bench, free_port, resident

#: Pages of each listing, one behind the other.
_PAGES = 100
#: Deliveries a second, clients that page meanwhile, and seconds from page to page of each.
_RATE, _CLIENTS, _EVERY = 50, 10, 5.0
_SECONDS = 60
#: Connections over which they come.
_SENDERS = 8

RECEIPT = receipt_number(321)
LISTINGS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("events", {}),
    ("events", {"source": "torch"}),
    ("events", {"status": "denied"}),
    ("events", {"tag": "deadline"}),
    ("events", {"tag": "rejected"}),
    ("events", {"receipt": RECEIPT}),
    ("events", {"text": "nowhere to be found"}),
    ("events", {"since": "24h"}),
    ("events", {"until": "500d"}),
    ("alerts", {}),
    ("alerts", {"state": "failed"}),
    ("alerts", {"channel": "gone"}),
    ("alerts", {"receipt": RECEIPT}),
    ("cases", {}),
    ("cases", {"status": "denied"}),
    ("cases", {"owner": "nobody"}),
    ("cases", {"confidential": "true"}),
    ("journal", {}),
    ("journal", {"kind": "decision.made"}),
    ("journal", {"subject": "event:7"}),
    ("held", {}),
    ("refused", {}),
    ("refused", {"source": "torch"}),
    ("channels", {}),
    (f"cases/{RECEIPT}", {}),
    ("reports/outcomes", {}),
)


class Client:
    """A connection that is kept; one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> "AsyncIterator[Client]":
        """One to a server on this machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer, which is a 200."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        (size,) = (int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        body = await self._reader.readexactly(size)
        assert b" 200 " in lines[0], (lines[0], body)
        return body


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """What is asked, with a token."""

    port: int
    token: str

    def request(self, path: str, query: Mapping[str, str]) -> bytes:
        """A GET."""
        asked = f"/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
        return (
            f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        ).encode()

    async def page(
        self, client: Client, path: str, query: Mapping[str, str], cursor: str | None
    ) -> tuple[float, str | None]:
        """Milliseconds for a page, and the cursor of the next one."""
        given = {**query, "cursor": cursor} if cursor else query
        began = time.perf_counter()
        body = await client.ask(self.request(path, given))
        took = (time.perf_counter() - began) * 1000
        return took, json.loads(body).get("next")


def measure(bench: Bench, large: Path) -> None:
    """Print the tables for the store in a directory."""
    tokens = {role: _token(large, role) for role in ("viewer", "admin")}
    port = free_port()
    with bench.serving(ROW, large, port=port) as process:
        # The server has the first core.
        os.sched_setaffinity(0, {1})
        apis = {role: Api(port=port, token=token) for role, token in tokens.items()}
        asyncio.run(_pages(apis))
        print(f"\nMemory then {resident(process.pid):.0f} MB.")
        # Only now: a signature holds for a few minutes.
        corpus = bench.directory / "paging.tsv"
        write_corpus(corpus, secret=SECRET, count=_RATE * _SECONDS * 2, seed=time.time())
        deliveries = [_delivery(line) for line in corpus.read_bytes().splitlines()]
        asyncio.run(_beside(port, apis["admin"], deliveries))


def _token(large: Path, role: str) -> str:
    (large / "config.toml").write_text(CONFIG_OF_LARGE.replace("{port}", "0"))
    command = [sys.executable, "-m", "casebell", "tokens", "add"]
    name = f"bench-{role}-{time.time_ns()}"
    done = subprocess.run(
        [*command, name, "--role", role, "--json", "--config", large / "config.toml"],
        check=True,
        capture_output=True,
    )
    return str(json.loads(done.stdout)["token"])


async def _pages(apis: Mapping[str, Api]) -> None:
    print("| GET | role | median ms | p99 ms | longest |\n|---|---|---|---|---|")
    async with Client.to(next(iter(apis.values())).port) as client:
        for path, query in LISTINGS:
            for role, api in apis.items():
                if role == "viewer" and path in ("journal", "held", "refused", "channels"):
                    continue
                cursor, times = None, []
                for _ in range(_PAGES):
                    took, cursor = await api.page(client, path, query, cursor)
                    times.append(took)
                asked = f"{path}?{urlencode(query)}" if query else path
                print(f"| `{asked}` | {role} | {_figures(times)} |", flush=True)


async def _beside(port: int, api: Api, deliveries: list[bytes]) -> None:
    half = len(deliveries) // 2
    print("\n| acknowledgement at 50 a second | median ms | p99 ms | longest |\n|---|---|---|---|")
    for name, clients, some in (
        ("alone", 0, deliveries[:half]),
        (f"{_CLIENTS} clients page every {_EVERY:g} s", _CLIENTS, deliveries[half:]),
    ):
        paged: list[float] = []
        paging = [asyncio.create_task(_page_on(api, number, paged)) for number in range(clients)]
        times = await _deliver(port, some)
        for task in paging:
            task.cancel()
        await asyncio.gather(*paging, return_exceptions=True)
        print(f"| {name} | {_figures(times)} |", flush=True)
        if paged:
            print(f"| their pages meanwhile ({len(paged)}) | {_figures(paged)} |", flush=True)


async def _page_on(api: Api, number: int, times: list[float]) -> None:
    """Page through the listings, a page every few seconds; each client from another one."""
    await asyncio.sleep(number * _EVERY / _CLIENTS)
    async with Client.to(api.port) as client:
        for step in range(number, 10_000):
            path, query = LISTINGS[step % len(LISTINGS)]
            took, _ = await api.page(client, path, query, None)
            times.append(took)
            await asyncio.sleep(_EVERY - took / 1000)


async def _deliver(port: int, deliveries: Sequence[bytes]) -> list[float]:
    """Milliseconds from when each was sent to its answer; the next does not wait for it."""
    # Each in turn: an idle connection would be closed.
    free: asyncio.Queue[Client] = asyncio.Queue()
    times: list[float] = []

    async def one(request: bytes) -> None:
        began = time.perf_counter()
        client = await free.get()
        await client.ask(request)
        times.append((time.perf_counter() - began) * 1000)
        free.put_nowait(client)

    async with AsyncExitStack() as stack:
        for _ in range(_SENDERS):
            free.put_nowait(await stack.enter_async_context(Client.to(port)))
        began = time.perf_counter() + 0.1
        under_way = []
        for number, request in enumerate(deliveries):
            await asyncio.sleep(began + number / _RATE - time.perf_counter())
            under_way.append(asyncio.create_task(one(request)))
        await asyncio.gather(*under_way)
    return times


def _delivery(line: bytes) -> bytes:
    at, key, signature, _, body = line.split(b"\t", 4)
    return (
        b"POST /webhooks/parley HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Authorization: Parley-Signature=t=%b,v1=%b\r\nIdempotency-Key: %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (at, signature, key, len(body), body)
    )


def _figures(times: Sequence[float]) -> str:
    ordered = sorted(times)
    seldom = ordered[math.ceil(len(ordered) * 0.99) - 1]
    return f"{statistics.median(ordered):.1f} | {seldom:.1f} | {ordered[-1]:.1f}"
