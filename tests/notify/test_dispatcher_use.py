"""Channels that change while the dispatcher works."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from casebell.alerts import Alert
from casebell.notify.channel import Channel
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store.engine import Store
from notify.harness import RETRY_AFTER, DispatcherHarness, channel_to, channels_of, running
from waiting import TIMEOUT, until


def use(harness: DispatcherHarness, channels: Mapping[str, Channel]) -> None:
    """Send over these from now on."""
    harness.channels = channels_of(channels)
    harness.dispatcher.channels_changed()


async def test_a_pause_goes_on(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """What a service asked for holds for the same channel, whatever else changes."""
    sink.answer(HttpAnswer(status=429, headers=RETRY_AFTER), HttpAnswer())
    channel = channel_to(sink)
    harness = DispatcherHarness(store, {"slack": channel})
    async with running(harness):
        await harness.put("change:1")
        await harness.until(**{"change:1": "deferred"})
        await harness.pauses(30.0)
        use(harness, {"slack": channel, "email": channel_to(other)})
        # What comes later goes all its way over the new channel meanwhile.
        await harness.put("change:2", channel="email")
        await other.received(1)
        assert len(sink.requests) == 1
        harness.later(31.0)
        await harness.until(**{"change:1": "sent"})


async def test_what_was_claimed_goes_over_the_new_channel(
    store: Store, sink: HttpSink, other: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert that was claimed just before the change is sent over what is in force now."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    claim = harness.dispatcher._sender.claim

    async def claim_and_change(channel: str, **how: Any) -> Alert | None:
        alert = await claim(channel, **how)
        if alert is not None:
            use(harness, {"slack": channel_to(other)})
        return alert

    monkeypatch.setattr(harness.dispatcher._sender, "claim", claim_and_change)
    async with running(harness):
        await harness.put("change:1")
        await harness.until(**{"change:1": "sent"})
    assert (len(sink.requests), len(other.requests)) == (0, 1)


async def test_a_channel_is_closed_after_the_send_of_an_earlier_worker(
    store: Store, sink: HttpSink, other: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change during the claim does not cut off what goes over the channel of the first."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    claim = harness.dispatcher._sender.claim

    async def claim_and_change_twice(channel: str, **how: Any) -> Alert | None:
        alert = await claim(channel, **how)
        if alert is not None:
            use(harness, {"slack": channel_to(other)})
            await harness.go_round()
            # While the message is made.
            asyncio.get_running_loop().call_soon(use, harness, {"slack": channel_to(sink)})
        return alert

    monkeypatch.setattr(harness.dispatcher._sender, "claim", claim_and_change_twice)
    async with running(harness):
        await harness.put("change:1")
        await until(lambda: harness.recording.named("alert.attempted"), "the attempt in the log")
        assert await harness.states() == {("change:1", "slack"): "sent"}
    assert (len(sink.requests), len(other.requests)) == (0, 1)


async def test_another_service_need_not_wait(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """A pause is the service's own: what is new is sent at once over the one in its place."""
    sink.answer(HttpAnswer(status=429, headers=RETRY_AFTER))
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put("change:1")
        await harness.until(**{"change:1": "deferred"})
        await harness.pauses(30.0)
        use(harness, {"slack": channel_to(other)})
        await harness.put("change:2")
        await harness.until(**{"change:2": "sent"})
        assert harness.dispatcher.turns
    assert (len(sink.requests), len(other.requests)) == (1, 1)


async def test_an_ending_waits_for_what_was_replaced(
    store: Store, sink: HttpSink, other: HttpSink
) -> None:
    """The send in hand of a channel that is gone is given its time, and recorded."""
    answered = asyncio.Event()
    sink.answer(HttpAnswer(after=answered))
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put("change:1")
        await sink.received(1)
        use(harness, {"email": channel_to(other)})
        closing = asyncio.create_task(harness.dispatcher.close(grace=TIMEOUT))
        await until(harness.dispatcher._closing.is_set, "the end to begin")
        answered.set()
        await closing
        assert await harness.states() == {("change:1", "slack"): "sent"}


async def test_a_channel_that_comes_back(store: Store, sink: HttpSink) -> None:
    """Taken away and put back, over and over, it sends everything once."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        for number in range(1, 11):
            use(harness, {})
            use(harness, {"slack": channel_to(sink)})
            await harness.put(f"change:{number}")
        await harness.until(**{f"change:{number}": "sent" for number in range(1, 11)})
        assert harness.dispatcher.turns
    assert len(sink.requests) == 10
