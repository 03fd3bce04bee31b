"""From exchanges to results: what a real server cannot show."""

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from casebell.alerts import FailureReason, Outcome, SendResult
from casebell.notify.reasons import (
    MAX_RETRY_AFTER,
    Exchange,
    HttpExchange,
    SmtpFailure,
    result_of,
    retry_after,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MICROS = round(NOW.timestamp()) * 1_000_000


def result(
    *exchanges: Exchange, delivered: bool = False, service: str = "json", watched: bool = True
) -> SendResult:
    return result_of(
        delivered=delivered,
        exchanges=exchanges,
        service=service,
        watched=watched,
        now=NOW_MICROS,
    )


def at(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("0", "", 0.0),
        ("120", "", 120.0),
        (" 120 ", "", 120.0),
        ("3601", "", MAX_RETRY_AFTER),
        ("9" * 5000, "", MAX_RETRY_AFTER),
        ("-5", "", None),
        ("1.5", "", None),
        ("٣", "", None),
        ("", "", None),
        ("soon", "", None),
        (at(NOW + timedelta(seconds=45)), "", 45.0),
        (at(NOW - timedelta(days=1)), "", 0.0),
        (at(NOW + timedelta(days=9)), "", MAX_RETRY_AFTER),
        # The service's clock is an hour ahead of ours; its own Date tells.
        (at(NOW + timedelta(hours=1, seconds=9)), at(NOW + timedelta(hours=1)), 9.0),
        (at(NOW + timedelta(seconds=45)), "nonsense", 45.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", "", 30.0),
    ],
)
def test_retry_after(value: str, date: str, seconds: float | None) -> None:
    """Seconds or a date, never negative, never more than an hour, None for anything else."""
    assert retry_after(value, date=date, now=NOW_MICROS) == seconds


@given(st.text(max_size=60), st.text(max_size=60))
def test_retry_after_never_raises(value: str, date: str) -> None:
    """Any header yields None or seconds within bounds."""
    seconds = retry_after(value, date=date, now=NOW_MICROS)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


def test_the_last_exchange_decides() -> None:
    """A token was fetched, then the message refused: the refusal counts."""
    refused = result(HttpExchange(status=200), HttpExchange(status=404))
    assert (refused.outcome, refused.reason) == (Outcome.PERMANENT, FailureReason.NOT_FOUND)


def test_the_librarys_word_decides_on_success() -> None:
    """A first try that failed inside the library does not undo its success."""
    assert result(HttpExchange(status=500), delivered=True).outcome is Outcome.SENT


@pytest.mark.parametrize(
    ("watched", "outcome", "reason"),
    [
        (True, Outcome.PERMANENT, FailureReason.REJECTED),
        (False, Outcome.AMBIGUOUS, FailureReason.UNKNOWN),
    ],
)
def test_a_failure_without_an_exchange(
    watched: bool, outcome: Outcome, reason: FailureReason
) -> None:
    """Of a watched service nothing left the machine; of another nobody knows."""
    failed = result(watched=watched)
    assert (failed.outcome, failed.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (requests.exceptions.InvalidURL(), Outcome.PERMANENT, FailureReason.REJECTED),
        (
            requests.exceptions.ChunkedEncodingError(),
            Outcome.AMBIGUOUS,
            FailureReason.CONNECTION_LOST,
        ),
        (requests.exceptions.ConnectionError(), Outcome.AMBIGUOUS, FailureReason.CONNECTION_LOST),
        (requests.exceptions.ReadTimeout(), Outcome.AMBIGUOUS, FailureReason.TIMEOUT),
        (
            requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF occurred")),
            Outcome.AMBIGUOUS,
            FailureReason.CONNECTION_LOST,
        ),
    ],
)
def test_http_errors(error: Exception, outcome: Outcome, reason: FailureReason) -> None:
    """Doubt where the request may have been read, otherwise what went wrong."""
    failed = result(HttpExchange(error=error))
    assert (failed.outcome, failed.reason) == (outcome, reason)
    assert failed.detail == type(error).__name__


def test_an_error_that_refers_to_itself() -> None:
    """A loop of causes is walked once."""
    error = requests.exceptions.ConnectionError()
    error.__cause__ = error
    assert result(HttpExchange(error=error)).reason is FailureReason.CONNECTION_LOST


def test_a_success_without_an_exchange() -> None:
    """A plug-in that had nobody to send to may say that all went well."""
    nothing = result(delivered=True)
    assert (nothing.outcome, nothing.reason) == (Outcome.PERMANENT, FailureReason.REJECTED)
    assert "nothing was sent" in nothing.detail
    assert result(delivered=True, watched=False).outcome is Outcome.SENT


def test_words_count_only_for_slack() -> None:
    """Another service's "invalid_token" with a 400 is a rejection like any other."""
    exchange = HttpExchange(status=400, word="invalid_token")
    assert result(exchange).reason is FailureReason.REJECTED
    assert result(exchange).detail == "HTTP 400"
    assert result(exchange, service="slack").reason is FailureReason.AUTH_FAILED


def test_an_address_mail_cannot_take() -> None:
    """What smtplib cannot even say to the server is refused for good."""
    error = UnicodeEncodeError("ascii", "ü", 0, 1, "ordinal not in range(128)")
    failed = result(SmtpFailure(step="sendmail", error=error), service="mailto")
    assert (failed.outcome, failed.reason) == (Outcome.PERMANENT, FailureReason.REJECTED)
