"""Strangers who drip, pour, mangle and hold on: bounded in time and memory, and never an event."""

import asyncio
import contextlib
import random
import resource
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from casebell.cli.serve import MAX_FILES
from e2e.answers import events, memory, refused
from e2e.sender import Wire, document, encoded, post, request, signed
from e2e.server import PARLEY_SECRET, SOURCES, STRICT, MakeServer, Server
from waiting import TIMEOUT, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Seconds. The server is given one for a body, and would give ten by itself.
BEFORE_THE_DEFAULT = 9.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all of them: none may harm the next."""
    limits = 'body_timeout = "1s"\nrefusals_per_minute = 40\n'
    running = Server(tmp_path_factory.mktemp("hostile"), SOURCES + STRICT, server=limits)
    yield await running.start()
    await running.gone()


# ── Too slow, too much, too long ─────────────────────────────────────────────────────────────────


async def test_a_body_that_drips_is_given_up(server: Server) -> None:
    """A body that takes longer than `body_timeout` answers 408 and ends the connection."""
    body = encoded(document())
    async with Wire(server) as wire:
        began = time.monotonic()
        await wire.say(request(body)[: -len(body)])

        async def drip() -> None:
            for byte in body:
                await wire.say(bytes([byte]))
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        answer = await wire.hear()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        refused(answer, 408, "body_too_slow")
        assert 0.9 < time.monotonic() - began < BEFORE_THE_DEFAULT
        assert answer.headers["connection"] == "close"
        assert await wire.closed() == b""


@pytest.mark.parametrize(
    "start",
    [b"", b"POST /webhooks/parley HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET /health HTTP/1.1\r\n"],
)
async def test_a_head_that_drips_is_given_up(server: Server, start: bytes) -> None:
    """A connection on which no request comes about ends: strangers cannot hold them all open."""
    async with Wire(server) as wire:
        began = time.monotonic()

        async def drip() -> None:
            await wire.say(start)
            with contextlib.suppress(ConnectionError):
                while start:
                    await wire.say(b"x")
                    await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        await wire.closed(seconds=BEFORE_THE_DEFAULT)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        assert time.monotonic() - began < BEFORE_THE_DEFAULT


async def test_the_rest_of_an_answered_body_is_not_waited_for(server: Server) -> None:
    """A body that goes on dripping after its 404 does not keep its connection."""
    async with Wire(server) as wire:
        await wire.say(request(b"", {}, path="/nothing", length=100_000))
        refused(await wire.hear(), 404, "not_found")

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await wire.say(b"x")
                    await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        await wire.closed(seconds=BEFORE_THE_DEFAULT)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_a_chunked_body_without_end_is_cut_off(server: Server) -> None:
    """16 senders of endless chunks get 413, or the end of their connection, and no memory."""
    before = memory(server)
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    async def pour() -> int:
        sent = 0
        async with Wire(server) as wire:
            await wire.say(request(b"", {"Transfer-Encoding": "chunked"}))
            answer = asyncio.create_task(wire.hear())
            with contextlib.suppress(ConnectionError):
                while sent < 200 * 2**20:
                    await wire.say(chunk)
                    sent += len(chunk)
            with contextlib.suppress(ConnectionError):
                refused(await answer, 413, "body_too_large")
        return sent

    taken = await asyncio.gather(*(pour() for _ in range(16)))
    assert max(taken) < 16 * 2**20
    assert memory(server) - before < 32 * 2**20


@pytest.mark.parametrize(
    "endless",
    [
        b"POST /webhooks/parley HTTP/1.1\r\nX-Endless: ",
        b"POST /",
        b"POST /nothing HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ",
        b"POST /webhooks/parley HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;extension=",
    ],
    ids=["header", "path", "trailer", "chunk-extension"],
)
async def test_a_head_without_end_is_cut_off(server: Server, endless: bytes) -> None:
    """What is no body has no right to memory either: a few kilobytes, then the connection ends."""
    before = memory(server)
    async with Wire(server) as wire:
        with contextlib.suppress(ConnectionError):
            await wire.say(endless)
            for _ in range(1000):
                await wire.say(b"x" * 0x10000)
            pytest.fail("64 MB of head were taken")
    assert memory(server) - before < 32 * 2**20


async def test_more_body_than_was_declared_is_no_delivery(server: Server) -> None:
    """A Content-Length that is too small cuts the body, so that it does not authenticate."""
    before = events(server)
    body = encoded(document(raw_status_text="x" * 300_000))
    async with Wire(server, address="127.0.0.7") as wire:
        with contextlib.suppress(ConnectionError):
            await wire.say(request(body, length=100))
        # The rest is no request, which may be noticed first.
        assert (await wire.hear()).status in {400, 401}
    assert events(server) == before


async def test_less_body_than_was_declared_is_no_delivery(server: Server) -> None:
    """A sender that goes away in the middle leaves nothing but a line in the log."""
    before, lines = events(server), len(server.events("delivery.abandoned"))
    body = encoded(document())
    async with Wire(server) as wire:
        await wire.say(request(body, length=len(body) + 100))
    await server.logged("delivery.abandoned", count=lines + 1)
    assert events(server) == before


async def test_two_lengths_are_no_request(server: Server) -> None:
    """Content-Length beside chunks is how requests are smuggled past proxies: 400 and the end."""
    body = encoded(document())
    both = signed(body) | {"Transfer-Encoding": "chunked", "Content-Length": str(len(body))}
    async with Wire(server) as wire:
        await wire.say(request(b"", both) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        refused(await wire.hear(), 400, "bad_request")
        assert await wire.closed() == b""


async def test_idle_strangers_keep_nobody_out(make_server: MakeServer) -> None:
    """More idle connections than a process is usually allowed, and a delivery goes through."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = make_server(server='body_timeout = "30s"')
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        await server.launch()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await server.start_up()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(400):
            wire = await stack.enter_async_context(Wire(server))
            await wire.say(b"POST /webhooks/parley HTTP/1.1\r\nX-Slow: ")
        began = time.monotonic()
        assert (await post(server, encoded(document()))).status_code == 200
        # The strangers would hold on for thirty seconds.
        assert time.monotonic() - began < TIMEOUT
    most, _ = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert 200 < most <= MAX_FILES


