"""What every channel over HTTP must make of a server's answers, beside `channel_contract`."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from casebell.alerts import FailureReason, Outcome
from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from contracts.channel_contract import (
    MESSAGE,
    MESSAGE_WORDS,
    SILENCE,
    ChannelContract,
    ChannelSetup,
    Load,
    Shown,
    outcome_and_reason,
)
from contracts.leaks import LeakWatch


class HttpChannelContract(ChannelContract):
    """The suite for services behind an HTTP sink; a subclass gives `sink` and `setup`."""

    @pytest.mark.parametrize(
        ("status", "outcome", "reason"),
        [
            (302, Outcome.PERMANENT, FailureReason.REJECTED),
            (307, Outcome.PERMANENT, FailureReason.REJECTED),
            (400, Outcome.PERMANENT, FailureReason.REJECTED),
            (401, Outcome.AUTH, FailureReason.AUTH_FAILED),
            (403, Outcome.AUTH, FailureReason.AUTH_FAILED),
            (404, Outcome.PERMANENT, FailureReason.NOT_FOUND),
            (408, Outcome.RETRYABLE, FailureReason.TIMEOUT),
            (410, Outcome.PERMANENT, FailureReason.NOT_FOUND),
            (413, Outcome.PERMANENT, FailureReason.REJECTED),
            (429, Outcome.RATE_LIMITED, FailureReason.RATE_LIMITED),
            (500, Outcome.RETRYABLE, FailureReason.SERVER_ERROR),
            (502, Outcome.RETRYABLE, FailureReason.SERVER_ERROR),
            (503, Outcome.RETRYABLE, FailureReason.SERVER_ERROR),
            (504, Outcome.AMBIGUOUS, FailureReason.TIMEOUT),
        ],
    )
    async def test_statuses(
        self,
        setup: ChannelSetup,
        sink: HttpSink,
        status: int,
        outcome: Outcome,
        reason: FailureReason,
    ) -> None:
        """Each status of an answer leads to one outcome, and its number is in the detail."""
        location = (("Location", f"{sink.url}/elsewhere"),)
        sink.answer(HttpAnswer(status=status, headers=location, body=b"<h1>no</h1>"))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (outcome, reason)
        assert result.detail.startswith(f"HTTP {status}")
        assert result.retry_after is None
        # A redirect would carry the message and the credentials elsewhere.
        assert len(sink.requests) == 1

    @pytest.mark.parametrize(("value", "seconds"), [("30", 30.0), ("99999", 3600.0), ("x", None)])
    async def test_retry_after(
        self, setup: ChannelSetup, sink: HttpSink, value: str, seconds: float | None
    ) -> None:
        """A 429 hands on the seconds the service asked for, at most an hour."""
        sink.answer(HttpAnswer(status=429, headers=(("Retry-After", value),)))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert result.outcome is Outcome.RATE_LIMITED
        assert result.retry_after == seconds

    async def test_retry_after_as_a_date(self, setup: ChannelSetup, sink: HttpSink) -> None:
        """A date is read against the service's own clock, which may be wrong."""
        date = datetime(2020, 1, 1, tzinfo=UTC)
        headers = (
            ("Date", format_datetime(date, usegmt=True)),
            ("Retry-After", format_datetime(date + timedelta(seconds=90), usegmt=True)),
        )
        sink.answer(HttpAnswer(status=429, headers=headers))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert result.retry_after == 90.0

    async def test_a_dripping_answer_is_doubt(self, setup: ChannelSetup, sink: HttpSink) -> None:
        """An answer that trickles in never trips a socket's limit; the channel's own one does."""
        sink.answer(HttpAnswer(drip=0.1))
        result = await setup.channel(timeout=SILENCE).send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AMBIGUOUS, FailureReason.TIMEOUT)

    async def test_a_close_without_an_answer_is_doubt(
        self, setup: ChannelSetup, sink: HttpSink
    ) -> None:
        """The server took the request and closed: the message may have been taken."""
        sink.answer(HttpAnswer(ending=Ending.CLOSE))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AMBIGUOUS, FailureReason.CONNECTION_LOST)

    async def test_a_refusal_that_quotes_us_does_not_leak(
        self,
        setup: ChannelSetup,
        sink: HttpSink,
        leaks: LeakWatch,
    ) -> None:
        """A service that repeats the message and our token in its error does not make us do so."""
        quoted = f"{MESSAGE.title} {MESSAGE.body} {setup.secrets}".encode()
        sink.answer(HttpAnswer(status=400, headers=(("Broken", "x"),), body=quoted))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.PERMANENT, FailureReason.REJECTED)
        leaks.assert_none((*setup.secrets, *MESSAGE_WORDS), shown=(result,))


def http_channel_setup(
    sink: HttpSink,
    *,
    load: Load,
    show: Callable[[Any], tuple[str, str]],
    target: str,
    secrets: Sequence[str],
    good: HttpAnswer | None = None,
    success: Outcome = Outcome.SENT,
) -> ChannelSetup:
    """A setup over an HTTP sink that answers `good` to what it likes."""
    good = good or HttpAnswer()
    sink.answer(good)

    async def shown(count: int) -> list[Shown]:
        requests = await sink.received(count)
        return [
            Shown(title=title, body=body, at=request.at)
            for request in requests
            for title, body in [show(json.loads(request.body))]
        ]

    return ChannelSetup(
        load=load,
        host="127.0.0.1",
        port=sink.port,
        target=target,
        secrets=tuple(secrets),
        shown=shown,
        delay=lambda seconds: sink.answer(
            HttpAnswer(status=good.status, body=good.body, delay=seconds)
        ),
        cut_off=lambda: sink.answer(HttpAnswer(ending=Ending.RESET)),
        success=success,
    )
