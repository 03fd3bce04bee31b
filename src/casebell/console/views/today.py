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
    return {
        "completeness": await _part(visit, "completeness"),
        "queue": await _queue(visit),
        "failed": await _part(visit, "list_alerts", outstanding=True, limit=ROWS),
        "on_the_way": {
            state: _without_next_digests(await _part(visit, "list_alerts", state=state, limit=ROWS))
            for state in ON_THE_WAY
        },
        "operations": await _operations(visit) if visit.may(Right.OPERATIONS) else None,
    }


async def _queue(visit: Visit) -> Part:
    """The first of what is owed."""
    part = await _part(visit, "list_queue", by_date=True, limit=ROWS)
    if part.unread:
        return part
    rows = [queue_row(row, visit) for row in part.value["items"]]
    return Part(value={**part.value, "rows": rows})


def _without_next_digests(found: Part) -> Part:
    """Alerts without the digests that wait for their day: there always are some."""
    if found.value is None:
        return found
    shown = [
        one for one in found.value["items"] if one["kind"] != AlertKind.DIGEST or not one["waits"]
    ]
    return Part(value={**found.value, "items": shown})


async def _operations(visit: Visit) -> Mapping[str, Any]:
    answers = {name: await _part(visit, name) for name in ANSWERS}
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
    ):
        if answers[name].unread is None:
            yield from tell(answers[name].value)


def _in_trouble(channels: Any) -> Iterator[Mapping[str, Any]]:
    """The targets that are paused, whose last attempt failed, or for which something waits."""
    for channel in channels:
        for target in channel["targets"]:
            if target["paused_until"] is not None or target["waiting"] or _failed_last(target):
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
