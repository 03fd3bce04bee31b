"""The page of the provider's APIs."""

from collections.abc import Mapping
from typing import Any

from casebell.actors import Right
from casebell.console.visit import Visit


async def standing(visit: Visit) -> Mapping[str, Any]:
    """How each API stands, and what can be done with it."""
    return {"upstreams": await visit.ask("list_upstreams"), "acts": visit.may(Right.OPERATE)}
