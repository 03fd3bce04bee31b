"""Exports in tests: what one says, without its command."""

import csv
import io
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casebell.actors import Actor
from casebell.service.exporting import Exporting
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock
from service.harness import settings_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """A whole export as JSON lines."""

    rows: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]


def exporting(store: Store) -> Exporting:
    """The verbs that export, over a store."""
    settings = settings_of("parley")
    return Exporting(store=store, settings=lambda: settings, clock=ManualClock())


async def exported(store: Store, verb: str, *, actor: Actor, **given: Any) -> Exported:
    """All that a verb exports."""
    lines = await exporting(store).verbs()[verb](actor=actor, **given)
    *rows, last = [json.loads(line) async for line in lines]
    return Exported(rows=rows, summary=last["export"])


async def exported_csv(lines: AsyncIterable[str]) -> list[dict[str, str]]:
    """Every row of an export as CSV, the last one, too."""
    text = "".join([line async for line in lines])
    limit = csv.field_size_limit(len(text))
    try:
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    finally:
        csv.field_size_limit(limit)
