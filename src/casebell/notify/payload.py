"""An alert as JSON for a program, in the words of docs/contract.md: made here and nowhere else."""

from casebell import shapes
from casebell.alerts import Alert, Message, Payload
from casebell.clock import iso
from casebell.json_text import encode
from casebell.notify.ids import message_id
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
        id=message_id(alert, key=key),
        kind=alert.kind,
        created_at=alert.created_at,
        alert={**shapes.alert(row)},
        event=None if event is None else {**shapes.event(event)},
    )


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
