"""The words of both pages: statuses, categories, event types, and official texts for them."""

from collections.abc import Mapping
from typing import Final

from casebell.events import Status
from casebell.kinds import GENERIC_TYPE, KINDS

#: The specific type that a status has as well, by status.
SPECIFIC: Final[Mapping[Status, str]] = {
    status: name for name, status in KINDS["parley"].event_types.items()
}
#: The six types of Parley's page.
EVENT_TYPES: Final = (GENERIC_TYPE, *SPECIFIC.values())

#: Torch's word for each status. Its page names four; a denial and a response to a Request for
#: Evidence hide behind them (docs/decisions/upstream.md, B10).
CATEGORIES: Final[Mapping[Status, str]] = {
    Status.RECEIVED: "Case Received",
    Status.RFE_ISSUED: "Request for Evidence",
    Status.RFE_RECEIVED: "Request for Evidence",
    Status.APPROVED: "Approved",
    Status.DENIED: "Rejected",
    Status.INTERVIEW_SCHEDULED: "Interview",
    Status.OTHER: "Case Update",
}
#: Words that no page has: "categories may expand over time".
UNKNOWN_WORDS: Final[Mapping[Status, str]] = {
    Status.RECEIVED: "intake_complete",
    Status.RFE_ISSUED: "evidence_stage_opened",
    Status.RFE_RECEIVED: "evidence_stage_closed",
    Status.APPROVED: "adjudicated_favorably",
    Status.DENIED: "adjudicated_unfavorably",
    Status.INTERVIEW_SCHEDULED: "in_person_step",
    Status.OTHER: "administrative_step",
}

#: What a movement says that came without a text.
TEXTS: Final[Mapping[Status, str]] = {
    Status.RECEIVED: "Case Was Received and A Receipt Notice Was Emailed",
    Status.RFE_ISSUED: "Request for Additional Evidence Was Sent",
    Status.RFE_RECEIVED: "Response To USCIS' Request For Evidence Was Received",
    Status.APPROVED: "Case Was Approved",
    Status.DENIED: "Case Was Denied",
    Status.INTERVIEW_SCHEDULED: "Interview Was Scheduled",
    Status.OTHER: "Case Was Transferred And A New Office Has Jurisdiction",
}
SPANISH_TEXTS: Final[Mapping[Status, str]] = {
    Status.RECEIVED: "Recibimos su caso",
    Status.RFE_ISSUED: "Le enviamos una solicitud de evidencia",
    Status.RFE_RECEIVED: "Recibimos su respuesta a nuestra solicitud de evidencia",
    Status.APPROVED: "Su caso fue aprobado",
    Status.DENIED: "Su caso fue denegado",
    Status.INTERVIEW_SCHEDULED: "Se programó una entrevista",
    Status.OTHER: "Caso fue transferido",
}

#: Torch's note on who says what counts.
SOURCE_HINT: Final = "Simulated. The official status remains that of USCIS."


def types_of(status: Status) -> tuple[str, ...]:
    """The generic type and, where the status has one, the specific one."""
    return (GENERIC_TYPE, SPECIFIC[status]) if status in SPECIFIC else (GENERIC_TYPE,)
