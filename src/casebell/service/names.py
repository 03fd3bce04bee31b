"""Names to which a listing is narrowed: a name of nothing is an error, not an empty list."""

from collections.abc import Collection

from casebell.errors import BadArgument, refusing_codes
from casebell.people.identity import named
from casebell.service.filters import Given
from casebell.settings import Settings
from casebell.settings.values import nearest
from casebell.store import queries
from casebell.store.engine import Connection


async def must_be_known(connection: Connection, given: Given, settings: Settings) -> None:
    """See that each name is one of the configuration, or of something on record.

    Raises:
        BadArgument: one is neither.
    """
    people = settings.people
    known: dict[str, Collection[str]] = {
        "source": settings.sources,
        "channel": settings.channels,
        "person": people,
        "error": refusing_codes(),
    }
    for noun, configured in known.items():
        name = given.get(noun)
        if name is None or name in configured or (noun == "person" and named(name, people)):
            continue
        recorded = await queries.names_on_record(connection, noun)
        if name not in recorded:
            raise BadArgument(
                f"There is no {noun} of this name, neither in the configuration nor on record. "
                f"{nearest(name, {*configured, *recorded})}".rstrip(),
                argument=noun,
            )
