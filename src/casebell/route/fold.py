"""Finds out whether an event is a new change of its case or reports a known one.

Several events may report one change: the generic and the specific type, two sources, a polled
state whose "last observed" time moves. An event reports a known change if it has the same state, is
close enough in provider time, and no other state lies between. The order of arrival matters for
three things only: which event founds a change, which of two states of one instant is current, and
that a founded change is never split or joined by an event that arrives later.

The reasons: docs/decisions/0004-one-change.md, and docs/decisions/upstream.md, C1 to C6.
"""

import math
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple, TypeAlias

from casebell.clock import DAY, SECOND
from casebell.events import Change, ClassifiedEvent, Flag, Micros, Status, Tag, TimeBasis
from casebell.provider_time import NEVER, date_alone
from casebell.uscis.sentences import text_key as key_of_text

#: Two reports with equal states tell the same: the status, and the normalised text of `other` or
#: of a deadline under another status.
_State: TypeAlias = tuple[str, ...]
#: A known change and its state.
_Known: TypeAlias = tuple[Change, _State]

#: The state of every placeholder, whatever its wording.
_NO_INFO: _State = (Tag.NO_INFO,)

#: Phrases of reasons for a second report of a state, and for its first one, by kind of state.
_AGAIN: dict[str, str] = {Status.OTHER: "same text", Tag.NO_INFO: "again no information"}
_FIRST: dict[str, str] = {
    Status.OTHER: "first change with this text",
    Tag.NO_INFO: "first placeholder of this case",
}


class Fold(NamedTuple):
    """The result of folding an event into the history of its case."""

    #: The known change this event reports; None for a new one.
    change_id: int | None
    #: Provider time of the event, or its time of receipt without one.
    at: Micros
    #: Normalised official text of the event.
    text_key: str
    #: The latest provider time of the reports of the change; it never moves back. Before `at` where
    #: none of them has a time that can be: such a change orders nothing.
    seen_until: Micros
    #: The same state with a new time of observation, or again without any: stored, no alert.
    repeat: bool
    #: A later status was already known. A new change is decided nevertheless.
    late: bool
    #: This event's status becomes the case's current status. False for an event older than an
    #: earlier current one, and for a placeholder once a status is known.
    current: bool
    #: Why, as a sentence in our own words.
    reason: str


class _Report(NamedTuple):
    """The parts of an event that folding compares."""

    state: _State
    text_key: str
    at: Micros
    #: Where it stands among the changes; a time that cannot be is no later than what is known.
    order: Micros
    #: The time is a time of observation, which moves with every poll.
    observed: bool
    #: It came without any time: `at` is its time of receipt.
    timeless: bool
    #: Nobody has read its text: it may say more than its status.
    unread: bool


def is_placeholder(status: Status, tags: Set[Tag]) -> bool:
    """Whether a state is a placeholder, which says nothing of its case.

    A delivered status counts whatever its text, so that no RFE is lost for lack of a text.
    """
    return status is Status.OTHER and Tag.NO_INFO in tags


def fold(
    event: ClassifiedEvent, history: Sequence[Change], *, coalesce: float, repeat_within: float
) -> Fold:
    """Compare an event with the known changes of its receipt, in provider time.

    Args:
        event: classified.
        history: in any order.
        coalesce: seconds that two reports of one change may lie apart, inclusive.
        repeat_within: the same, if the later report has the same text at a new time of
            observation. Both are measured from the nearest end of the span in which the change was
            reported, so that a state that is polled for months stays one change. A state that came
            without any time has no window: with the same text it is the same, however much later.
    """
    text_key = key_of_text(event.text)
    at = event.received_at if event.occurred_at is None else event.occurred_at
    if Flag.NAIVE_TIME in event.flags and date_alone(event.occurred_raw):
        # Within its day it is later than what came before it.
        at = max([at, *(one.seen_until for one in history if at < one.seen_until < at + DAY)])
    order = at
    if Flag.FUTURE_TIME in event.flags:
        order = max((one.seen_until for one in history if one.seen_until < NEVER), default=0)
    report = _Report(
        state=_state(event.status, event.tags, text_key),
        text_key=text_key,
        at=at,
        order=order,
        observed=event.time_basis is TimeBasis.OBSERVED and event.occurred_at is not None,
        timeless=event.time_basis is None,
        unread=Flag.UNKNOWN_WORDING in event.flags,
    )
    known = [
        (change, _state(change.status, change.tags, change.text_key))
        for change in history
        if change.receipt == event.receipt
    ]
    found, reason = _find(report, known, coalesce=coalesce, repeat_within=repeat_within)
    # Release 0.2.0 took placeholders for times; nothing is late after one.
    rivals = [
        (change, state)
        for change, state in known
        if change is not found and change.seen_until < NEVER
    ]
    late = any(change.seen_until > report.order for change, state in rivals if state != _NO_INFO)
    return Fold(
        change_id=None if found is None else found.id,
        at=report.at,
        text_key=text_key,
        seen_until=report.order if found is None else max(found.seen_until, report.order),
        repeat=(
            found is not None
            and (_observed_again(report, found) or _told_again(report, found))
            and report.at not in (found.at, found.seen_until)
        ),
        late=late,
        current=_leads(report, found, rivals),
        reason=f"{reason}; a later status was already known" if late else reason,
    )