# ── Fuzzing ──────────────────────────────────────────────────────────────────────────────────────

FUZZED = 10_000
CONNECTIONS = 8


def fuzzed(chance: random.Random) -> bytes:
    """A request nobody signed: forged, mangled or plain nonsense, but with an honest length."""
    body = encoded(document())
    headers = signed(body, secret="not the secret")
    kind = chance.randrange(6)
    if kind == 0:
        body = chance.randbytes(chance.randrange(400))
    elif kind == 1:
        place = chance.randrange(len(body))
        headers = signed(body, secret=PARLEY_SECRET)
        body = body[:place] + bytes([body[place] ^ (1 << chance.randrange(8))]) + body[place + 1 :]
    elif kind == 2:
        parts = [
            "Parley-Signature",
            "=",
            "t=",
            "v1=",
            ",",
            " ",
            "1734020000",
            "f" * 64,
            "%",
            "é",
            '"',
        ]
        headers["Authorization"] = "".join(chance.choices(parts, k=chance.randrange(1, 12)))
    elif kind == 3:
        letters = [chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100), 9)]
        names = [
            "Authorization",
            "Idempotency-Key",
            "Content-Type",
            "X-Forwarded-For",
            "X-Torch-Secret",
        ]
        value = "".join(chance.choices(letters, k=chance.randrange(200)))
        headers[chance.choice(names)] = value
    elif kind == 4:
        headers = {f"X-{number}": "x" * chance.randrange(20) for number in range(60)}
    source = chance.choice(["parley", "torch", "strict"])
    path = f"/webhooks/{source}"
    if kind == 5:
        pieces = [
            "/webhooks/",
            "/events/",
            "/local/",
            "parley",
            "%2e%2e",
            "%ff",
            "9" * 40,
            "9" * 5000,
            "?",
            "//",
            "/",
            ";",
            "*",
            "held",
            "/1/release",
        ]
        path = "/" + "".join(chance.choices(pieces, k=chance.randrange(1, 6)))
    method = chance.choice(["POST"] * 9 + ["GET", "PUT", "DELETE", "PROPFIND", "OPTIONS"])
    return request(body, headers, path=path, method=method)


