"""The pages of operations: alerts, channels, held and refused deliveries, servers."""

from collections.abc import Mapping
from typing import Any

from casebell.actors import Right
from casebell.alerts import AlertKind, AlertState
from casebell.api.parameters import AlertFilters
from casebell.console.forms import narrowed
from casebell.console.visit import Visit
from casebell.errors import refusing_codes
from casebell.events import HeldReason, HeldState


async def alerts(visit: Visit) -> Mapping[str, Any]:
    """A page of alerts; whoever may act on them can tick the failed ones."""
    found = await visit.ask("list_alerts", **visit.arguments)
    return {
        "alerts": found,
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
    return {"channels": await visit.ask("list_channels"), "acts": visit.may(Right.OPERATE)}


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
    return {
        "in_a_row": await visit.ask("refused_in_a_row"),
        "refused": await visit.ask("list_refused", **visit.arguments),
        "errors": refusing_codes(),
        "acts": visit.may(Right.OPERATE),
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
    return {"servers": await visit.ask("list_servers"), "checks": await visit.ask("checks")}
