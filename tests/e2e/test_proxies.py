"""Strangers behind the proxies that people use: no byte of a body is ever read as a request.

Each proxy is Debian's own program. `pytest -s` shows what came of every attack.
"""

import asyncio
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import cycle, zip_longest
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from e2e.conversation import Conversation
from e2e.outcomes import SHAPES, Outcomes, attacked, delivered, delivery, said_by
from e2e.proxies import Proxy, running
from e2e.proxy_kinds import KINDS, SILENT_KINDS, ProxyKind
from e2e.sender import document, encoded, request, signed
from e2e.server import Server
from e2e.smuggling import OFFERS, Attack, connects, lengths, offered_lengths, offers, tracer

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

#: Refusals are not limited: each attack shall reach the code behind the limit.
LIMITS = 'refusals_per_minute = 100000\ntrusted_proxies = ["127.0.0.1"]\n'
DELIVERIES = 25


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all of them: what a proxy does to it ends with the proxy's connections."""
    made = Server(tmp_path_factory.mktemp("proxies"), server=LIMITS)
    try:
        yield await made.start()
    finally:
        await made.gone()


@pytest_asyncio.fixture(loop_scope="module", params=KINDS, ids=str)
async def proxy(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path
) -> AsyncIterator[Proxy]:
    """Each proxy, started for the test alone."""
    kind: ProxyKind = request.param
    async with running(kind, tmp_path, server.port) as started:
        yield started


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Outcomes]:
    """What came of everything that was sent; printed at the end."""
    rows = Outcomes()
    yield rows
    print(rows)  # noqa: T201 - a figure


# ── Upgrade ──────────────────────────────────────────────────────────────────────────────────────


def senders(server: Server) -> set[int]:
    """The ports of those that are connected with Casebell."""
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    return {one.raddr.port for one in connections if one.raddr and one.laddr.port == server.port}


