"""Whether all that was sent is in what people see: each source's last delivery, what is kept apart.

That no case asks for anything is worth as much as the deliveries that it rests on.
The keys of the values are those of docs/contract.md.
"""

from collections.abc import Callable, Mapping

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import iso, iso_or_none
from casebell.service import Verb
from casebell.settings import Settings
from casebell.shapes import described
from casebell.store import marks, queries, streaks
from casebell.store.engine import Store

#: Undecided events that are named. There are none but while decisions fail.
MAX_UNDECIDED = 20


@described
class SourceHeard(TypedDict):
    """A source, and what came of it last."""

    name: str
    last_delivery_at: str | None
    """When the last authentic delivery came; of repeats, such as count, to two minutes."""
    silent_since: str | None
    """Since when nothing came, where that is longer than `expect_every` of the source."""
    refused_since: str | None
    """Since when its deliveries are refused in a row, if there are enough to tell operations."""


@described
class Completeness(TypedDict):
    """What the lists rest on."""

    sources: list[SourceHeard]
    held: int
    """Authentic deliveries that were not understood: what they say is in no case."""
    undecided: list[int]
    """The oldest events that are stored and not decided, of which nobody was told."""
    more_undecided: bool


class CompletenessReading:
    """The verb.

    Args:
        settings: those in force.
    """

    def __init__(self, *, store: Store, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._settings = settings

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"completeness": self.completeness}

    async def completeness(self, *, actor: Actor) -> Completeness:
        """What the lists rest on; the sources in the order of the configuration."""
        sources = self._settings().sources
        async with self._store.read() as connection:
            last = await queries.last_deliveries(connection, sources)
            refused = {one.source: one for one in await streaks.read(connection)}
            silent = await marks.named(connection, marks.SILENT)
            held = await queries.count_held(connection)
            undecided = await queries.undecided(connection, limit=MAX_UNDECIDED + 1, seen_by=actor)
        return {
            "sources": [
                {
                    "name": name,
                    "last_delivery_at": iso_or_none(last.get(name)),
                    # One that has spoken since is told of within the minute.
                    "silent_since": iso(silent[name])
                    if source.expect_every is not None
                    and name in silent
                    and last.get(name, 0) <= silent[name]
                    else None,
                    "refused_since": iso(refused[name].since)
                    if name in refused and refused[name].is_long
                    else None,
                }
                for name, source in sources.items()
            ],
            "held": held,
            "undecided": list(undecided[:MAX_UNDECIDED]),
            "more_undecided": len(undecided) > MAX_UNDECIDED,
        }
