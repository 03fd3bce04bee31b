"""Deliveries to try Casebell with: both seeds' shapes, good news and bad, and a hostile one."""

import json
import random
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from casebell.clock import iso
from casebell.events import Micros


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A delivery without what makes it unique."""

    kind: Literal["parley", "torch"]
    #: Parley's normalized status, or Torch's category.
    status: str
    #: The official text.
    text: str
    type: str = "case.status.updated"
    receipt: str | None = None


#: Text that tries every trick at once: mentions, markup, templates, links, a control character.
HOSTILE = (
    "<!channel> @everyone <script>alert(1)</script> {{7*7}} <https://evil.example|USCIS> "
    "[Open the notice](https://evil.example) <at>Everyone</at> *bold* \u202etxt.exe\u0007"
)

SAMPLES: dict[str, Sample] = {
    "parley-received": Sample(
        kind="parley", status="received", text="Case Was Received and A Receipt Notice Was Emailed"
    ),
    "parley-rfe": Sample(
        kind="parley",
        status="rfe_issued",
        text="We sent you a request for evidence for your Form I-129, Petition for a "
        "Nonimmigrant Worker.",
    ),
    "parley-rfe-received": Sample(
        kind="parley",
        status="rfe_received",
        text="Response To USCIS' Request For Evidence Was Received",
    ),
    "parley-approved": Sample(
        kind="parley", status="approved", text="Case Was Approved", type="case.approved"
    ),
    "parley-denied": Sample(
        kind="parley", status="denied", text="Case Was Denied", type="case.denied"
    ),
    "parley-interview": Sample(
        kind="parley",
        status="interview_scheduled",
        text="Interview Was Scheduled",
        type="case.interview.scheduled",
    ),
    "parley-noid": Sample(kind="parley", status="other", text="Notice Of Intent To Deny Was Sent"),
    "parley-test": Sample(
        kind="parley", status="received", text="Case Was Received", receipt="EAC9999103402"
    ),
    "parley-hostile": Sample(kind="parley", status="rfe_issued", text=HOSTILE),
    "torch-received": Sample(kind="torch", status="Case Received", text="Case Was Received"),
    "torch-rfe": Sample(
        kind="torch", status="Request for Evidence", text="Request for Evidence Was Sent"
    ),
    "torch-rejected": Sample(
        kind="torch", status="Rejected", text="Case Was Rejected Because It Was Improperly Filed"
    ),
}


def new_receipt() -> str:
    """A receipt number nobody has: sending a sample twice makes two cases."""
    return f"IOE09{random.randrange(10**8):08d}"  # noqa: S311 - made-up data, no secret


def document_of(
    sample: Sample, *, now: Micros, event_id: str | None = None, receipt: str | None = None
) -> dict[str, Any]:
    """A sample as the upstream's JSON, with `now` as its time; what is not given is a fresh one."""
    receipt = receipt or sample.receipt or new_receipt()
    event_id = event_id or f"evt_{uuid.uuid4().hex[:20]}"
    at = iso(now)[:19] + "Z"
    if sample.kind == "parley":
        return {
            "id": event_id,
            "type": sample.type,
            "receipt_number": receipt,
            "normalized_status": sample.status,
            "raw_status_text": sample.text,
            "occurred_at": at,
        }
    return {
        "type": sample.type,
        "data": {
            "receipt_number": receipt,
            "status_text": sample.text,
            "status_category": sample.status,
            "last_status_at": at,
        },
        "id": event_id,
        "sent_at": at,
    }


def body_of(sample: Sample, *, now: Micros) -> bytes:
    """A sample as the bytes of a body."""
    return json.dumps(document_of(sample, now=now), ensure_ascii=False).encode()
