"""What operations are told of wordings that no release has read yet: of each once."""

from collections.abc import Awaitable, Callable
from functools import partial

from casebell.clock import HOUR
from casebell.events import Micros
from casebell.ops_messages import NewWording, NewWordings, OpsMessage
from casebell.settings.wordings import telling_part
from casebell.store import wordings
from casebell.store.engine import Connection

#: New wordings of which operations are told one by one; of more in one message.
WORDINGS_AN_HOUR = 5


async def new_wordings(
    connection: Connection, *, now: Micros
) -> dict[OpsMessage, Callable[..., Awaitable[object]]]:
    """The messages that are due, each with the function that marks its wordings as told."""
    found: dict[OpsMessage, Callable[..., Awaitable[object]]] = {}
    number, last = await wordings.count_unnotified(connection)
    if not number:
        return found
    singly = max(WORDINGS_AN_HOUR - await wordings.told_since(connection, now - HOUR), 0)
    rows = await wordings.unnotified(connection, limit=singly + 1)
    for row in rows[:singly]:
        new = NewWording(
            wording=row.key,
            text=row.text,
            says=telling_part(row.text) or "part of the text",
            source=row.source,
            event=row.event_id,
            changes=row.changes,
        )
        found[new] = partial(wordings.mark_told, first=row.event_id, last=row.event_id)
    for row in rows[singly:]:
        many = NewWordings(count=number - singly, text=row.text, event=row.event_id)
        found[many] = partial(wordings.mark_told, first=row.event_id, last=last)
    return found
