"""A calendar of due dates, as calendar programs read it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from icalendar import Calendar

from casebell.events import Status, Tag
from casebell.service.due_calendar import DueDate, due_calendar

KEY = b"k" * 32
URL = "https://casebell.example-firm.com"
RFE = DueDate(
    change=12,
    receipt="IOE0912345678",
    status=Status.RFE_ISSUED,
    tags=frozenset({Tag.DEADLINE}),
    deadline=True,
    due="2026-12-24",
    confirmed=True,
    entered_at=1_760_469_723_000_000,
    event=7,
)


def read(*dates: DueDate, name: str = "Jia Chan", url: str | None = URL) -> Calendar:
    """What a program makes of it."""
    return Calendar.from_ical(due_calendar(name, dates, key=KEY, public_url=url))


def test_the_calendar_itself() -> None:
    """It is published, has a name, and says how often it may be read again; empty, too."""
    calendar = read()
    assert calendar["METHOD"] == "PUBLISH"
    assert calendar["VERSION"] == "2.0"
    assert calendar["X-WR-CALNAME"] == "Casebell: dates due (Jia Chan)"
    lines = due_calendar("Jia Chan", [], key=KEY, public_url=URL).decode().split("\r\n")
    assert {"REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H"} <= set(lines)
    assert calendar.events == []


def test_an_event() -> None:
    """A whole day, private, that keeps nobody busy; with the way to the case's page."""
    (event,) = read(RFE).events
    assert str(event["SUMMARY"]) == "Answer due: RFE · IOE…5678"
    assert (event.start, event.end) == (date(2026, 12, 24), date(2026, 12, 25))
    assert event["DTSTART"].params["VALUE"] == "DATE"
    assert (str(event["TRANSP"]), str(event["CLASS"])) == ("TRANSPARENT", "PRIVATE")
    assert str(event["URL"]) == f"{URL}/events/7"
    assert event.stamp == datetime(2025, 10, 14, 19, 22, 3, tzinfo=UTC)
    assert not event.subcomponents
    assert "DESCRIPTION" not in event


@pytest.mark.parametrize(
    ("one", "title"),
    [
        (replace(RFE, confirmed=False), "Answer due: RFE · IOE…5678 (unconfirmed)"),
        (replace(RFE, status=Status.OTHER), "Answer due: Notice with deadline · IOE…5678"),
        (
            replace(RFE, status=Status.OTHER, tags=frozenset({Tag.APPOINTMENT}), deadline=False),
            "Due: USCIS appointment · IOE…5678",
        ),
        (replace(RFE, receipt="Gomez, Ana"), "Answer due: RFE · …"),
    ],
)
def test_its_title(one: DueDate, title: str) -> None:
    """What is due, in our words alone; the receipt is masked, whatever it is."""
    (event,) = read(one).events
    assert str(event["SUMMARY"]) == title
    assert one.receipt.encode() not in due_calendar("J", [one], key=KEY, public_url=URL)


def test_the_same_as_long_as_nothing_changes() -> None:
    """In order of the dates, whatever the order given: a program sees that nothing changed."""
    later = replace(RFE, change=11, event=8, due="2027-01-02")
    calendar = due_calendar("J", [RFE, later], key=KEY, public_url=URL)
    assert calendar == due_calendar("J", [later, RFE], key=KEY, public_url=URL)
    assert [str(one["URL"])[-2:] for one in read(later, RFE).events] == ["/7", "/8"]


def test_an_id_is_of_its_change() -> None:
    """Whatever becomes of the date; other changes and other databases have others."""
    (event,) = read(RFE).events
    (moved,) = read(replace(RFE, due="2027-01-02", confirmed=False)).events
    assert event["UID"] == moved["UID"]
    (other,) = read(replace(RFE, change=13)).events
    elsewhere = due_calendar("J", [RFE], key=b"o" * 32, public_url=URL)
    (of_another,) = Calendar.from_ical(elsewhere).events
    assert len({event["UID"], other["UID"], of_another["UID"]}) == 3


def test_a_hostile_name() -> None:
    """What the configuration calls a person adds no line, and is read back as it was."""
    name = "Jia\r\nBEGIN:VEVENT;,\\ Chan"
    calendar = read(name=name)
    assert calendar.events == []
    expected = r"Casebell: dates due (Jia BEGIN:VEVENT\;\,\\ Chan)"
    assert str(calendar["X-WR-CALNAME"]) == str(calendar["NAME"]) == expected


def test_without_an_address() -> None:
    """No event leads anywhere."""
    (event,) = read(RFE, url=None).events
    assert "URL" not in event
