"""The JSON values of what was refused, with the likely cause: docs/contract.md."""

from typing_extensions import TypedDict

from casebell.clock import iso
from casebell.errors import TooManyRefusals
from casebell.receive.explaining import Explained
from casebell.shapes import Refused, described, refused
from casebell.store.streaks import NOISE, UNKNOWN, Streak


@described
class LikelyCause(TypedDict):
    """Why a delivery was refused, as far as can be told of what is kept."""

    cause: str | None
    certain: bool
    because: str | None
    next: str | None
    """What to do about it."""


@described
class RefusalExplained(Refused, LikelyCause):
    """A refused delivery with its likely cause."""

    headers: list[str]
    """The names of those that came; no value is kept."""


@described
class RefusedInARow(LikelyCause):
    """What was refused of a source in a row with one error, and why, of one of them."""

    source: str | None
    error: str
    count: int
    in_all: int
    since: str
    last_at: str
    long: bool
    noise: bool
    refused: int | None


#: Of refusals that came too fast.
_NOT_KEPT: LikelyCause = {
    "cause": None,
    "certain": False,
    "because": "None of these is kept; those that came before them say why.",
    "next": None,
}


def refusal_explained(one: Explained) -> RefusalExplained:
    """A refused delivery with its likely cause."""
    return {**refused(one.row), "headers": list(one.headers), **_cause(one)}


def streak(found: Streak, *, error: str, explained: Explained | None) -> RefusedInARow:
    """What was refused of a source in a row with one error, and the likely cause of one of them."""
    return {
        "source": None if found.source in (UNKNOWN, NOISE) else found.source,
        "error": error,
        "count": found.errors[error],
        "in_all": found.count,
        "since": iso(found.since),
        "last_at": iso(found.last_at),
        "long": found.is_long,
        "noise": found.source == NOISE,
        "refused": explained.row.id if explained else None,
        **(_NOT_KEPT if error == TooManyRefusals.code else _cause(explained)),
    }


def _cause(explained: Explained | None) -> LikelyCause:
    cause = explained.cause if explained else None
    return {
        "cause": cause.code if cause else None,
        "certain": bool(cause and cause.certain),
        "because": cause.says if cause else None,
        "next": cause.then if cause else None,
    }
