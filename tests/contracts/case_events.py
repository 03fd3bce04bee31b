"""Events for tests: plausible ones, each field replaceable."""

import hashlib
import json
from typing import Any

from msgspec.structs import asdict

from casebell.events import (
    CaseEvent,
    ClassifiedEvent,
    Content,
    KeyBasis,
    Origin,
    Status,
    Tag,
    TimeBasis,
)

#: 2025-10-14T19:22:03Z.
OCCURRED_AT = 1_760_469_723_000_000
#: 90 seconds later.
RECEIVED_AT = OCCURRED_AT + 90_000_000


def body_of(key: str, **fields: object) -> bytes:
    """A delivery's body as JSON."""
    return json.dumps({"id": key, "receipt_number": "IOE0912345678", **fields}).encode()


def json_content(_source: str, body: bytes) -> Content:
    """The fields of a body at top level, however its JSON is spelt."""
    return {(name,): json.dumps(value) for name, value in json.loads(body).items()}


def case_event(key: str = "evt_1", **fields: Any) -> CaseEvent:
    """An event from the source `parley`, as it was received; the digest follows the body."""
    body = fields.pop("body", None) or body_of(key)
    return CaseEvent(
        **{
            "source": "parley",
            "key": key,
            "key_basis": KeyBasis.ID,
            "type": "case.status.updated",
            "receipt": "IOE0912345678",
            "receipt_raw": "ioe-091-234-5678",
            "delivered_status": "rfe_issued",
            "delivered_category": None,
            "text": "Request for Additional Evidence Was Sent",
            "occurred_at": OCCURRED_AT,
            "occurred_raw": "2025-10-14T19:22:03Z",
            "time_basis": TimeBasis.OCCURRED,
            "received_at": RECEIVED_AT,
            "flags": frozenset(),
            "body": body,
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "secret_label": "2026",
            "address": "203.0.113.7",
            "idempotency_key": None,
            "request_id": "req_1",
            "origin": Origin.WEBHOOK,
            **fields,
        }
    )


def classified_event(
    key: str = "evt_1",
    *,
    status: Status = Status.RFE_ISSUED,
    tags: frozenset[Tag] = frozenset({Tag.DEADLINE}),
    **fields: Any,
) -> ClassifiedEvent:
    """The same with the status that counts."""
    return classified(case_event(key, **fields), status=status, tags=tags)


def classified(event: CaseEvent, *, status: Status, tags: frozenset[Tag]) -> ClassifiedEvent:
    """The event with the status that counts."""
    return ClassifiedEvent(**asdict(event) | {"status": status, "tags": tags})
