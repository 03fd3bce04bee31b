"""Channels that change while the dispatcher works."""

import asyncio
from collections.abc import Mapping

import pytest

from casebell.events import Alert
from casebell.notify.channel import Channel
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store.engine import Store
from notify.sending import RETRY_AFTER, Bench, channels_of, running, to
from waiting import TIMEOUT, until


def use(bench: Bench, channels: Mapping[str, Channel]) -> None:
    """Send over these from now on."""
    bench.channels = channels_of(channels)
    bench.dispatcher.channels_changed()


async def test_a_pause_goes_on(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """What a service asked for holds for the same channel, whatever else changes."""
    sink.answer(HttpAnswer(status=429, headers=RETRY_AFTER), HttpAnswer())
    channel = to(sink)
    bench = Bench(store, {"slack": channel})
    async with running(bench):
        await bench.put("change:1")
        await bench.until(**{"change:1": "deferred"})
        await bench.pauses(30.0)
        use(bench, {"slack": channel, "email": to(other)})
        # What comes later goes all its way over the new channel meanwhile.
        await bench.put("change:2", channel="email")
        await other.received(1)
        assert len(sink.requests) == 1
        bench.later(31.0)
        await bench.until(**{"change:1": "sent"})


async def test_what_was_claimed_goes_over_the_new_channel(
    store: Store, sink: HttpSink, other: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert that was claimed just before the change is sent over what is in force now."""
    bench = Bench(store, {"slack": to(sink)})
    claim = bench.dispatcher._sender.claim

    async def claim_and_change(channel: str, *, lease: int) -> Alert | None:
        alert = await claim(channel, lease=lease)
        if alert is not None:
            use(bench, {"slack": to(other)})
        return alert

    monkeypatch.setattr(bench.dispatcher._sender, "claim", claim_and_change)
    async with running(bench):
        await bench.put("change:1")
        await bench.until(**{"change:1": "sent"})
    assert (len(sink.requests), len(other.requests)) == (0, 1)


async def test_another_service_need_not_wait(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """A pause is the service's own: what is new is sent at once over the one in its place."""
    sink.answer(HttpAnswer(status=429, headers=RETRY_AFTER))
    bench = Bench(store, {"slack": to(sink)})
    async with running(bench):
        await bench.put("change:1")
        await bench.until(**{"change:1": "deferred"})
        await bench.pauses(30.0)
        use(bench, {"slack": to(other)})
        await bench.put("change:2")
        await bench.until(**{"change:2": "sent"})
        assert bench.dispatcher.alive
    assert (len(sink.requests), len(other.requests)) == (1, 1)


async def test_an_ending_waits_for_what_was_replaced(
    store: Store, sink: HttpSink, other: HttpSink
) -> None:
    """The send in hand of a channel that is gone is given its time, and recorded."""
    answered = asyncio.Event()
    sink.answer(HttpAnswer(after=answered))
    bench = Bench(store, {"slack": to(sink)})
    async with running(bench):
        await bench.put("change:1")
        await sink.received(1)
        use(bench, {"email": to(other)})
        closing = asyncio.create_task(bench.dispatcher.close(grace=TIMEOUT))
        await until(bench.dispatcher._closing.is_set, "the end to begin")
        answered.set()
        await closing
        assert await bench.states() == {("change:1", "slack"): "sent"}


async def test_a_channel_that_comes_back(store: Store, sink: HttpSink) -> None:
    """Taken away and put back, over and over, it sends everything once."""
    bench = Bench(store, {"slack": to(sink)})
    async with running(bench):
        for number in range(1, 11):
            use(bench, {})
            use(bench, {"slack": to(sink)})
            await bench.put(f"change:{number}")
        await bench.until(**{f"change:{number}": "sent" for number in range(1, 11)})
        assert bench.dispatcher.alive
    assert len(sink.requests) == 10
