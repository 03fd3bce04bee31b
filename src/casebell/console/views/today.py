"""The first page: what asks for somebody now, each with the way to its list.

Nothing is shown as well that was not read: what cannot be read is an error's page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from casebell.actors import Right
from casebell.alerts import AlertState
from casebell.console.visit import Visit

#: Rows of each list; its own page has the others.
ROWS = 12


async def today(visit: Visit) -> Mapping[str, Any]:
    """What concerns cases, for all; what concerns the service, for whoever sees operations."""
    shown: dict[str, Any] = {
        "asking": await visit.ask("list_cases", asking="true", limit=ROWS),
        "failed": await visit.ask("list_alerts", outstanding=True, limit=ROWS),
        "waiting": [
            await visit.ask("list_alerts", state=state, limit=ROWS)
            for state in (AlertState.RETRYING, AlertState.DEFERRED)
        ],
        "operations": None,
    }
    if visit.may(Right.OPERATIONS):
        shown["operations"] = await _operations(visit)
    return shown


async def _operations(visit: Visit) -> Mapping[str, Any]:
    in_a_row = await visit.ask("refused_in_a_row")
    return {
        "checks": {
            name: result for name, result in (await visit.ask("checks")).items() if result != "ok"
        },
        "proxy": (await visit.ask("doubts"))["untrusted_proxy"],
        "sources": await visit.ask("list_sources"),
        "channels": _in_trouble(await visit.ask("list_channels")),
        "held": (await visit.ask("waiting"))["held"],
        "refused": [one for one in in_a_row if one["source"] is not None],
        "elsewhere": [one for one in in_a_row if one["source"] is None and not one["noise"]],
    }


def _in_trouble(channels: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The targets that are paused, or whose last attempt failed."""
    return [
        {"channel": channel["name"], **target}
        for channel in channels
        for target in channel["targets"]
        if target["paused_until"] is not None or _failed_last(target)
    ]


def _failed_last(target: Mapping[str, Any]) -> bool:
    failure, sent_at = target["last_failure"], target["last_sent_at"]
    return failure is not None and (sent_at is None or failure["at"] > sent_at)
