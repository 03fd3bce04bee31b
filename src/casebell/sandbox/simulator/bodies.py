"""What both APIs say of a case, as JSON values, with the faults that change what is said."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from casebell.clock import HOUR, iso
from casebell.events import Micros, Status
from casebell.kinds import GENERIC_TYPE
from casebell.sandbox.simulator.cases import Case, Movement
from casebell.sandbox.simulator.faults import Faults
from casebell.sandbox.simulator.vocabulary import (
    CATEGORIES,
    SOURCE_HINT,
    SPANISH_TEXTS,
    UNKNOWN_WORDS,
)

#: Names as another environment might have them.
RENAMED: Final[Mapping[str, str]] = {
    "receipt_number": "receiptNumber",
    "normalized_status": "normalizedStatus",
    "raw_status_text": "officialText",
    "occurred_at": "changedAt",
    "last_updated_at": "changedAt",
    "status_text": "officialText",
    "status_category": "caseCategory",
    "last_status_at": "statusSince",
    "last_checked_at": "checkedAt",
    "data": "payload",
    "id": "uuid",
}
#: What is a time of a change.
_TIMES: Final = frozenset({"occurred_at", "last_updated_at", "last_status_at"})


def stamp(at: Micros) -> str:
    """A time as both pages write it: `2025-10-14T19:22:03Z`."""
    return iso(at)[:19] + "Z"


def parley_event(
    receipt: str, movement: Movement, *, event_type: str, event_id: str, faults: Faults
) -> dict[str, Any]:
    """The body of a Parley webhook: the Event schema."""
    said = {
        "id": event_id,
        "type": _type(event_type, faults),
        "receipt_number": receipt,
        "normalized_status": _word(movement, faults),
        "raw_status_text": _text(movement, faults),
        "occurred_at": stamp(movement.at),
    }
    return _of_webhook(said, faults)


def torch_event(
    receipt: str, movement: Movement, *, event_id: str, sent_at: Micros, again: bool, faults: Faults
) -> dict[str, Any]:
    """The body of a Torch webhook.

    Args:
        again: the status is told a second time, observed an hour later.
    """
    observed = movement.at + HOUR if again else movement.at
    said = {
        "type": _type(GENERIC_TYPE, faults),
        "data": {
            "receipt_number": receipt,
            "status_text": _text(movement, faults),
            "status_category": _category(movement, faults),
            "last_status_at": stamp(observed),
        },
        "id": event_id,
        "sent_at": stamp(sent_at),
    }
    return _of_webhook(said, faults)


def parley_status(case: Case, faults: Faults) -> dict[str, Any]:
    """The CaseStatus schema."""
    movement = case.current
    said = {
        "receipt_number": case.receipt,
        "normalized_status": _word(movement, faults),
        "raw_status_text": _text(movement, faults),
        "last_updated_at": stamp(movement.at),
    }
    return _of_api(said, faults)


def parley_history(receipt: str, movements: Sequence[Movement], faults: Faults) -> dict[str, Any]:
    """The answer of `GET /v1/events`, whose items have no id."""
    events = [
        _of_api(
            {
                "type": _type(GENERIC_TYPE, faults),
                "normalized_status": _word(movement, faults),
                "raw_status_text": _text(movement, faults),
                "occurred_at": stamp(movement.at),
            },
            faults,
        )
        for movement in movements
    ]
    return {**_of_api({"receipt_number": receipt}, faults), "events": events}


def torch_status(case: Case, *, now: Micros, faults: Faults) -> dict[str, Any]:
    """The Status schema of Torch."""
    movement = case.current
    said = {
        "receipt_number": case.receipt,
        "status_text": _text(movement, faults),
        "status_category": _category(movement, faults),
        "last_checked_at": stamp(now),
        "last_status_at": stamp(now if faults.moving_times else movement.at),
        "source_hint": SOURCE_HINT,
    }
    return _of_api(said, faults)


def _of_webhook(said: dict[str, Any], faults: Faults) -> dict[str, Any]:
    if faults.no_id:
        del said["id"]
    if faults.dateless:
        said = _without_times(said)
    return _renamed(said) if faults.renamed_fields else said


def _of_api(said: dict[str, Any], faults: Faults) -> dict[str, Any]:
    if faults.dateless:
        said = _without_times(said)
    return _renamed(said) if faults.renamed_api_fields else said


def _without_times(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_times(value) if isinstance(value, dict) else value
        for name, value in said.items()
        if name not in _TIMES
    }


def _renamed(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        RENAMED.get(name, name): _renamed(value) if isinstance(value, dict) else value
        for name, value in said.items()
    }


def _text(movement: Movement, faults: Faults) -> str:
    if faults.spanish:
        # Of a text that a person typed there is no translation; the status has one.
        return SPANISH_TEXTS[movement.status]
    return movement.text


def _word(movement: Movement, faults: Faults) -> str:
    return UNKNOWN_WORDS[movement.status] if faults.unknown_words else str(movement.status)


def _category(movement: Movement, faults: Faults) -> str:
    if faults.unknown_words:
        return UNKNOWN_WORDS[movement.status]
    return movement.category or CATEGORIES[Status(movement.status)]


def _type(event_type: str, faults: Faults) -> str:
    return event_type.replace("case.", "case.beta.", 1) if faults.unknown_types else event_type
