"""The upstream's side of the wire: signed deliveries, and sockets to send anything else."""

import asyncio
import itertools
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx2

from casebell.kinds.signature import PARLEY_SIGNATURE
from e2e.server import PARLEY_SECRET, TORCH_SECRET, Server

_numbers = itertools.count(1)


def document(**fields: Any) -> dict[str, Any]:
    """A Parley delivery with an id and a receipt of its own; `None` leaves a field out."""
    content = {
        "id": f"evt_{uuid.uuid4().hex[:20]}",
        "type": "case.status.updated",
        "receipt_number": f"IOE{next(_numbers):010d}",
        "normalized_status": "rfe_issued",
        "raw_status_text": "We sent you a request for evidence...",
        "occurred_at": "2025-10-14T19:22:03Z",
        **fields,
    }
    return {name: value for name, value in content.items() if value is not None}


def encoded(content: object) -> bytes:
    """As the bytes of a body."""
    return json.dumps(content).encode()


def signed(
    body: bytes, *, secret: str = PARLEY_SECRET, age: float = 0.0, **headers: str
) -> dict[str, str]:
    """The headers of a Parley delivery, signed `age` seconds ago."""
    at = int(time.time() - age)
    return {
        "Content-Type": "application/json",
        "Authorization": PARLEY_SIGNATURE.sign(body, secret=secret, at=at),
        "Idempotency-Key": str(uuid.uuid4()),
        **headers,
    }


def shared(secret: str = TORCH_SECRET) -> dict[str, str]:
    """The headers of a Torch delivery."""
    return {"Content-Type": "application/json", "X-Torch-Secret": secret}


async def post(
    server: Server,
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    source: str = "parley",
    address: str = "127.0.0.1",
) -> httpx2.Response:
    """Post one delivery, signed unless told otherwise, from one of the loopback's addresses."""
    # Without TLS; reading the machine's certificates for every delivery would take the most time.
    transport = httpx2.AsyncHTTPTransport(local_address=address, verify=False)
    async with httpx2.AsyncClient(timeout=15, trust_env=False, transport=transport) as client:
        return await client.post(
            f"{server.url}/webhooks/{source}",
            content=body,
            headers=signed(body) if headers is None else headers,
        )


async def deliver(server: Server, **fields: Any) -> dict[str, Any]:
    """Post one Parley delivery that must be stored; returns the answer with our row as `row`."""
    response = await post(server, encoded(document(**fields)))
    answer: dict[str, Any] = response.json()
    assert (response.status_code, answer["status"]) == (200, "stored"), response.text
    ((row,),) = server.rows("SELECT id FROM events WHERE key = ?", answer["event_id"])
    return {**answer, "row": row}


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answer off the wire."""

    status: int
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


class Wire:
    """A connection on which anything can be said."""

    def __init__(self, server: Server, *, address: str = "127.0.0.1") -> None:
        self._server = server
        self._address = address
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> "Wire":
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._server.port, local_addr=(self._address, 0)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self, *, seconds: float = 15.0) -> Answer:
        """Read one answer. EOFError or ConnectionError where the connection ends instead."""
        async with asyncio.timeout(seconds):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head.split("\r\n")[:-2]
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(status=int(status.split(" ")[1]), headers=headers, body=body)

    async def closed(self, *, seconds: float = 15.0) -> bytes:
        """Wait until the server ends the connection; returns what it said before."""
        async with asyncio.timeout(seconds):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""


def request(
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    path: str = "/webhooks/parley",
    method: str = "POST",
    version: str = "HTTP/1.1",
    length: int | str | None = None,
) -> bytes:
    """A request as bytes, signed unless told otherwise."""
    given = signed(body) if headers is None else headers
    lines = [f"{method} {path} {version}", "Host: casebell.test"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    if "Transfer-Encoding" not in given:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def seen(server: Server) -> None:
    """What was said before has been read: another connection's request is answered."""
    async with Wire(server) as other:
        await other.say(request(b"", {}, path="/health", method="GET"))
        await other.hear()
