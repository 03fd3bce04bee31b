"""Strangers who hold connections: how many, for how long, and what the next one hears."""

import asyncio
import contextlib
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
import trustme

from casebell.cli.serve import KEEP_ALIVE, MAX_CONNECTIONS, OWN_FILES, max_connections
from casebell.http.guard import MAX_HEADERS
from e2e.answers import refused
from e2e.process_stats import MB, open_files, peak, reset_peak
from e2e.sender import Wire, document, encoded, post, request
from e2e.server import Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Files that the server under test may have open.
FILES = 400
PLACES = max_connections(FILES)
#: Lowers the limit for good, then becomes the server.
LIMITED = (
    "import os, resource, sys\n"
    f"resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
)
HALF_A_HEAD = b"POST /webhooks/parley HTTP/1.1\r\nX-Slow: "


class LimitedServer(Server):
    """One that may have few files open."""

    apart = True

    def command(self, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """As always, with the limit before it."""
        program, *rest = super().command(*arguments, options=options)
        return [program, "-c", LIMITED, *rest]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A small one for most of them: what one test held is free again in the next."""
    directory = tmp_path_factory.mktemp("connections")
    running = LimitedServer(directory, server='body_timeout = "30s"')
    try:
        yield await running.start()
    finally:
        await running.gone()


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def everybody_left(server: Server) -> None:
    """What an earlier test held is free again."""
    await until(lambda: open_files(server) < 40, "the connections to be closed")


async def shown(server: Server, name: str) -> float:
    """A metric's value, all labels together."""
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        lines = (await client.get(f"{server.url}/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def hold(
    stack: contextlib.AsyncExitStack, server: Server, count: int, address: str, said: bytes
) -> list[Wire]:
    """So many connections from there, each of which said that and no more."""
    wires = []
    for _ in range(count):
        wire = await stack.enter_async_context(Wire(server, address=address))
        with contextlib.suppress(ConnectionError):
            await wire.say(said)
        wires.append(wire)
    return wires


async def test_places_follow_from_the_files() -> None:
    """A server that may have many files open has 2,000 places; one with few keeps some back."""
    assert max_connections(resource.RLIM_INFINITY) == max_connections(1 << 20) == MAX_CONNECTIONS
    assert max_connections(1024) == 1024 - OWN_FILES
    assert max_connections(256) == 128
    assert 60 < KEEP_ALIVE < 120


async def test_beyond_the_places_the_next_hears_503(server: Server) -> None:
    """Strangers who hold all of them keep nobody out who is in, nor anybody once they have left."""
    async with Wire(server) as good:
        await good.say(request(encoded(document())))
        assert (await good.hear()).status == 200
        async with contextlib.AsyncExitStack() as stack:
            for number in range(4):
                said = HALF_A_HEAD if number < 3 else request(b"", length=1000)
                await hold(stack, server, PLACES // 4, f"127.0.2.{number}", said)
            assert open_files(server) < FILES
            for _ in range(3):
                async with Wire(server) as wire:
                    answer = await wire.hear()
                    refused(answer, 503, "unavailable")
                    assert int(answer.headers["retry-after"]) > 0
                    assert answer.headers["connection"] == "close"
                    assert await wire.closed() == b""
            await good.say(request(encoded(document())))
            assert (await good.hear()).status == 200
        await until(lambda: open_files(server) < 40, "the strangers to be gone")
    assert (await post(server, encoded(document()))).status_code == 200
    assert await shown(server, "casebell_connections_refused_total") >= 3
    (line,) = await server.logged("connections.full")
    assert line["level"] == "warning"
    assert line["open"] == PLACES + 1


async def test_deliveries_that_wait_for_the_disk_keep_their_places(server: Server) -> None:
    """Where every place waits for the disk, the next hears 503 at once, and none loses its own."""
    lock = sqlite3.connect(server.database, isolation_level=None)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(lock.close)
        lock.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        waiting = [await stack.enter_async_context(Wire(server)) for _ in range(PLACES)]
        for wire in waiting:
            await wire.say(request(encoded(document())))
        async with Wire(server, address="127.0.0.2") as wire:
            refused(await wire.hear(), 503, "unavailable")
        in_time = time.monotonic() - began < 4
        lock.execute("ROLLBACK")
        statuses = {(await wire.hear()).status for wire in waiting}
        assert statuses == {200} if in_time else statuses <= {200, 503}


@pytest.mark.parametrize("spare", [10, -40], ids=["few", "none"])
async def test_a_process_without_files_recovers(server: Server, spare: int) -> None:
    """Where the system has no more files it goes on with those it serves, and hears others again.

    With none at all it does not even have one to tell a newcomer so.
    """
    pid = server.process.pid
    async with Wire(server) as good, contextlib.AsyncExitStack() as stack:
        await good.say(request(encoded(document())))
        assert (await good.hear()).status == 200
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(open_files(server) + spare, 5), FILES))
        for _ in range(40):
            with contextlib.suppress(OSError):
                await hold(stack, server, 1, "127.0.0.3", HALF_A_HEAD)
        for _ in range(10):
            await good.say(request(encoded(document())))
            assert (await good.hear()).status == 200
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        assert (await post(server, encoded(document()))).status_code == 200
    assert server.process.returncode is None
    assert "Traceback" not in server.text()


@pytest.mark.slow
async def test_handshakes_that_never_end(tmp_path: Path) -> None:
    """A connection that is no TLS yet keeps nobody out, and ends after `body_timeout`."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    files = f'tls_cert = "{tmp_path}/cert.pem"\ntls_key = "{tmp_path}/key.pem"\n'
    server = LimitedServer(tmp_path / "tls", server=files + 'body_timeout = "2s"')
    try:
        await server.start()
        async with contextlib.AsyncExitStack() as stack:
            silent = []
            for number in range(8):
                silent += await hold(stack, server, PLACES // 8, f"127.0.2.{number}", b"")
            assert open_files(server) < FILES
            assert (await post(server, encoded(document()))).status_code == 200
            await asyncio.gather(*(wire.closed(seconds=15) for wire in silent))
        assert "Traceback" not in server.text()
        assert await server.stop() == 0
    finally:
        await server.gone()


@pytest.mark.parametrize("flood", [b"GET /x HTTP/1.1\r\n\r\n", b"GET /health HTTP/1.1\r\n\r\n"])
async def test_requests_behind_each_other_cost_no_memory(server: Server, flood: bytes) -> None:
    """32 clients pour small requests into their connections and read no answer."""
    await post(server, encoded(document()))
    before = reset_peak(server)

    async def pour(number: int) -> None:
        async with Wire(server, address=f"127.0.3.{number}") as wire:
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(3):
                    for _ in range(100):
                        await wire.say(flood * 5_000)

    await asyncio.gather(*(pour(number) for number in range(1, 33)))
    grown = peak(server) - before
    print(f"32 pipelines without a reader: {grown / MB:.1f} MB")  # noqa: T201 - a figure
    assert grown < 32 * MB


async def test_a_head_of_many_headers_is_no_request(server: Server) -> None:
    """Each costs memory, however short it is; what a proxy adds still fits."""
    few = {f"X-{number}": "x" for number in range(MAX_HEADERS - 10)}
    async with Wire(server) as wire:
        await wire.say(request(b"{}", few))
        assert (await wire.hear()).status == 401
        many = {f"X-{number}": "x" for number in range(MAX_HEADERS)}
        await wire.say(request(b"{}", many))
        refused(await wire.hear(), 400, "bad_request")
        assert await wire.closed() == b""
