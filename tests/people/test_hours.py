"""When ordinary alerts of a channel may go."""

import pytest

from casebell.alerts import AlertKind, FailureReason, Wait
from contracts.calendars import at, hours, shown

QUIET, DIGEST = FailureReason.QUIET_HOURS, FailureReason.DIGEST


def in_words(wait: Wait | None) -> str:
    """What is waited for, to be compared."""
    return "goes" if wait is None else f"{wait.reason} {shown(wait.until)}"


@pytest.mark.parametrize(
    ("quiet", "digest", "moment", "cases", "messages"),
    [
        # Mon, Nov 30, 2026, in hours and outside of them.
        (False, None, "2026-11-30T03:00", "goes", "goes"),
        (True, None, "2026-11-30T10:00", "goes", "goes"),
        (True, None, "2026-11-30T03:00", f"{QUIET} 2026-11-30T08:00-05:00", None),
        (True, None, "2026-12-04T18:00", f"{QUIET} 2026-12-07T08:00-05:00", None),
        (False, "08:30", "2026-11-30T03:00", f"{DIGEST} 2026-11-30T08:30-05:00", "goes"),
        (False, "08:30", "2026-11-30T08:30", f"{DIGEST} 2026-12-01T08:30-05:00", "goes"),
        (False, "08:30", "2026-11-30T10:00", f"{DIGEST} 2026-12-01T08:30-05:00", "goes"),
        (True, "08:30", "2026-11-30T10:00", "goes", "goes"),
        (
            True,
            "08:30",
            "2026-11-30T03:00",
            f"{DIGEST} 2026-11-30T08:30-05:00",
            f"{QUIET} 2026-11-30T08:00-05:00",
        ),
        # A weekend of three days: Independence Day 2027 is a Sunday.
        (True, None, "2027-07-02T18:00", f"{QUIET} 2027-07-06T08:00-04:00", None),
        (False, "08:30", "2027-07-02T18:00", f"{DIGEST} 2027-07-06T08:30-04:00", "goes"),
    ],
)
def test_what_waits(
    quiet: bool, digest: str | None, moment: str, cases: str, messages: str | None
) -> None:
    """By the keys of a channel, what an ordinary alert waits for, and a message to operations."""
    waits = hours(quiet=quiet, digest=digest, holidays="us-federal").waits(at(moment))

    assert in_words(waits.of(AlertKind.CASE)) == cases
    assert in_words(waits.of(AlertKind.REMINDER)) == cases
    assert in_words(waits.of(AlertKind.OPS)) == (cases if messages is None else messages)
    assert waits.of(AlertKind.TEST) is None
    assert waits.of(AlertKind.DIGEST) is None


def test_a_calendar_that_never_opens_holds_nothing_back() -> None:
    """Closed for more than 400 days, it neither holds alerts nor puts digests off."""
    closed = ["2026-11-01..2027-10-31", "2027-11-01..2028-10-31"]

    assert in_words(hours(quiet=True, closed=closed).waits(at("2026-11-30T03:00")).cases) == "goes"
    waits = hours(digest="08:30", closed=closed).waits(at("2026-11-30T03:00"))
    assert in_words(waits.cases) == f"{DIGEST} 2026-11-30T08:30-05:00"


def test_one_digest_a_day_is_named_by_its_day() -> None:
    """The day is that of the calendar's zone: at 23:30 in New York it is the next day in UTC."""
    digest = hours(digest="23:30").digest
    assert digest is not None

    due = digest.next(at("2026-11-30T10:00"))

    assert digest.subject("slack", due) == "digest:slack:2026-11-30"
