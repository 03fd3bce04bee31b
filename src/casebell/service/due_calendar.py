"""A private calendar as calendar programs read it (iCalendar, RFC 5545): all-day events.

An event says as little as a locked phone may show: what is due, the masked receipt, and the
address of Casebell's own page. It has no text of USCIS, nothing that the firm says of the case, and
no alarm.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from casebell.clock import SECOND
from casebell.events import Micros, Status, Tag
from casebell.json_text import canonical
from casebell.notify.headlines import headline_of
from casebell.uscis.receipts import mask

#: What programs are asked for; most read a calendar again after hours of their own choice.
REFRESH: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class DueDate:
    """A date that a person typed from a notice, and of what."""

    change: int
    receipt: str
    status: Status
    tags: frozenset[Tag]
    #: Whether an answer is owed.
    deadline: bool
    #: "2026-12-24".
    due: str
    #: Whether a second person has confirmed it.
    confirmed: bool
    #: When it was last typed or confirmed.
    entered_at: Micros
    #: Where the case's page tells of it.
    event: int

    @property
    def title(self) -> str:
        """What a calendar shows."""
        what = "RFE" if self.status is Status.RFE_ISSUED else self._subject
        owed = "Answer due" if self.deadline else "Due"
        doubt = "" if self.confirmed else " (unconfirmed)"
        return f"{owed}: {what} · {mask(self.receipt)}{doubt}"

    @property
    def _subject(self) -> str:
        return headline_of(self.status, self.tags).subject


def due_calendar(
    name: str, dates: Sequence[DueDate], *, key: bytes, public_url: str | None
) -> bytes:
    """The calendar of a person, the same as long as nothing changes.

    Args:
        key: of this database, for ids that no other has.
        public_url: how people reach Casebell's pages; without it no event leads there.
    """
    # A tenth of a second, which a server without feeds need not wait for.
    from icalendar import (  # noqa: PLC0415
        CLASS,
        TRANSP,
        Calendar,
        Event,
        vDuration,
        vText,
    )

    calendar = Calendar.new(
        prodid="-//Casebell//Dates due//EN",
        method="PUBLISH",
        uid=_uid("calendar", name, key=key),
    )
    # The library knows neither as the text that they are (RFC 7986, 5.1), and would not escape it.
    for property_name in ("NAME", "X-WR-CALNAME"):
        calendar.add(property_name, vText(f"Casebell: dates due ({' '.join(name.split())})"))
    # With its type, which the standard asks for; and what Outlook reads in its place.
    calendar.add("REFRESH-INTERVAL", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("X-PUBLISHED-TTL", vDuration(REFRESH))
    for one in sorted(dates, key=lambda one: (one.due, one.change)):
        day = date.fromisoformat(one.due)
        moment = datetime.fromtimestamp(one.entered_at // SECOND, UTC)
        event = Event.new(
            uid=_uid("change", one.change, key=key),
            stamp=moment,
            last_modified=moment,
            start=day,
            end=day + timedelta(days=1),
            summary=one.title,
            classification=CLASS.PRIVATE,
            # Nobody is busy all day because of it.
            transparency=TRANSP.TRANSPARENT,
            url=f"{public_url}/events/{one.event}" if public_url else None,
        )
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _uid(*named: object, key: bytes) -> str:
    """The same in each calendar of this database; it tells nothing of what it is of."""
    digest = hmac.new(key, canonical(["feed", *named]).encode(), hashlib.sha256)
    return f"{digest.hexdigest()[:32]}@casebell"
