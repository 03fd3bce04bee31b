"""Torch's case status API, as its page describes it.

The page gives "Case Received", "Request for Evidence", "Approved" and "Rejected" as examples of
`status_category`. They are all that is published, and "may expand over time", so the plain words
for the other statuses are here too. `sources.<name>.categories` adds to them or overrides them; a
word found nowhere is `other` with the delivered value kept.
"""

from typing import Any

from casebell.events import Status, Tag
from casebell.kinds.kind import Meaning, Sample, SourceKind

_RECEIVED = Meaning(status=Status.RECEIVED)
#: Also the category of "Response To USCIS' Request For Evidence Was Received". Where the text does
#: not say which, an RFE that must be answered is the safe reading.
_REQUEST_FOR_EVIDENCE = Meaning(status=Status.RFE_ISSUED, hides=frozenset({Status.RFE_RECEIVED}))
_RFE_RECEIVED = Meaning(status=Status.RFE_RECEIVED)
_APPROVED = Meaning(status=Status.APPROVED)
_DENIED = Meaning(status=Status.DENIED)
#: A filing sent back unprocessed, or a denial: the examples name no category for one.
_REJECTED = Meaning(
    status=Status.OTHER, tags=frozenset({Tag.REJECTED}), hides=frozenset({Status.DENIED})
)
#: Also the category of an interview that was cancelled.
_INTERVIEW = Meaning(status=Status.INTERVIEW_SCHEDULED, hides=frozenset({Status.OTHER}))


def _document(sample: Sample, event_id: str, receipt: str, at: str) -> dict[str, Any]:
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


KIND = SourceKind(
    name="torch",
    auth="shared-secret",
    document=_document,
    words={
        "case received": _RECEIVED,
        "case was received": _RECEIVED,
        "request for evidence": _REQUEST_FOR_EVIDENCE,
        "request for additional evidence": _REQUEST_FOR_EVIDENCE,
        "request for initial evidence": _REQUEST_FOR_EVIDENCE,
        "rfe": _REQUEST_FOR_EVIDENCE,
        "rfe response received": _RFE_RECEIVED,
        "request for evidence response received": _RFE_RECEIVED,
        "response to request for evidence received": _RFE_RECEIVED,
        "case approved": _APPROVED,
        "case was approved": _APPROVED,
        "case denied": _DENIED,
        "case was denied": _DENIED,
        "denial": _DENIED,
        "rejected": _REJECTED,
        "case rejected": _REJECTED,
        "case was rejected": _REJECTED,
        "interview": _INTERVIEW,
    },
    samples={
        "received": Sample(status="Case Received", text="Case Was Received"),
        "rfe": Sample(status="Request for Evidence", text="Request for Evidence Was Sent"),
        "rejected": Sample(
            status="Rejected", text="Case Was Rejected Because It Was Improperly Filed"
        ),
    },
)
