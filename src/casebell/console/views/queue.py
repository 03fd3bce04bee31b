"""The queue: what is owed, by when, and who has seen it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from casebell.clock import SECOND
from casebell.console.visit import Visit
from casebell.console.words import headline
from casebell.service.following_up import who_it_is
from casebell.service.who import who
from casebell.times import counted


async def listing(visit: Visit) -> Mapping[str, Any]:
    """What is open, the soonest date first; then what has none, the oldest first."""
    found = await visit.ask("list_queue", by_date=True, **visit.arguments)
    narrowed = visit.arguments.keys() - {"limit", "cursor"}
    return {
        "rows": [queue_row(row, visit) for row in found["items"]],
        "next": found["next"],
        "empty": "Nothing open matches."
        if narrowed
        else "Nothing is open that you may see, by what Casebell has received.",
    }


def queue_row(row: Mapping[str, Any], visit: Visit) -> Mapping[str, Any]:
    """A row as the page shows it."""
    return {**shown(row, visit), "headline": headline({**row, "flags": (), "text": ""})}


def shown(owed: Mapping[str, Any], visit: Visit) -> Mapping[str, Any]:
    """What is owed, with how far away its date is, and whether the visitor may confirm it."""
    if owed["due"] is None:
        return {**owed, "overdue": False, "away": "", "may_confirm": False}
    today = datetime.fromtimestamp(visit.now / SECOND, UTC).astimezone(ZoneInfo(visit.local_zone))
    days = (date.fromisoformat(owed["due"]) - today.date()).days
    same = owed["due_by"] == who(who_it_is(visit.actor), visit.people)
    return {
        **owed,
        "overdue": days < 0,
        "away": _away(days),
        "may_confirm": not owed["due_confirmed"] and not same,
    }


def _away(days: int) -> str:
    if days < 0:
        return f"{counted(-days, 'day')} ago"
    return f"in {counted(days, 'day')}" if days else "today"
