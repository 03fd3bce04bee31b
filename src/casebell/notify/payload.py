"""An alert as JSON for a program, in the words of docs/contract.md: made here and nowhere else."""

import hashlib
import hmac

from casebell import shapes
from casebell.alerts import Alert, Message, Payload
from casebell.clock import iso
from casebell.json_text import canonical, encode
from casebell.store import queries
from casebell.store.engine import Connection


async def payload_of(connection: Connection, alert: Alert, *, key: bytes) -> Payload:
    """What a program is sent of an alert whose attempt is under way.

    Args:
        key: of this database.

    Raises:
        LookupError: the alert is not stored.
    """
    row, event = await queries.alert_with_event(connection, alert.id)
    return Payload(
        id=payload_id(alert, key=key),
        kind=alert.kind,
        created_at=alert.created_at,
        alert={**shapes.alert(row)},
        event=None if event is None else {**shapes.event(event)},
    )


def payload_id(alert: Alert, *, key: bytes) -> str:
    """The same for each attempt of an alert, in a restored database too; of no other alert.

    The number of an alert alone would come again: in another database, and in a restored one for
    what was decided after its backup. The receiver would drop that as a repetition.
    """
    unique = [alert.id, alert.created_at, alert.subject, alert.channel, alert.target]
    digest = hmac.new(key, canonical(unique).encode(), hashlib.sha256).hexdigest()
    return f"msg_{digest[:32]}"


def document(payload: Payload, message: Message) -> bytes:
    """The body that is posted."""
    whole = {
        "type": f"alert.{payload.kind}",
        "timestamp": iso(payload.created_at),
        "data": {
            "alert": payload.alert,
            "event": payload.event,
            "message": {"title": message.title, "body": message.body},
        },
    }
    return encode(whole).encode()
