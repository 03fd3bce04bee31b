"""The pages of events."""

from collections.abc import Mapping
from typing import Any

from casebell.console.visit import Visit


async def listing(visit: Visit) -> Mapping[str, Any]:
    """A page of events."""
    return {"events": await visit.ask("list_events", **visit.arguments)}
