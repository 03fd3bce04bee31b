"""Parley's case status API, as its page describes it."""

from typing import Any

from casebell.events import Status
from casebell.kinds.kind import Meaning, Sample, SourceKind, word_key

#: Text that tries every trick at once: mentions, markup, templates, links, a control character.
HOSTILE = (
    "<!channel> @everyone <script>alert(1)</script> {{7*7}} <https://evil.example|USCIS> "
    "[Open the notice](https://evil.example) <at>Everyone</at> *bold* \u202etxt.exe\u0007"
)


def _document(sample: Sample, event_id: str, receipt: str, at: str) -> dict[str, Any]:
    return {
        "id": event_id,
        "type": sample.type,
        "receipt_number": receipt,
        "normalized_status": sample.status,
        "raw_status_text": sample.text,
        "occurred_at": at,
    }


KIND = SourceKind(
    name="parley",
    auth="hmac",
    document=_document,
    # The seven values of its "normalized status taxonomy" are ours as well.
    words={word_key(status): Meaning(status=status) for status in Status},
    # Of its event types only `case.status.updated` asserts no status.
    event_types={
        "case.rfe.issued": Status.RFE_ISSUED,
        "case.rfe.received": Status.RFE_RECEIVED,
        "case.approved": Status.APPROVED,
        "case.denied": Status.DENIED,
        "case.interview.scheduled": Status.INTERVIEW_SCHEDULED,
    },
    samples={
        "received": Sample(
            status="received", text="Case Was Received and A Receipt Notice Was Emailed"
        ),
        "rfe": Sample(
            status="rfe_issued",
            text="We sent you a request for evidence for your Form I-129, Petition for a "
            "Nonimmigrant Worker.",
        ),
        "rfe-received": Sample(
            status="rfe_received", text="Response To USCIS' Request For Evidence Was Received"
        ),
        "approved": Sample(status="approved", text="Case Was Approved", type="case.approved"),
        "denied": Sample(status="denied", text="Case Was Denied", type="case.denied"),
        "interview": Sample(
            status="interview_scheduled",
            text="Interview Was Scheduled",
            type="case.interview.scheduled",
        ),
        "noid": Sample(status="other", text="Notice Of Intent To Deny Was Sent"),
        "test": Sample(status="received", text="Case Was Received", receipt="EAC9999103402"),
        "hostile": Sample(status="rfe_issued", text=HOSTILE),
    },
)