async def test_an_upgrade_offer_takes_no_delivery_with_it(
    proxy: Proxy, server: Server, outcomes: Outcomes
) -> None:
    """An offer is refused once as a forged delivery; each authentic one after it is stored."""
    rows = [(attack, outcomes.of(proxy, attack.name)) for attack in offers()]
    connections: set[int] = set()
    shapes = cycle(SHAPES)
    for attack, row in rows * (DELIVERIES // len(rows)):
        await attacked(proxy, server, attack, row, next(shapes))
        connections |= senders(server)
    if proxy.kind.reuses:
        assert len(connections) < DELIVERIES, "no connection was used again after an attack"
    assert all(row.is_right for _, row in rows), str(outcomes)


@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("offer", OFFERS)
async def test_a_delivery_that_offers_an_upgrade_is_stored(
    proxy: Proxy, server: Server, outcomes: Outcomes, offer: str, segments: int
) -> None:
    """HTTP clients offer h2c with whatever they send: it is served as if they had not."""
    row = outcomes.of(proxy, f"authentic, {offer}, {segments} segments")
    for _ in range(3):
        sent = delivery(**OFFERS[offer])
        async with Conversation(proxy.port) as sender:
            parts = [sent.head, sent.body]
            await sender.say(*(parts if segments == 2 else [b"".join(parts)]))
            await sender.answers(1)
            # On the same connection, to see a second answer before this one.
            last = delivery(Connection="close")
            await sender.say(last.head + last.body)
            first, *others = await sender.all_answers()
        row.answers[tuple(said_by(answer) for answer in (first, *others))] += 1
        row.deliveries += 1
        row.lost += not sent.is_stored(server, first)
        row.lost_on_its_own += [last.is_stored(server, answer) for answer in others] != [True]
    assert not row.lost, str(row)
    assert not row.lost_on_its_own, str(row)
    assert await delivered(proxy, server)


async def test_curl_offers_http2(
    proxy: Proxy, server: Server, outcomes: Outcomes, tmp_path: Path
) -> None:
    """`curl --http2` without TLS offers h2c; its delivery is stored as it came."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    content = document()
    body = encoded(content)
    (tmp_path / "body.json").write_bytes(body)
    headers = [part for pair in signed(body).items() for part in ("-H", ": ".join(pair))]
    process = await asyncio.create_subprocess_exec(
        *("curl", "--http2", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20"),
        *(*headers, "--data-binary", "@body.json"),
        f"http://127.0.0.1:{proxy.port}/webhooks/parley",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    said = json.loads(out)
    kept = server.rows("SELECT body FROM events WHERE key = ?", content["id"])
    row = outcomes.of(proxy, "curl --http2")
    row.answers[said.get("status") or said["error"],] += 1
    row.deliveries += 1
    row.lost += (said.get("event_id"), kept) != (content["id"], [(body,)])
    assert not row.lost, out


# ── CONNECT and lengths ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("attacks", [connects, lengths, offered_lengths])
async def test_a_body_is_no_request(
    proxy: Proxy, server: Server, outcomes: Outcomes, attacks: Callable[[bytes], list[Attack]]
) -> None:
    """Whatever a request says about its length: one answer, and nothing of its body is stored."""
    rows = []
    for number in range(len(attacks(b""))):
        key = f"evt_{uuid.uuid4().hex[:20]}"
        attack = attacks(tracer(key))[number]
        rows.append(outcomes.of(proxy, attack.name))
        await attacked(proxy, server, attack, rows[-1], SHAPES[1])
        rows[-1].smuggled += len(server.rows("SELECT id FROM events WHERE key = ?", key))
    assert all(row.is_right for row in rows), str(outcomes)


# ── Pipelining ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("offer", [{}, OFFERS["h2c"]], ids=["plain", "offers"])
async def test_requests_in_one_write_are_answered_in_order(
    proxy: Proxy, server: Server, outcomes: Outcomes, offer: dict[str, str]
) -> None:
    """Authentic, forged and other requests behind each other: each has its own answer."""
    health = b"GET /health HTTP/1.1\r\nHost: casebell.test\r\n\r\n"
    sent = [delivery(**offer) for _ in range(16)]
    forged = request(b"{}", {})
    async with Conversation(proxy.port) as sender:
        await sender.say(b"".join(one.head + one.body + forged + health for one in sent))
        answers = await sender.answers(3 * len(sent))
    row = outcomes.of(proxy, "pipelined, h2c" if offer else "pipelined")
    row.answers[f"{len(answers)} of {3 * len(sent)}",] += 1
    row.deliveries += len(sent)
    firsts = zip_longest(sent, answers[::3])
    row.lost += sum(answer is None or not one.is_stored(server, answer) for one, answer in firsts)
    assert not row.lost
    assert {answer.status for answer in answers[1::3]} == {401}
    others = answers[2::3]
    assert len(others) == len(sent)
    assert all(answer.json() == {"status": "ok"} for answer in others)
    assert await delivered(proxy, server)


@pytest.mark.parametrize("kind", SILENT_KINDS, ids=str)
async def test_the_metrics_are_not_for_the_world(
    kind: ProxyKind, server: Server, tmp_path: Path
) -> None:
    """A proxy that names nobody opens /metrics to nobody."""
    async with running(kind, tmp_path, server.port) as proxy:
        statuses = {}
        for path in ("/health", "/metrics"):
            async with Conversation(proxy.port) as sender:
                asked = f"GET {path} HTTP/1.1\r\nHost: casebell.test\r\n\r\n"
                await sender.say(asked.encode())
                (answer,) = await sender.answers(1)
                statuses[path] = answer.status
    assert statuses == {"/health": 200, "/metrics": 404}


async def test_a_broken_request_takes_no_answer(proxy: Proxy, server: Server) -> None:
    """What is no request, in one write behind a delivery, never takes the delivery's answer."""
    answered_wrongly = []
    before = len(server.text())
    for attack in [*connects(b"x"), *lengths(b"x"), *offered_lengths(b"x")]:
        sent = delivery()
        async with Conversation(proxy.port) as sender:
            await sender.say(sent.head + sent.body + attack.head + attack.body)
            answers = await sender.answers(1)
        if not answers or not sent.is_stored(server, answers[0]):
            answered_wrongly.append((attack.name, [said_by(answer) for answer in answers]))
    assert not answered_wrongly
    assert '"level":"error"' not in server.text()[before:]
