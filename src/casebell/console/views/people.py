"""The page of people: where each hears, who is away, and who stands in."""

from collections.abc import Mapping
from typing import Any

from casebell.actors import Right
from casebell.console.visit import Visit
from casebell.times import last_of


async def everybody(visit: Visit) -> Mapping[str, Any]:
    """Everybody in the configuration; whoever may act says who is away."""
    found = await visit.ask("list_people")
    names = {one["id"]: one["name"] for one in found}
    return {
        "people": [_shown(one, names, visit.local_zone) for one in found],
        "acts": visit.may(Right.OPERATE),
    }


def _shown(one: Mapping[str, Any], names: Mapping[str, str], zone: str) -> Mapping[str, Any]:
    until, stand_in = one["away_until"], one["stand_in"]
    return {
        **one,
        # A last day is one of the firm's, in whatever zone times are shown.
        "away": until and last_of(until, zone),
        "stands_in": names.get(stand_in, stand_in),
    }
