"""The first page: what asks for somebody now, each with the way to its list.

That nothing is wrong is said only of what was read: each part that cannot be read says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from casebell.actors import Right
from casebell.alerts import AlertKind, AlertState
from casebell.console.views.queue import queue_row
from casebell.console.visit import Visit
from casebell.console.words import why
from casebell.errors import CasebellError
from casebell.service import troubles

#: Rows of each list; its own page has the others.
ROWS = 12

#: The verbs that tell how the server and its database stand.
ANSWERS = ("checks", "storage", "doubts", "soundness", "pushed_out", "heartbeat", "warnings")

#: Deferred alerts that are looked at: most of them may wait for hours.
LOOKED_AT = 200

#: Where an alert is that nobody has yet, the most telling first.
ON_THE_WAY = (
    AlertState.RETRYING,
    AlertState.DEFERRED,
    AlertState.PENDING,
    AlertState.SENDING,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What was read; only one of the two says something."""

    value: Any = None
    #: Why it could not be read.
    unread: str | None = None


async def today(visit: Visit) -> Mapping[str, Any]:
    """What concerns cases, for all; what concerns the service, for whoever sees operations."""
    waiting = await _part(visit, "list_alerts", state=AlertState.DEFERRED, limit=LOOKED_AT)
    deferred, for_hours = apart(waiting)
    on_the_way = {
        state: deferred
        if state is AlertState.DEFERRED
        else await _part(visit, "list_alerts", state=state, limit=ROWS)
        for state in ON_THE_WAY
    }
    return {
        "completeness": await _part(visit, "completeness"),
        "queue": await _queue(visit),
        "failed": await _part(visit, "list_alerts", outstanding=True, limit=ROWS),
        "on_the_way": on_the_way,
        "for_hours": for_hours,
        "operations": await _operations(visit) if visit.may(Right.OPERATIONS) else None,
    }


async def _queue(visit: Visit) -> Part:
    """The first of what is owed."""
    part = await _part(visit, "list_queue", by_date=True, limit=ROWS)
    if part.unread:
        return part
    rows = [queue_row(row, visit) for row in part.value["items"]]
    return Part(value={**part.value, "rows": rows})


def apart(found: Part) -> tuple[Part, int]:
    """The deferred alerts that wait for no hours of their channel, and how many others do.

    These are as they should be, and would hide what is not. A digest that waits for its day is not
    counted: there always is one.
    """
    if found.value is None:
        return found, 0
    items = found.value["items"]
    shown = [one for one in items if not one["waits"]]
    for_hours = sum(1 for one in items if one["waits"] and one["kind"] != AlertKind.DIGEST)
    return Part(value={**found.value, "items": shown[:ROWS]}), for_hours


async def _operations(visit: Visit) -> Mapping[str, Any]:
    answers = {name: await _part(visit, name) for name in ANSWERS}
    answers["list_upstreams"] = await _part(visit, "list_upstreams", ask=False)
    channels = await _part(visit, "list_channels")
    tests = () if channels.unread else troubles.of_self_tests(channels.value, now=visit.now)
    return {
        "troubles": [*_troubles(answers), *tests],
        "unread": list(dict.fromkeys(one.unread for one in answers.values() if one.unread)),
        "warnings": answers["warnings"].value or (),
        "channels": channels
        if channels.unread
        else Part(value={"all": channels.value, "in_trouble": list(_in_trouble(channels.value))}),
        "refused": await _part(visit, "refused_in_a_row"),
    }


def _troubles(answers: Mapping[str, Part]) -> Iterator[troubles.Trouble]:
    for name, tell in (
        ("storage", troubles.of_storage),
        ("checks", troubles.of_checks),
        ("soundness", troubles.of_tables),
        ("soundness", troubles.of_outbox),
        ("doubts", troubles.of_proxy),
        ("pushed_out", troubles.of_lost),
        ("heartbeat", troubles.of_heartbeat),
        ("list_upstreams", troubles.of_upstreams),
    ):
        if answers[name].unread is None:
            yield from tell(answers[name].value)


def _in_trouble(channels: Any) -> Iterator[Mapping[str, Any]]:
    """The targets that are paused, whose last attempt failed, or for which something is due."""
    for channel in channels:
        for target in channel["targets"]:
            is_due = target["waiting"] > target["waiting_for_hours"]
            if target["paused_until"] is not None or is_due or _failed_last(target):
                yield {"channel": channel["name"], **target}


def _failed_last(target: Mapping[str, Any]) -> bool:
    failure, sent_at = target["last_failure"], target["last_sent_at"]
    return failure is not None and (sent_at is None or failure["at"] > sent_at)


async def _part(visit: Visit, verb: str, **arguments: Any) -> Part:
    """The answer of a verb, or that there is none."""
    try:
        return Part(value=await visit.ask(verb, **arguments))
    except CasebellError as error:
        return Part(unread=why(error))