def _find(
    report: _Report, known: Sequence[_Known], *, coalesce: float, repeat_within: float
) -> tuple[Change | None, str]:
    """The known change that the event reports, or None; and the reason."""
    kind = report.state[0]
    if not known:
        return None, _first(kind)
    why_not = ""
    # Of two equally near changes the later one, so that all reports of one instant fold alike.
    for change in sorted(
        (
            change
            for change, state in known
            if state == report.state and _adds_nothing(report, change)
        ),
        key=lambda change: (_gap(report, change), -change.seen_until, change.id),
    ):
        said = f"{_AGAIN.get(kind, 'same status')} as change {change.id}"
        window = coalesce
        if _observed_again(report, change):
            window = max(coalesce, repeat_within)
        elif _told_again(report, change):
            window = math.inf
        if _gap(report, change) > window * SECOND:
            why_not = why_not or f"{said}, but more than {_duration(window)} apart"
        elif (other := _between(report, change, known)) is not None:
            why_not = why_not or f"{said}, but change {other.id} lies between"
        else:
            near = "without a time" if window == math.inf else f"within {_duration(window)}"
            return change, f"{said}, {near}, no other status between"
    return None, why_not or _first(kind)


def _adds_nothing(report: _Report, change: Change) -> bool:
    """Whether the text of the report is understood, or is that of the change."""
    return not report.unread or report.text_key == change.text_key


def _first(kind: str) -> str:
    return _FIRST.get(kind, "first change with this status")


def _state(status: Status, tags: Set[Tag], text_key: str) -> _State:
    """The state of a report; equal states tell the same."""
    # For each known change of a case at each delivery about it: the common ones first.
    if status is Status.OTHER:
        return _NO_INFO if is_placeholder(status, tags) else (status, text_key)
    # A notice of intent that came as "received" is no second report of the receipt.
    hidden = Tag.DEADLINE in tags and status is not Status.RFE_ISSUED
    return (status, text_key) if hidden else (status,)


def _gap(report: _Report, change: Change) -> Micros:
    """The distance of the report from the span of the change; 0 inside it."""
    return max(change.at - report.at, report.at - _end(change), 0)


def _end(change: Change) -> Micros:
    """When the change was last reported; where no report has a time that can be, its receipt."""
    return max(change.at, change.seen_until)


def _observed_again(report: _Report, change: Change) -> bool:
    """Whether the report may be the same polled state at a new time of observation."""
    return report.observed and report.text_key == change.text_key


def _told_again(report: _Report, change: Change) -> bool:
    """Whether the report may be the same state again, from a source that tells no time.

    Only forwards: while a clock that was ahead is set back, times of receipt say nothing.
    """
    return report.timeless and report.text_key == change.text_key and report.at >= change.at


def _between(report: _Report, change: Change, known: Iterable[_Known]) -> Change | None:
    """A change to another state that lies strictly between the report and the change."""
    low, high = sorted((report.at, min(max(report.at, change.at), _end(change))))
    return next(
        (
            other
            for other, state in known
            if state not in (report.state, _NO_INFO)
            and (low < other.at < high or low < other.seen_until < high)
        ),
        None,
    )


def _leads(report: _Report, found: Change | None, rivals: Sequence[_Known]) -> bool:
    """Whether no known change is later than the report.

    Of several changes at one instant the one recorded last is the latest. A second report of an
    earlier one does not make that current again.
    """
    placeholder = report.state == _NO_INFO
    if placeholder and any(state != _NO_INFO for _, state in rivals):
        return False
    if found is not None and report.order < found.seen_until:
        return False
    mine = (report.order, math.inf if found is None else found.id)
    return all(
        (rival.seen_until, rival.id) < mine
        for rival, state in rivals
        if (state == _NO_INFO) is placeholder
    )


def _duration(seconds: float) -> str:
    """`24 h`, `7 d`, `90 s`: in the largest unit that gives at least two."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
