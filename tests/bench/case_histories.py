"""A few dozen made-up case histories of 1 to 30 events, the same in every run."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from casebell.events import Micros

#: The digits of a ULID.
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: When every history begins.
_FIRST = datetime(2023, 1, 2, tzinfo=UTC)
#: How many of each length; together they make about five events a case.
_LENGTHS = (1,) * 10 + (2, 3, 4) * 5 + (5, 6, 7) * 4 + (8, 10, 12, 15, 20, 30)

#: Parley's type and status, its text, and Torch's category for the same.
_STAGES = (
    ("case.received", "received", "Case Was Received and A Receipt Notice Was Emailed", "Received"),
    ("", "other", "Fingerprint Fee Was Received", "Other"),
    ("", "other", "Case Was Transferred And A New Office Has Jurisdiction", "Other"),
    (
        "case.rfe.issued",
        "rfe_issued",
        "We sent you a request for evidence for your Form I-129. The notice says what we need.",
        "Request for Evidence",
    ),
    (
        "case.rfe.received",
        "rfe_received",
        "Response To USCIS' Request For Evidence Was Received",
        "Response Received",
    ),
    ("case.interview.scheduled", "interview_scheduled", "Interview Was Scheduled", "Other"),
    ("case.approved", "approved", "Case Was Approved. We mailed the notice.", "Approved"),
    ("", "other", "Card Was Mailed To Me", "Other"),
    ("", "other", "Case Was Reopened", "Other"),
    ("case.denied", "denied", "Case Was Denied and the notice was mailed.", "Denied"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One delivery of a history, and how often it comes again."""

    source: str
    body: bytes
    #: Further deliveries of the same bytes.
    again: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseHistory:
    """A case from its first delivery to its last."""

    receipt: str
    steps: tuple[Step, ...]


def case_histories() -> tuple[CaseHistory, ...]:
    """All of them; any case of a store has one."""
    chance = random.Random(11)
    return tuple(_history(number, length, chance) for number, length in enumerate(_LENGTHS))


def event_id(number: int, *, at: Micros) -> str:
    """A source's id of an event, `evt_` and a ULID: ids rise with time, as those of Parley do.

    Args:
        number: as good as random in the id.
        at: when the source made it.
    """
    ulid = (at // 1000 << 80) | number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**80
    return "evt_" + "".join(_CROCKFORD[ulid >> shift & 31] for shift in range(125, -1, -5))


def receipt_number(case: int) -> str:
    """A receipt number for each case, in no order."""
    return f"IOE{case * 7_919_817_203 % 10**10:010d}"


def _history(number: int, length: int, chance: random.Random) -> CaseHistory:
    receipt = f"XYZ{number:010d}"
    chosen = sorted(chance.sample(range(1, len(_STAGES)), chance.randint(2, 6)))
    path = [_STAGES[place] for place in (0, *chosen)]
    steps = [step for stage in _reports(path, chance) for step in _step(receipt, stage, chance)]
    return CaseHistory(receipt=receipt, steps=tuple(steps[:length]))


def _reports(
    path: list[tuple[str, str, str, str]], chance: random.Random
) -> Iterator[tuple[str, tuple[str, str, str, str], int]]:
    """Source, stage and minute of each report; a stage may be reported again in other words."""
    minute = 0
    for lap in range(10):
        for stage in path:
            minute += chance.randrange(3 * 1_440, 40 * 1_440)
            specific = bool(stage[0]) and chance.random() < 0.5
            yield ("torch" if lap == 0 and chance.random() < 0.2 else "parley"), stage, minute
            if specific:
                yield "specific", stage, minute
            if chance.random() < 0.5:
                yield "torch", stage, minute + 30


def _step(
    receipt: str, report: tuple[str, tuple[str, str, str, str], int], chance: random.Random
) -> Iterator[Step]:
    who, (kind, status, text, category), minute = report
    moment = _FIRST + timedelta(minutes=minute)
    number = int(receipt[3:]) * 1_000_000 + minute + (who == "specific")
    at = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    document: dict[str, object] = {
        "id": event_id(number, at=round(moment.timestamp() * 1_000_000)),
        "type": kind if who == "specific" else "case.status.updated",
        "receipt_number": receipt,
        "normalized_status": status,
        "raw_status_text": text,
        "occurred_at": at,
    }
    if who == "torch":
        document = {
            "type": "case.status.updated",
            "data": {
                "receipt_number": receipt,
                "status_text": text,
                "status_category": category,
                "last_status_at": at,
            },
        }
    yield Step(
        source="torch" if who == "torch" else "parley",
        body=json.dumps(document).encode(),
        again=int(chance.random() < 0.04),
    )
