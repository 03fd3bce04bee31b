"""What a look at a case found: which of what the API told is news, and how it is to be taken.

Pure functions. The rules: docs/decisions/0040-reconciliation.md.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from casebell.alerts import Answers
from casebell.clock import DAY
from casebell.events import CaseEvent, ClassifiedEvent, Flag, Micros, Origin, Status, TimeBasis
from casebell.provider_time import date_alone
from casebell.route.asks import answers, owes
from casebell.store.tracked import KnownEvent, Tracked
from casebell.uscis.sentences import text_key

#: Words of status and category, and the text in one spelling: equal states say the same.
State: TypeAlias = tuple[str, str, str]
#: An event with the status that counts, and its tags.
Classified: TypeAlias = Callable[[CaseEvent], ClassifiedEvent]


class Known(NamedTuple):
    """What is on record of a case."""

    row: Tracked
    #: The change that is its present one, and its status.
    present: int | None
    status: str | None
    #: Of any source.
    events: Sequence[KnownEvent]
    #: Since when some API has told of it.
    told_since: Micros | None = None


def state_of(one: CaseEvent | KnownEvent) -> State:
    """What an event says, as far as two that say the same agree."""
    word = (one.delivered_status or "").strip().casefold()
    category = (one.delivered_category or "").strip().casefold()
    return word, category, text_key(one.text)


def digest(told: CaseEvent, *, dated: bool) -> str:
    """The state that an API told, as it is kept: hex.

    Args:
        dated: its time counts. A second Request for Evidence may differ from the first in nothing
            else, and the history tells. Torch has none, and its time moves with every poll
            (docs/decisions/upstream.md, B7).
    """
    said = json.dumps([*state_of(told), told.occurred_at if dated else None])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def in_order(told: Sequence[CaseEvent], present: CaseEvent) -> list[CaseEvent]:
    """What an API told of a case, oldest first, its present state among it.

    Args:
        told: its history, newest first; it may be partial, or empty, or lack the present state.
    """
    ordered = _by_time(reversed(told))
    if not ordered:
        return [present]
    state = state_of(present)
    newest = ordered[-1]
    if state_of(newest) == state:
        return ordered
    if any(state_of(one) == state and one.occurred_at == present.occurred_at for one in ordered):
        return ordered
    # Partial history: some cases have no other (Parley's page, "Data freshness and semantics").
    return _by_time([*ordered, present])


def _by_time(told: Iterable[CaseEvent]) -> list[CaseEvent]:
    """Sorted by time; what has none stays behind the one before it."""
    times: list[tuple[Micros, int, CaseEvent]] = []
    latest: Micros = 0
    for number, one in enumerate(told):
        if one.occurred_at is not None:
            latest = one.occurred_at
        times.append((latest, number, one))
    return [one for _, _, one in sorted(times, key=lambda each: each[:2])]


def news_of(told: Sequence[CaseEvent], known: Known, *, classified: Classified) -> list[CaseEvent]:
    """What of it is not known, oldest first, each with the flags of a first look where it is one.

    Args:
        told: oldest first, as `in_order` gives it.
        classified: an event with the status that counts, and its tags.
    """
    new = list(_unknown(told, known))
    if known.row.first_told_at is not None:
        return new
    first = _FirstLook(known, told, classified)
    return [first.flagged(one, is_last=one.key == told[-1].key) for one in new]


def _unknown(told: Sequence[CaseEvent], known: Known) -> Iterator[CaseEvent]:
    """What no event on record tells."""
    keys = {one.key for one in known.events}
    exact = {(one.occurred_at, *state_of(one)) for one in known.events}
    states = {state_of(one) for one in known.events}
    now = {state_of(one) for one in _of_now(known)}
    for number, one in enumerate(told):
        state, at, is_present = state_of(one), one.occurred_at, number == len(told) - 1
        if at is not None and (at, *state) in exact:
            continue
        if is_present and one.time_basis is not TimeBasis.OCCURRED:
            # When it was observed says nothing of when it became so
            # (docs/decisions/upstream.md, B7).
            if state in now:
                continue
            # Without a time it may have been so before, and something else between.
            new = one if one.key not in keys else _again(one, known)
        elif one.key not in keys and (at is not None or state not in states):
            new = one
        else:
            continue
        keys.add(new.key)
        yield new


def _again(one: CaseEvent, known: Known) -> CaseEvent:
    """What was told before, as an event of its own."""
    return replace(one, key=f"{one.key}\N{NO-BREAK SPACE}(after change {known.present})")


def _of_now(known: Known) -> list[KnownEvent]:
    """What tells of the case as it is, and what is not decided yet."""
    return [one for one in known.events if one.change_id is None or one.change_id == known.present]


class _FirstLook:
    """Tells what was there at the first look, and alerts nobody, from a change that was missed."""

    def __init__(self, known: Known, told: Sequence[CaseEvent], classified: Classified) -> None:
        self._known = known
        self._classified = classified
        self._open = _open_requests(map(classified, told))
        self._by_webhook = [
            _time_of(event) for event in known.events if event.origin == Origin.WEBHOOK
        ]
        #: Whether it was known before, by webhooks or by another API.
        self._is_known = bool(self._by_webhook) or known.told_since is not None
        self._texts_of_now = {text_key(event.text) for event in _of_now(known)}

    def flagged(self, one: CaseEvent, *, is_last: bool) -> CaseEvent:
        """An event with its flag, if it was there."""
        if not self._was_there(one, is_last=is_last):
            return one
        flag = Flag.HISTORY
        if is_last and not self._is_known:
            flag = Flag.BASELINE
        elif is_last and not self._is_as_now(one) and not self._is_past(one):
            # What the case is, and nobody here was told: whoever told of it before was behind, or
            # a webhook came late.
            status = self._classified(one).status
            if self._known.status is not None and status not in (self._known.status, Status.OTHER):
                return one
            flag = Flag.BASELINE
        elif self._is_open(one):
            flag = Flag.BASELINE
        return replace(one, flags=one.flags | {flag})

    def _is_open(self, one: CaseEvent) -> bool:
        """Whether an answer is owed that no other API has told of: a later state only covers it."""
        return one.key in self._open and self._known.told_since is None

    def _is_past(self, one: CaseEvent) -> bool:
        """Whether something is known to have happened after it."""
        at = _at_the_latest(one)
        return at is not None and any(
            event.time_basis == TimeBasis.OCCURRED and _time_of(event) > at
            for event in self._known.events
        )

    def _was_there(self, one: CaseEvent, *, is_last: bool) -> bool:
        """Whether it happened before anybody here could have been told of it.

        Webhooks can tell since the case is registered, or since their first event of it where
        others registered it; another API since it told of it first.
        """
        at = _at_the_latest(one)
        if one.time_basis is not TimeBasis.OCCURRED and self._is_known:
            # Two sources have other words for one state, and this time says nothing.
            if self._is_as_now(one):
                return True
            if at is None:
                return not is_last
        if at is None:
            return True
        limits = [at < first for first in self._by_webhook]
        limits += [
            at <= since
            for since in (self._known.row.registered_at, self._known.told_since)
            if since is not None
        ]
        return all(limits)

    def _is_as_now(self, one: CaseEvent) -> bool:
        status = self._classified(one).status
        same = status == self._known.status and status != Status.OTHER
        return same or text_key(one.text) in self._texts_of_now


def _open_requests(told: Iterable[ClassifiedEvent]) -> Collection[str]:
    """The keys of requests to which an answer is owed, and which nothing told later answers.

    Args:
        told: oldest first.
    """
    found = set[str]()
    for one in told:
        if owes(one.status, one.tags):
            if one.time_basis is TimeBasis.OCCURRED:
                found.add(one.key)
            continue
        answered = answers(one.status, one.tags)
        # USCIS does not say which of several was answered.
        if answered is Answers.EVERYTHING or (answered is Answers.DEADLINES and len(found) == 1):
            found.clear()
    return found


def _at_the_latest(one: CaseEvent) -> Micros | None:
    """When it happened at the latest: of a date alone that is the end of the day."""
    at = one.occurred_at
    if at is not None and Flag.NAIVE_TIME in one.flags and date_alone(one.occurred_raw):
        return at + DAY - 1
    return at


def _time_of(event: KnownEvent) -> Micros:
    """When it had happened at the latest, whatever the sender's clock says."""
    if event.occurred_at is None:
        return event.received_at
    return min(event.occurred_at, event.received_at)
