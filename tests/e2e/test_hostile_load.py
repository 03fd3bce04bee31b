"""Strangers in numbers: what they cost in memory, and what a well-behaved sender notices of them.

The figures these print are in docs/hostile-input.md.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from e2e.answers import events
from e2e.paced_sender import send_paced
from e2e.process_stats import MB, peak, reset_peak
from e2e.sender import Wire, document, encoded, post, request, signed
from e2e.server import SOURCES, Server
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

#: Bytes of a body that is far too large, and how many come at once.
HUGE = 200 * MB
AT_ONCE = 16
PIECE = b"x" * 0x10000


#: Milliseconds that 99 of 100 deliveries of a well-behaved sender may take meanwhile.
BAR = 250.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One with the settings a firm has, warmed up: what is loaded at first use is no growth."""
    running = await Server(tmp_path_factory.mktemp("load"), SOURCES).start()
    await asyncio.gather(*(post(running, encoded(document())) for _ in range(64)))
    await post(running, encoded(document()), {"Content-Encoding": "gzip"})
    yield running
    await running.gone()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bar(server: Server) -> float:
    """The bar, with room for what the machine is busy with besides."""
    alone = await send_paced(server, seconds=2)
    print(f"alone: {alone}")  # noqa: T201 - a figure
    return BAR + 4 * alone.p99


def huge(kind: str) -> tuple[bytes, bytes]:
    """The head of a delivery and what comes again and again until somebody ends it."""
    body = encoded(document())
    if kind == "declared":
        return request(b"", signed(body), length=HUGE), PIECE
    if kind == "endless chunks":
        chunks = {**signed(body), "Transfer-Encoding": "chunked"}
        return request(b"", chunks), b"10000\r\n" + PIECE + b"\r\n"
    if kind == "tiny chunks":
        chunks = {**signed(body), "Transfer-Encoding": "chunked"}
        return request(b"", chunks), b"1\r\nx\r\n" * 10_000
    if kind == "declared too short":
        return request(b"", signed(body), length=100), PIECE
    if kind == "declared too long":
        return request(b"", signed(body), length=250_000) + b"x" * 240_000, b""
    packed = {**signed(body), "Content-Encoding": "gzip"}
    return request(b"", packed, length=HUGE), PIECE


#: What may be answered; 0 is the end of the connection before its sender read an answer. Whoever
#: goes on pouring after the answer is cut off in the end, and may notice that first.
ANSWERS = {
    "declared": {413, 0},
    "endless chunks": {413, 0},
    "tiny chunks": {400, 0},
    "declared too short": {401, 400, 0},
    "declared too long": {0},
    "gzip": {413, 0},
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_huge_bodies_take_no_memory(server: Server, bar: float, kind: str) -> None:
    """16 bodies of 200 MB at once: 413 or the end, under 32 MB, and deliveries go on."""
    before, stored = reset_peak(server), events(server)
    answers: Counter[int] = Counter()
    head, again = huge(kind)
    taken = 0

    async def pour(number: int) -> None:
        nonlocal taken
        async with Wire(server, address=f"127.0.5.{number}") as wire:
            hearing = asyncio.create_task(wire.hear())
            sent = 0
            with contextlib.suppress(ConnectionError):
                await wire.say(head)
                while again and sent < HUGE and not hearing.done():
                    await wire.say(again)
                    sent += len(again)
            taken = max(taken, sent)
            if not again:
                # As much as may be held of each for as long as `body_timeout`; then they go away.
                # Not a wait: the time for which this sender holds on.
                await asyncio.sleep(1)
                hearing.cancel()
                answers[0] += 1
                return
            try:
                answers[(await hearing).status] += 1
            except (ConnectionError, EOFError):
                answers[0] += 1

    sending = asyncio.create_task(send_paced(server, seconds=2.5))
    await until(lambda: events(server) > stored, "the first of the steady deliveries")
    # Not in the order of the addresses: all at once.
    await asyncio.gather(*(pour(number) for number in range(1, AT_ONCE + 1)))
    met = await sending
    grown = peak(server) - before
    print(f"{kind}: {dict(answers)}, {taken / MB:.1f} MB taken at most, {grown / MB:.1f} MB, {met}")  # noqa: T201
    assert set(answers) <= ANSWERS[kind]
    assert taken < 16 * MB
    assert grown < 32 * MB
    assert met.all_stored
    assert met.p99 < bar
    assert events(server) - stored == met.statuses["200"]


#: How many drip, and from how many addresses: none reaches its share.
SLOW = 1_000
ADDRESSES = 10


async def test_a_thousand_drips_keep_nobody_waiting(server: Server, bar: float) -> None:
    """1,000 connections, a byte now and then: all end within 15 s, and deliveries stay fast."""
    before = reset_peak(server)
    body = encoded(document())
    starts = (request(body)[: -len(body)], b"POST /webhooks/parley HTTP/1.1\r\nX-Slow: ")

    connected = 0

    async def drip(number: int) -> float:
        nonlocal connected
        async with Wire(server, address=f"127.0.6.{number % ADDRESSES + 1}") as wire:
            began = time.monotonic()
            connected += 1
            with contextlib.suppress(ConnectionError):
                await wire.say(starts[number % 2])
                ended = asyncio.create_task(wire.closed(seconds=60))
                while not ended.done():
                    await asyncio.wait({ended}, timeout=3)
                    await wire.say(b"x")
            await wire.closed(seconds=60)
            return time.monotonic() - began

    # After they are connected, which costs the machine more than the server.
    dripping = [asyncio.create_task(drip(number)) for number in range(SLOW)]
    await until(lambda: connected == SLOW, "all of them to be connected")
    met = await send_paced(server, seconds=6)
    ends = await asyncio.gather(*dripping)
    grown = peak(server) - before
    span = f"ended after {min(ends):.1f} to {max(ends):.1f} s"
    print(f"{SLOW} drips: {span}, {grown / MB:.1f} MB, {met}")  # noqa: T201 - a figure
    assert max(ends) < 15
    assert met.all_stored
    assert met.p99 < bar
    assert grown < 64 * MB
