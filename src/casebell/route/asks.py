"""Which changes ask for something, and which answer what was asked before. Pure.

What asks stays in the queue until USCIS reports that the answer came, decides, or a person says
that it is answered. Nobody's silence and no time answers anything.
"""

from collections.abc import Iterable, Set

from casebell.alerts import Answers
from casebell.events import Change, Flag, Micros, Status, Tag

_ASKING = frozenset({Tag.DEADLINE, Tag.ACTION, Tag.APPOINTMENT})
_NOT_ASKING = frozenset({Tag.TEST, Tag.NO_INFO})
_DECIDED = frozenset({Status.APPROVED, Status.DENIED})
#: With one of these a decision of another status ends the case, too: one against it, such as a
#: revocation, and that somebody was naturalized.
_ENDING = frozenset({Tag.ADVERSE, Tag.CARD})


def asks(status: Status, tags: Set[Tag], flags: Set[Flag]) -> bool:
    """Whether a change asks for something; one whose wording is not known may.

    What became of a case before it was first looked at asks for nothing: its state then may.
    """
    if tags & _NOT_ASKING or Flag.HISTORY in flags:
        return False
    return owes(status, tags) or bool(tags & _ASKING) or Flag.UNKNOWN_WORDING in flags


def owes(status: Status, tags: Set[Tag]) -> bool:
    """Whether an answer is owed in time, which USCIS then reports to have received."""
    return status is Status.RFE_ISSUED or Tag.DEADLINE in tags


def answers(status: Status, tags: Set[Tag]) -> Answers:
    """What a change answers, of what its case was asked before.

    What asks for an answer itself, such as an intent to revoke, answers nothing. Nor does a text
    that leaves open what was decided: it may be to recommend, to transfer or to reopen.
    """
    if tags & _NOT_ASKING or owes(status, tags):
        return Answers.NOTHING
    if status in _DECIDED or (Tag.DECISION in tags and tags & _ENDING):
        return Answers.EVERYTHING
    return Answers.DEADLINES if status is Status.RFE_RECEIVED else Answers.NOTHING


def is_answered(*, at: Micros, deadline: bool, history: Iterable[Change]) -> bool:
    """Whether a change of the case answers one that was at a time, and came to be known late.

    That an answer was received counts only where as many were received as were owed: USCIS does not
    say which request it answers.
    """
    known = [(change, answers(change.status, change.tags)) for change in history]
    if any(found is Answers.EVERYTHING and change.at > at for change, found in known):
        return True
    received = [change.at for change, found in known if found is Answers.DEADLINES]
    if not deadline or not any(one > at for one in received):
        return False
    owed = [c for c, _ in known if owes(c.status, c.tags) and c.at <= max(received)]
    return len(received) > len(owed)
