"""What of what an API told is news: pure functions."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from casebell.events import (
    CaseEvent,
    ClassifiedEvent,
    Flag,
    KeyBasis,
    Micros,
    Origin,
    Status,
    TimeBasis,
)
from casebell.receive.understand import reconciled_key
from casebell.store.tracked import KnownEvent, Tracked
from casebell.upstream.news import Known, digest, in_order, news_of, state_of
from contracts.case_events import RECEIVED_AT, case_event

RECEIPT = "IOE0912345678"
A, B, C = "Case Was Received", "We sent you a request for evidence", "Case Was Approved"
WORDS = {A: "received", B: "rfe_issued", C: "approved"}
HOUR: Micros = 3_600_000_000


def told(text: str, at: int | None, *, observed: bool = False, hours: bool = True) -> CaseEvent:
    """An event of what an API told, so many hours after the epoch."""
    when = None if at is None else at * HOUR if hours else at
    basis = None if when is None else TimeBasis.OBSERVED if observed else TimeBasis.OCCURRED
    return case_event(
        reconciled_key(RECEIPT, at=when, told=(WORDS[text], "", text)),
        key_basis=KeyBasis.RECONCILED,
        receipt=RECEIPT,
        text=text,
        delivered_status=WORDS[text],
        delivered_category=None,
        occurred_at=when,
        time_basis=basis,
        origin=Origin.RECONCILED,
        flags=frozenset(),
    )


def on_record(one: CaseEvent, *, change: int, origin: Origin = Origin.RECONCILED) -> KnownEvent:
    """The same as it is on record."""
    return KnownEvent(
        receipt=RECEIPT,
        key=one.key if origin is Origin.RECONCILED else f"evt_{change}",
        origin=origin,
        change_id=change,
        delivered_status=one.delivered_status,
        delivered_category=one.delivered_category,
        text=one.text,
        occurred_at=one.occurred_at,
        time_basis=one.time_basis,
        received_at=RECEIVED_AT,
    )


def known(
    *events: KnownEvent,
    first_told: bool = True,
    registered: int | None = None,
    present: int | None = None,
    status: str | None = None,
    told_since: int | None = None,
) -> Known:
    """What is on record of a case; its present change is that of the last event."""
    row = Tracked(
        upstream="api",
        receipt=RECEIPT,
        registered_at=None if registered is None else registered * HOUR,
        checked_at=0,
        first_told_at=1 if first_told else None,
        last_state=None,
        last_change=None,
        problem=None,
    )
    last = events[-1].change_id if events else None
    return Known(
        row=row,
        present=last if present is None else present,
        status=status,
        events=events,
        told_since=None if told_since is None else told_since * HOUR,
    )


def news(ordered: Sequence[CaseEvent], before: Known) -> list[CaseEvent]:
    """What is news; the delivered word is the status."""

    def classified(one: CaseEvent) -> ClassifiedEvent:
        status = Status(one.delivered_status or "other")
        return ClassifiedEvent(**asdict(one), status=status, tags=frozenset())

    return news_of(ordered, before, classified=classified)


def brief(events: Sequence[CaseEvent]) -> list[tuple[str, str]]:
    """Text and flags of each."""
    return [(one.text, " ".join(sorted(one.flags))) for one in events]


#: Histories as an API may have them.
TOLD = st.builds(
    told,
    st.sampled_from([A, B, C]),
    st.none() | st.integers(min_value=1, max_value=6),
    observed=st.booleans(),
)


@given(st.lists(TOLD, max_size=8), TOLD)
def test_what_was_taken_is_known(history: list[CaseEvent], present: CaseEvent) -> None:
    """A second look at the same has no news; and no key comes twice, which would be a delivery."""
    ordered = in_order(history, present)
    new = news(ordered, known())
    assert len({one.key for one in new}) == len(new)
    taken = [on_record(one, change=number) for number, one in enumerate(new, 1)]
    last = max(
        (number for number, one in enumerate(new, 1) if state_of(one) == state_of(ordered[-1])),
        default=0,
    )
    assert news(ordered, known(*taken, present=last)) == []


@given(st.lists(TOLD, max_size=8), TOLD)
def test_the_order_is_that_of_time(history: list[CaseEvent], present: CaseEvent) -> None:
    """Oldest first; nothing is lost, and nothing is made up but the present state."""
    ordered = in_order(history, present)
    times = [one.occurred_at for one in ordered if one.occurred_at is not None]
    assert times == sorted(times)
    assert sorted(map(id, history)) == sorted(id(one) for one in ordered if one is not present)
    assert any(state_of(one) == state_of(present) for one in ordered)


def test_a_first_look() -> None:
    """All of it is history but the last, which is what the case is now."""
    ordered = in_order([told(B, 2), told(A, 1)], told(B, 2, observed=True))
    assert brief(news(ordered, known(first_told=False))) == [(A, "history"), (B, "baseline")]


@pytest.mark.parametrize(
    ("registered", "webhook", "flags"),
    [
        (None, None, ["history", "history", "baseline"]),
        (0, None, ["", "", ""]),
        (2, None, ["history", "history", ""]),
        (9, None, ["history", "history", "baseline"]),
        # What came before the first webhook, and was there when it was registered.
        (9, 2, ["history", "", ""]),
        (1, 2, ["history", "", ""]),
        (None, 2, ["history", "", ""]),
        (None, 9, ["history", "history", "history"]),
    ],
)
def test_since_when_changes_are_missed(
    registered: int | None, webhook: int | None, flags: list[str]
) -> None:
    """Since webhooks could have told of them."""
    ordered = in_order([told(C, 3), told(B, 2), told(A, 1)], told(C, 3, observed=True))
    events = []
    if webhook is not None:
        other = told(A, webhook * HOUR - 1, hours=False)
        events = [on_record(other, change=1, origin=Origin.WEBHOOK)]
    before = known(*events, first_told=False, registered=registered)
    assert [" ".join(sorted(one.flags)) for one in news(ordered, before)] == flags


def test_a_date_alone() -> None:
    """It may be of any hour of its day: after the case was registered, or a webhook came."""
    at = told(C, 24)
    dated = replace(at, occurred_raw="1970-01-02", flags=frozenset({Flag.NAIVE_TIME}))
    webhook = on_record(told(A, 30), change=1, origin=Origin.WEBHOOK)
    for before in (known(registered=30, first_told=False), known(webhook, first_told=False)):
        assert news([dated], before) == [dated]
        [exact] = news([at], before)
        assert exact.flags
    [earlier] = news([dated], known(registered=48, first_told=False))
    assert Flag.BASELINE in earlier.flags


def test_another_api_told_of_it_before() -> None:
    """What it had told, in whatever words, is no news; what came since then is."""
    other = on_record(told(A, 1), change=1)
    ordered = in_order([told(C, 3), told(B, 2)], told(C, 3, observed=True))
    for since, flags in ((1, ["", ""]), (2, ["history", ""]), (3, ["history", ""])):
        before = known(other, first_told=False, told_since=since, status="received")
        assert [" ".join(one.flags) for one in news(ordered, before)] == flags
    # Torch's time moves, and its words are others.
    said = told(B, 500, observed=True)
    before = known(other, first_told=False, told_since=1, status="rfe_issued")
    assert brief(news([said], before)) == [(B, "history")]
    before = known(other, first_told=False, told_since=1, status="received")
    assert brief(news([said], before)) == [(B, "")]


def test_what_a_case_is_and_nobody_told() -> None:
    """Its present state is never history, unless something is known to have come after it."""
    ordered = in_order([told(B, 2), told(A, 1)], told(B, 2, observed=True))
    # A webhook without a time came late, or its sender's clock is ahead.
    undated = on_record(told(A, None), change=1, origin=Origin.WEBHOOK)
    ahead = on_record(told(A, 1), change=1, origin=Origin.WEBHOOK)
    ahead = replace(ahead, occurred_at=30 * HOUR, received_at=1 * HOUR)
    # What another API observed later says nothing of when it became so.
    behind = on_record(told(A, 9, observed=True), change=1)
    for event, since in ((undated, None), (ahead, None), (behind, 9)):
        before = known(event, first_told=False, told_since=since, status="received")
        assert brief(news(ordered, before))[-1] == (B, "")
    # Two APIs have other words; what is new of those waits in the queue, if it asks.
    before = known(behind, first_told=False, told_since=9, status="rfe_issued")
    assert brief(news(ordered, before))[-1] == (B, "history")
    other = [replace(ordered[-1], delivered_status="other")]
    assert brief(news(other, before)) == [(B, "baseline")]
    later = on_record(told(C, 5), change=2)
    before = known(behind, later, first_told=False, told_since=9, status="approved")
    assert brief(news(ordered, before))[-1] == (B, "history")


def test_what_has_no_time() -> None:
    """It is no missed change, unless webhooks told of something else."""
    first = known(first_told=False)
    assert brief(news([told(A, None)], first)) == [(A, "baseline")]
    delivered = known(on_record(told(B, 1), change=1, origin=Origin.WEBHOOK), first_told=False)
    assert brief(news([told(A, None)], delivered)) == [(A, "")]
    assert news([told(B, None)], delivered) == []


def test_a_state_without_a_time_that_is_there_again() -> None:
    """Something else was between: it is an event of its own."""
    before = [on_record(told(A, None), change=1), on_record(told(B, None), change=2)]
    [again] = news([told(A, None)], known(*before))
    assert again.key == f"{told(A, None).key}\N{NO-BREAK SPACE}(after change 2)"
    assert news([told(B, None)], known(*before)) == []


def test_what_counts_in_a_digest() -> None:
    """Words and text in one spelling, and the time where it tells something."""
    one, later = told(B, 1, observed=True), told(B, 2, observed=True)
    assert digest(one, dated=True) != digest(later, dated=True)
    assert digest(one, dated=False) == digest(later, dated=False)
    assert digest(one, dated=False) != digest(told(A, 1), dated=False)


def test_flags_of_receiving_stay() -> None:
    """A time without a zone is flagged at a first look, too."""
    naive = told(A, 1)
    naive = case_event(
        naive.key,
        **{
            name: getattr(naive, name)
            for name in ("receipt", "text", "delivered_status", "occurred_at", "time_basis")
        },
        flags=frozenset({Flag.NAIVE_TIME}),
    )
    [one] = news([naive], known(first_told=False))
    assert one.flags == {Flag.NAIVE_TIME, Flag.BASELINE}
