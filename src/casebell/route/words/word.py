"""How a sender's word for a status is looked up, and what it may stand for."""

import re
from dataclasses import dataclass

from casebell.events import Status, Tag

_BETWEEN_WORDS = re.compile(r"[\W_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What a sender means by one word."""

    status: Status
    #: Carried by the event where the official text does not say more.
    tags: frozenset[Tag] = frozenset()
    #: Other statuses that hide behind the word: the official text decides.
    hides: frozenset[Status] = frozenset()


def word_key(word: str) -> str:
    """One spelling for `rfe_issued`, `RFE Issued` and `rfe-issued`: labels are no identifiers."""
    return _BETWEEN_WORDS.sub(" ", word.casefold()).strip()
