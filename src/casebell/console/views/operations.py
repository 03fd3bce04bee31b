"""The pages of operations: alerts, channels, held and refused deliveries, servers."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from casebell.actors import Right
from casebell.alerts import AlertKind, AlertState
from casebell.api import parameters
from casebell.api.parameters import AlertFilters, Parameters, Truth
from casebell.console.forms import narrowed
from casebell.console.visit import Visit
from casebell.errors import refusing_codes
from casebell.events import HeldReason, HeldState
from casebell.service import troubles


class _Ticked(Parameters):
    """What a list with boxes has beside its filter."""

    ticked: Truth = False
    """With every box ticked."""

    def arguments(self) -> dict[str, Any]:
        """Those of the list alone."""
        found = super().arguments()
        del found["ticked"]
        return found


class Alerts(_Ticked, parameters.Alerts):
    """A page of alerts."""


class HeldOnes(_Ticked, parameters.HeldOnes):
    """A page of held deliveries."""


class RefusedOnes(_Ticked, parameters.RefusedOnes):
    """A page of refused deliveries."""


async def alerts(visit: Visit) -> Mapping[str, Any]:
    """A page of alerts; whoever may act on them can tick the failed ones."""
    found = await visit.ask("list_alerts", **visit.arguments)
    return {
        "alerts": found,
        "names": {one["id"]: one["name"] for one in await visit.ask("list_people")},
        "filter": narrowed(AlertFilters, visit.arguments),
        "states": list(AlertState),
        "kinds": list(AlertKind),
        "acts": visit.may(Right.OPERATE),
        "any_failed": any(map(_is_open, found["items"])),
    }


def _is_open(alert: Mapping[str, Any]) -> bool:
    return alert["state"] == AlertState.FAILED and alert["dismissed_at"] is None


async def channels(visit: Visit) -> Mapping[str, Any]:
    """Each channel with its targets."""
    return {
        "channels": await visit.ask("list_channels"),
        "several": len(await visit.ask("list_servers")) > 1,
        "acts": visit.may(Right.OPERATE),
    }


async def held(visit: Visit) -> Mapping[str, Any]:
    """A page of held deliveries, with their bodies."""
    return {
        "held": await visit.ask("list_held", **visit.arguments),
        "state": visit.arguments["state"],
        "states": list(HeldState),
        "reasons": list(HeldReason),
        "acts": visit.may(Right.OPERATE),
    }


async def refused(visit: Visit) -> Mapping[str, Any]:
    """What was refused in a row, with the likely cause, and a page of refused deliveries."""
    in_a_row = await visit.ask("refused_in_a_row")
    return {
        "in_a_row": list(_by_source(one for one in in_a_row if not one["noise"])),
        "noise": [one for one in in_a_row if one["noise"]],
        "lost": list(troubles.of_lost(await visit.ask("pushed_out"))),
        "refused": await visit.ask("list_refused", **visit.arguments),
        "errors": refusing_codes(),
        "acts": visit.may(Right.OPERATE),
    }


def _by_source(errors: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What was refused of each source in a row, with every error."""
    for source, found in groupby(errors, key=lambda one: one["source"]):
        of_source: Sequence[Mapping[str, Any]] = list(found)
        first = of_source[0]
        yield {
            "source": source,
            "errors": of_source,
            **{name: first[name] for name in ("in_all", "since", "last_at", "long")},
        }


async def why_refused(visit: Visit) -> Mapping[str, Any]:
    """One refused delivery with its likely cause."""
    number = visit.arguments["id"]
    return {
        "one": await visit.ask("why_refused", refused_id=number),
        "acts": visit.may(Right.OPERATE),
    }


async def servers(visit: Visit) -> Mapping[str, Any]:
    """The servers that run on this database."""
    return {
        "servers": await visit.ask("list_servers"),
        "troubles": list(troubles.of_checks(await visit.ask("checks"))),
    }