def nonsense(chance: random.Random) -> bytes:
    """No request at all."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(300) + b"\r\n\r\n"
    if kind == 5:
        # A whole request as it goes over the wire, with some of its bytes changed.
        wire = bytearray(fuzzed(chance))
        for _ in range(chance.randrange(1, 6)):
            wire[chance.randrange(len(wire))] = chance.randrange(256)
        return bytes(wire)
    if kind == 1:
        return request(b"", {"Content-Length": "-1", "X": "\x00"})
    if kind == 2:
        return b"POST /webhooks/parley HTTP/9.9\r\n\r\n"
    if kind == 3:
        return b"CONNECT parley:443 HTTP/1.1\r\nHost: parley\r\n\r\n"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    return request(b"{}", upgrade)


@pytest.mark.parametrize(
    ("count", "seeds"),
    [(FUZZED, 0), pytest.param(50 * FUZZED, 1_000, marks=pytest.mark.soak)],
    ids=["quick", "long"],
)
@pytest.mark.timeout(1_800)
async def test_fuzzed_requests_are_answered_or_dropped(
    server: Server, count: int, seeds: int
) -> None:
    """Forged or mangled requests: never a 5xx, a traceback, an event or a held delivery."""
    counted = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM held)"
    before = server.rows(counted)
    statuses: dict[int, int] = {}

    async def attack(seed: int) -> None:
        chance = random.Random(seed)
        left = count // CONNECTIONS
        while left:
            async with Wire(server, address=f"127.0.1.{chance.randrange(1, 250)}") as wire:
                # A well-formed burst, pipelined, then something that is no request.
                burst = min(left, chance.randrange(1, 50))
                left -= burst
                data = b"".join(fuzzed(chance) for _ in range(burst))
                try:
                    await wire.say(data)
                    for _ in range(burst):
                        status = (await wire.hear()).status
                        statuses[status] = statuses.get(status, 0) + 1
                    await wire.say(nonsense(chance))
                    with contextlib.suppress(TimeoutError):
                        last = await wire.hear(seconds=0.05)
                        statuses[last.status] = statuses.get(last.status, 0) + 1
                except (ConnectionError, EOFError):
                    continue

    began = time.monotonic()
    await asyncio.gather(*(attack(seeds + number) for number in range(CONNECTIONS)))
    took = time.monotonic() - began
    print(f"fuzzed requests: {statuses} in {took:.1f} s")  # noqa: T201 - a figure
    assert sum(statuses.values()) > count * 0.9
    # Some are meant for a page: 303 and 403.
    assert set(statuses) <= {200, 303, 400, 401, 403, 404, 405, 413, 415, 429}
    assert {400, 401, 404, 405, 429} <= set(statuses)
    assert server.rows(counted) == before
    answer = await post(server, encoded(document()))
    assert answer.status_code == 200
    # The log has everything before this one's line.
    await server.logged_request(answer.json()["request_id"])
    log = server.text()
    assert "Traceback" not in log
    assert '"level":"error"' not in log


ODD_VALUES: list[object] = [
    None, True, 0, -1, 1e308, 10**400, "", " ", "\x00", "\ud800", "\u202e", "\U0001f600",
    "x" * 5000, [], {}, [[]], {"a": {"b": 1}}, "IOE0912345678", "IOE-091 234\u00a05678",
    "\uff19" * 10, "null", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "2025-10-14",
    1760469723, "-1", "Infinity", "<script>", "{{7*7}}", "%s%n", "'; DROP TABLE events; --",
]  # fmt: skip
FIELDS = [*document(), "data", "event_id", "status_text", "status_category", "last_status_at"]


def authentic(chance: random.Random) -> tuple[bytes, dict[str, str]]:
    """A delivery that is signed, whatever it says."""
    content: dict[str, object] = {**document()}
    for _ in range(chance.randrange(1, 5)):
        content[chance.choice(FIELDS)] = chance.choice(ODD_VALUES)
    if chance.random() < 0.3:
        content = {**content, "data": {**content}}
    body = encoded(content)
    if chance.random() < 0.2:
        place = chance.randrange(len(body))
        body = body[:place] + chance.randbytes(2) + body[place + chance.randrange(3) :]
    odd = "".join(chr(chance.choice([9, 0x20, 0x41, 0xE9, 0xFF])) for _ in range(300))
    return body, signed(body) | ({"Idempotency-Key": odd} if chance.random() < 0.3 else {})


async def test_fuzzed_authentic_deliveries_are_kept(make_server: MakeServer) -> None:
    """Whatever a source signs is stored or held, decided and told; it never breaks anything."""
    config = '[channels.nowhere]\nurl = "json://127.0.0.1:9/"\nmax_age = "100ms"\npace = "0s"\n'
    rule = '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["nowhere"]\n'
    server = await make_server(SOURCES + config + rule).start()
    count = 120

    async def source(seed: int) -> list[int]:
        chance = random.Random(seed)
        async with Wire(server) as wire:
            statuses = []
            for _ in range(count // CONNECTIONS):
                body, headers = authentic(chance)
                await wire.say(request(body, headers))
                statuses.append((await wire.hear()).status)
        return statuses

    told = await asyncio.gather(*(source(seed) for seed in range(CONNECTIONS)))
    answered = [status for statuses in told for status in statuses]
    assert set(answered) == {200, 202}
    await until(
        lambda: server.rows("SELECT count(*) FROM events WHERE routed_at IS NULL") == [(0,)],
        "every decision",
    )
    kinds = dict(server.rows("SELECT kind, count(*) FROM journal GROUP BY kind"))
    held = kinds["delivery.held"]
    stored = sum(kinds.get(f"delivery.{one}", 0) for one in ("stored", "duplicate", "conflict"))
    assert (stored, held) == (answered.count(200), answered.count(202))
    assert '"level":"error"' not in server.text()
    assert (await server.run("events", "list", "--limit", "1000", "--json")).code == 0
