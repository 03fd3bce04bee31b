"""Which events are news: a table of scenarios, and what holds of all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from casebell.events import Change, ClassifiedEvent, Flag, KeyBasis, Origin, Status, Tag, TimeBasis
from casebell.provider_time import NEVER
from casebell.route.fold import Fold, fold, is_placeholder

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
START = 1_760_000_000 * SECOND
RECEIPT = "IOE0912345678"

COALESCE = 24 * 3_600.0
REPEAT_WITHIN = 7 * 24 * 3_600.0

RECEIVED, RFE, RESPONSE = Status.RECEIVED, Status.RFE_ISSUED, Status.RFE_RECEIVED
APPROVED, OTHER = Status.APPROVED, Status.OTHER
DUE = frozenset({Tag.DEADLINE})
OCCURRED, OBSERVED = TimeBasis.OCCURRED, TimeBasis.OBSERVED

TITLES = {
    RECEIVED: "Case Was Received",
    RFE: "Request for Additional Evidence Was Sent",
    RESPONSE: "Response To USCIS' Request For Evidence Was Received",
    APPROVED: "Case Was Approved",
    Status.DENIED: "Case Was Denied",
    Status.INTERVIEW_SCHEDULED: "Interview Was Scheduled",
    OTHER: "Fingerprint Fee Was Received",
}


def report(
    status: Status,
    *,
    hour: float = 0,
    text: str | None = None,
    basis: TimeBasis | None = OCCURRED,
    timed: bool = True,
    kind: str = "case.status.updated",
    source: str = "parley",
    tags: frozenset[Tag] = frozenset(),
    receipt: str = RECEIPT,
) -> ClassifiedEvent:
    """A status with its hour: by the provider's word, or by arrival where it is not `timed`."""
    at = START + round(hour * HOUR)
    body = f"{source}/{kind}/{status}/{hour}/{text}".encode()
    return ClassifiedEvent(
        source=source,
        key=hashlib.sha256(body).hexdigest(),
        key_basis=KeyBasis.DIGEST,
        type=kind,
        receipt=receipt,
        receipt_raw=receipt,
        delivered_status=status,
        delivered_category=None,
        text=TITLES[status] if text is None else text,
        occurred_at=at if timed else None,
        occurred_raw=None,
        time_basis=basis,
        received_at=START + 400 * DAY if timed else at,
        flags=frozenset(),
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest(),
        secret_label="2026",
        address="",
        idempotency_key=None,
        request_id="req_1",
        origin=Origin.WEBHOOK,
        status=status,
        tags=tags,
    )


def polled(status: Status, *, hour: float, text: str | None = None) -> ClassifiedEvent:
    """A state with its time of last observation, as Torch tells it."""
    return report(status, hour=hour, text=text, basis=OBSERVED, source="torch")


def untimed(status: Status, *, hour: float, text: str | None = None) -> ClassifiedEvent:
    """A state that came without a time, received at that hour."""
    return report(status, hour=hour, text=text, basis=None, timed=False, source="torch")


def unreadable(status: Status, *, hour: float) -> ClassifiedEvent:
    """A state whose time cannot be read, received at that hour."""
    return report(status, hour=hour, basis=OBSERVED, timed=False, source="torch")


def nothing_shown(*, hour: float, text: str = "CASE STATUS") -> ClassifiedEvent:
    """A placeholder."""
    return report(OTHER, hour=hour, text=text, tags=frozenset({Tag.NO_INFO}))


def made(event: ClassifiedEvent, folded: Fold, *, number: int) -> Change:
    """The change that an event founds."""
    return Change(
        id=number,
        receipt=event.receipt,
        status=event.status,
        tags=event.tags,
        text_key=folded.text_key,
        at=folded.at,
        seen_until=folded.seen_until,
    )


class FoldedCase:
    """A case whose events are folded one by one; keeps the changes as the store would."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        #: Status of the latest event that was called current, with the time it carried.
        self.current: tuple[Status, int] | None = None

    def fold(self, event: ClassifiedEvent) -> Fold:
        """Fold the event and record what it means."""
        folded = fold(event, self.changes, coalesce=COALESCE, repeat_within=REPEAT_WITHIN)
        if folded.change_id is None:
            self.changes.append(made(event, folded, number=len(self.changes) + 1))
        else:
            known = self.changes[folded.change_id - 1]
            self.changes[folded.change_id - 1] = replace(known, seen_until=folded.seen_until)
        if folded.current:
            self.current = (event.status, folded.at)
        return folded


def outcome(event: ClassifiedEvent, folded: Fold) -> str:
    """What people notice of an event."""
    if folded.change_id is not None:
        return "repeat" if folded.repeat else "same"
    if is_placeholder(event.status, event.tags):
        return "quiet"
    return "late alert" if folded.late else "alert"


@dataclass(frozen=True)
class Scenario:
    name: str
    events: Sequence[tuple[str, ClassifiedEvent]]
    ends_as: Status


SCENARIOS = [
    Scenario(
        "the generic and the specific type of one change",
        [
            ("alert", report(RFE, kind="case.status.updated")),
            ("same", report(RFE, kind="case.rfe.issued")),
        ],
        RFE,
    ),
    Scenario(
        "the specific type words it differently, two hours later",
        [
            ("alert", report(RFE, text="We sent you a request for evidence for your Form I-129.")),
            ("same", report(RFE, hour=2, kind="case.rfe.issued")),
        ],
        RFE,
    ),
    Scenario(
        "both sources tell of one change",
        [
            ("alert", report(APPROVED, hour=0)),
            ("same", polled(APPROVED, hour=3, text="Your case was approved.")),
        ],
        APPROVED,
    ),
    Scenario(
        "a notice of intent under the status that the case has already",
        [
            ("alert", report(RECEIVED)),
            ("alert", report(RECEIVED, hour=1, text="Intent to Deny", tags=DUE)),
            ("same", report(RECEIVED, hour=2, text="Intent to deny.", tags=DUE)),
        ],
        RECEIVED,
    ),
    Scenario(
        "exactly the coalescing window apart",
        [("alert", report(RFE, hour=0)), ("same", report(RFE, hour=24))],
        RFE,
    ),
    Scenario(
        "one second more than the coalescing window apart",
        [("alert", report(RFE, hour=0)), ("alert", report(RFE, hour=24 + 1 / 3600))],
        RFE,
    ),
    Scenario(
        "one second more than the coalescing window apart, told backwards",
        [("alert", report(RFE, hour=24 + 1 / 3600)), ("late alert", report(RFE, hour=0))],
        RFE,
    ),
    Scenario(
        "a poll every hour for two days",
        [
            ("alert", polled(RFE, hour=0)),
            *(("repeat", polled(RFE, hour=hour)) for hour in range(1, 48)),
        ],
        RFE,
    ),
    Scenario(
        "a poll every day, give or take",
        [
            ("alert", polled(RFE, hour=0)),
            *(("repeat", polled(RFE, hour=hour)) for hour in (24.1, 47.8, 72.6, 97, 120.2)),
        ],
        RFE,
    ),
    Scenario(
        "a poll every three days for a month",
        [
            ("alert", polled(RFE, hour=0)),
            *(("repeat", polled(RFE, hour=72 * n)) for n in range(1, 11)),
        ],
        RFE,
    ),
    Scenario(
        "a poll after exactly seven days, then after a little more",
        [
            ("alert", polled(RFE, hour=0)),
            ("repeat", polled(RFE, hour=168)),
            ("alert", polled(RFE, hour=168 + 168.1)),
        ],
        RFE,
    ),
    Scenario(
        "a poll with the same observation time under another id",
        [("alert", polled(RFE, hour=0)), ("same", polled(RFE, hour=0))],
        RFE,
    ),
    Scenario(
        "polls of one text of status other, which then changes",
        [
            ("alert", polled(OTHER, hour=0)),
            ("repeat", polled(OTHER, hour=72)),
            ("alert", polled(OTHER, hour=73, text="Card Was Mailed To Me")),
            ("repeat", polled(OTHER, hour=145, text="Card Was Mailed To Me")),
        ],
        OTHER,
    ),
    Scenario(
        "three days apart, by the time it occurred: not a poll",
        [("alert", report(RFE, hour=0)), ("alert", report(RFE, hour=72))],
        RFE,
    ),
    Scenario(
        "polled three days later in other words: not the same observation",
        [
            ("alert", polled(RFE, hour=0)),
            ("alert", polled(RFE, hour=72, text="Request for Initial Evidence Was Sent")),
        ],
        RFE,
    ),
    Scenario(
        "a second RFE after 40 days",
        [("alert", report(RFE, hour=0)), ("alert", report(RFE, hour=40 * 24))],
        RFE,
    ),
    Scenario(
        "RFE, response and RFE again on one day",
        [
            ("alert", report(RFE, hour=0)),
            ("alert", report(RESPONSE, hour=5)),
            ("alert", report(RFE, hour=10)),
        ],
        RFE,
    ),
    Scenario(
        "a poll goes back to a state after another was seen",
        [
            ("alert", polled(RFE, hour=0)),
            ("alert", polled(RESPONSE, hour=5)),
            ("alert", polled(RFE, hour=6)),
            ("repeat", polled(RFE, hour=7)),
        ],
        RFE,
    ),
    Scenario(
        "the RFE arrives after the approval",
        [("alert", report(APPROVED, hour=48)), ("late alert", report(RFE, hour=0))],
        APPROVED,
    ),
    Scenario(
        "a late arrival between two known changes",
        [
            ("alert", report(RFE, hour=0)),
            ("alert", report(APPROVED, hour=60)),
            ("late alert", report(RESPONSE, hour=30)),
        ],
        APPROVED,
    ),
    Scenario(
        "a late report of a change that another has followed",
        [
            ("alert", report(RFE, hour=0)),
            ("alert", report(RESPONSE, hour=10)),
            ("same", report(RFE, hour=0, kind="case.rfe.issued")),
        ],
        RESPONSE,
    ),
    Scenario(
        "a pair out of order, then the generic type of both",
        [
            ("alert", report(RESPONSE, hour=10)),
            ("late alert", report(RFE, hour=0)),
            ("same", report(RESPONSE, hour=10, kind="case.rfe.received")),
            ("same", report(RFE, hour=0, kind="case.rfe.issued")),
        ],
        RESPONSE,
    ),
    Scenario(
        "the nearer report is cut off by another status, the farther is not",
        [
            ("alert", report(RFE, hour=0)),
            ("alert", report(RESPONSE, hour=5)),
            ("alert", report(RFE, hour=20)),
            ("same", report(RFE, hour=7)),
        ],
        RFE,
    ),
    Scenario(
        "a polled state goes on around a late arrival, which is then told again",
        [
            ("alert", polled(RFE, hour=0)),
            ("repeat", polled(RFE, hour=10)),
            ("late alert", report(RESPONSE, hour=5)),
            ("alert", report(RESPONSE, hour=12)),
        ],
        RESPONSE,
    ),
    Scenario(
        "a placeholder says nothing of the case",
        [("alert", report(RECEIVED, hour=0)), ("quiet", nothing_shown(hour=50))],
        RECEIVED,
    ),
    Scenario(
        "a placeholder between two reports does not make the second one news",
        [
            ("alert", report(APPROVED, hour=0)),
            ("quiet", nothing_shown(hour=1)),
            ("same", report(APPROVED, hour=2)),
        ],
        APPROVED,
    ),
    Scenario(
        "approved, a placeholder and approved at the same time",
        [
            ("alert", report(APPROVED, hour=0)),
            ("quiet", nothing_shown(hour=0)),
            ("same", report(APPROVED, hour=0, kind="case.approved")),
        ],
        APPROVED,
    ),
    Scenario(
        "placeholders of any wording are one until a status comes between",
        [
            ("quiet", nothing_shown(hour=0)),
            ("same", nothing_shown(hour=1, text="Unknown")),
            ("alert", report(RECEIVED, hour=2)),
            ("quiet", nothing_shown(hour=3)),
        ],
        RECEIVED,
    ),
    Scenario(
        "a first placeholder gives way to an older status",
        [("quiet", nothing_shown(hour=9)), ("alert", report(RECEIVED, hour=0))],
        RECEIVED,
    ),
    Scenario(
        "a delivered RFE without words is an RFE",
        [
            ("alert", report(RECEIVED, hour=0)),
            ("alert", report(RFE, hour=1, text="", tags=frozenset({Tag.NO_INFO, Tag.DEADLINE}))),
            ("same", report(RFE, hour=2)),
        ],
        RFE,
    ),
    Scenario(
        "two statuses share an instant: the later arrival counts, and stays",
        [
            ("alert", polled(RFE, hour=0)),
            ("alert", polled(RESPONSE, hour=0)),
            ("same", report(RFE, hour=0)),
        ],
        RESPONSE,
    ),
    Scenario(
        "two texts of status other share an instant",
        [
            ("alert", polled(OTHER, hour=0)),
            ("alert", polled(OTHER, hour=0, text="Card Was Mailed To Me")),
            ("same", polled(OTHER, hour=0)),
        ],
        OTHER,
    ),
    Scenario(
        "a text of status other that comes back after another",
        [
            ("alert", report(OTHER, hour=0)),
            ("alert", report(OTHER, hour=1, text="Card Was Mailed To Me")),
            ("alert", report(OTHER, hour=2)),
        ],
        OTHER,
    ),
    Scenario(
        "a time that cannot be read: the time of receipt stands in",
        [
            ("alert", unreadable(RFE, hour=0)),
            ("same", unreadable(RFE, hour=20)),
            ("same", unreadable(RFE, hour=40)),
            ("alert", unreadable(RFE, hour=65)),
        ],
        RFE,
    ),
    Scenario(
        "no time at all: the same again is a repeat, however much later",
        [
            ("alert", untimed(RFE, hour=0)),
            ("repeat", untimed(RFE, hour=20)),
            ("repeat", untimed(RFE, hour=2_000)),
            ("repeat", untimed(RFE, hour=2_001)),
        ],
        RFE,
    ),
    Scenario(
        "no time at all: a second RFE after another status",
        [
            ("alert", untimed(RFE, hour=0)),
            ("alert", untimed(RESPONSE, hour=1)),
            ("alert", untimed(RFE, hour=2)),
            ("repeat", untimed(RFE, hour=2_000)),
        ],
        RFE,
    ),
    Scenario(
        "no time at all: a second RFE in other words",
        [
            ("alert", untimed(RFE, hour=0)),
            ("alert", untimed(RFE, hour=30, text="Request for Initial Evidence Was Sent")),
            ("repeat", untimed(RFE, hour=90)),
            ("repeat", untimed(RFE, hour=200, text="Request for Initial Evidence Was Sent")),
        ],
        RFE,
    ),
    Scenario(
        "no time at all, of a change that another source told with its time",
        [
            ("alert", report(RFE, hour=0)),
            ("repeat", untimed(RFE, hour=500)),
            ("alert", report(RESPONSE, hour=600)),
            ("alert", untimed(RFE, hour=700)),
        ],
        RFE,
    ),
    Scenario(
        "no time at all, received by a clock that is far ahead and then set back",
        [
            ("alert", untimed(RFE, hour=9_000)),
            ("late alert", untimed(RESPONSE, hour=1)),
            ("late alert", untimed(RFE, hour=2)),
        ],
        RFE,
    ),
    Scenario(
        "another receipt",
        [("alert", report(RFE)), ("alert", report(RFE, receipt="IOE0987654321"))],
        RFE,
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario) -> None:
    """Each event is news, or not, as the scenario says, and the case ends with its status."""
    case = FoldedCase()
    heard = [outcome(event, case.fold(event)) for _, event in scenario.events]
    assert heard == [expected for expected, _ in scenario.events]
    assert case.current is not None
    assert case.current[0] is scenario.ends_as


def test_history_in_any_order() -> None:
    """The order in which the known changes are handed over does not matter."""
    case = FoldedCase()
    for hour, status in enumerate((RFE, RESPONSE, RFE, APPROVED)):
        case.fold(report(status, hour=hour))
    for event in (report(RFE, hour=2), report(RESPONSE, hour=2.5), report(Status.DENIED, hour=1)):
        forwards, backwards = (
            fold(event, history, coalesce=COALESCE, repeat_within=REPEAT_WITHIN)
            for history in (case.changes, case.changes[::-1])
        )
        assert forwards._replace(reason="") == backwards._replace(reason="")


def test_the_nearest_change_is_the_one_reported() -> None:
    """Of two changes that both fit, an event reports the nearer one."""
    case = FoldedCase()
    for hour in (0, 30):
        case.fold(report(RFE, hour=hour))
    assert case.fold(report(RFE, hour=10)).change_id == 1
    assert case.fold(report(RFE, hour=20)).change_id == 2


def test_span_moves_on_and_never_back() -> None:
    """A report from before the latest one leaves `seen_until` where it was."""
    case = FoldedCase()
    case.fold(polled(RFE, hour=0))
    assert case.fold(polled(RFE, hour=30)).seen_until == START + 30 * HOUR
    assert case.fold(polled(RFE, hour=10)).seen_until == START + 30 * HOUR


def test_status_seen_amid_a_polled_span_is_late() -> None:
    """A status older than the latest observation of another is late and not current."""
    case = FoldedCase()
    case.fold(polled(RFE, hour=0))
    case.fold(polled(RFE, hour=10))
    folded = case.fold(report(RESPONSE, hour=5))
    assert (folded.change_id, folded.late, folded.current) == (None, True, False)


@pytest.mark.parametrize(
    ("told_before", "event", "reason"),
    [
        ([], report(RFE), "first change with this status"),
        ([], report(OTHER), "first change with this text"),
        ([], nothing_shown(hour=0), "first placeholder of this case"),
        (
            [report(RFE)],
            report(RFE, hour=1),
            "same status as change 1, within 24 h, no other status between",
        ),
        (
            [polled(OTHER, hour=0)],
            polled(OTHER, hour=100),
            "same text as change 1, within 7 d, no other status between",
        ),
        (
            [untimed(RFE, hour=0)],
            untimed(RFE, hour=100),
            "same status as change 1, without a time, no other status between",
        ),
        ([report(RFE)], report(RFE, hour=25), "same status as change 1, but more than 24 h apart"),
        (
            [report(RFE), report(RESPONSE, hour=1)],
            report(RFE, hour=2),
            "same status as change 1, but change 2 lies between",
        ),
        (
            [report(APPROVED, hour=1)],
            report(RFE, hour=0),
            "first change with this status; a later status was already known",
        ),
    ],
)
def test_reason(told_before: list[ClassifiedEvent], event: ClassifiedEvent, reason: str) -> None:
    """The reason is a sentence of our own words that names the change compared with."""
    case = FoldedCase()
    for earlier in told_before:
        case.fold(earlier)
    assert case.fold(event).reason == reason


@pytest.mark.parametrize(
    ("window", "words"), [(90, "90 s"), (600, "10 min"), (5_400, "90 min"), (129_600, "36 h")]
)
def test_reason_names_the_window_as_set(window: float, words: str) -> None:
    """The window in a reason is the configured one, in the unit a reader would use."""
    case = FoldedCase()
    case.fold(report(RFE))
    folded = fold(
        report(RFE, hour=1_000), case.changes, coalesce=window, repeat_within=REPEAT_WITHIN
    )
    assert folded.reason == f"same status as change 1, but more than {words} apart"


def test_repeat_window_never_narrows_the_other() -> None:
    """A `repeat_within` below `coalesce` leaves the coalescing window in force."""
    case = FoldedCase()
    case.fold(polled(RFE, hour=0))
    folded = fold(polled(RFE, hour=20), case.changes, coalesce=COALESCE, repeat_within=0)
    assert (folded.change_id, folded.repeat) == (1, True)


EVENTS = st.builds(
    report,
    st.sampled_from([RECEIVED, RFE, RESPONSE, APPROVED, OTHER]),
    hour=st.integers(0, 400),
    text=st.sampled_from([None, "Card Was Mailed To Me"]),
    basis=st.none() | st.sampled_from(TimeBasis),
    timed=st.booleans(),
    tags=st.sampled_from([frozenset(), frozenset({Tag.NO_INFO})]),
)


@given(st.lists(EVENTS, max_size=25))
def test_an_event_is_never_news_twice(events: list[ClassifiedEvent]) -> None:
    """Folded a second time at once, an event reports the very change it made or joined."""
    case = FoldedCase()
    for event in events:
        first = case.fold(event)
        made = first.change_id or len(case.changes)
        again = case.fold(event)
        assert again.change_id == made
        assert again.current is first.current


@given(
    st.lists(
        st.tuples(st.sampled_from([RECEIVED, RFE, RESPONSE, OTHER]), st.integers(1, 500)),
        max_size=25,
    ),
    st.sampled_from([0.0, 1.0]),
)
def test_without_times_each_movement_is_news_once(
    told: list[tuple[Status, int]], coalesce: float
) -> None:
    """News is a status that is not the last one, whatever the window and the pauses."""
    changes: list[Change] = []
    hour, last, news = 0, None, []
    for status, pause in told:
        hour += pause
        event = untimed(status, hour=hour)
        folded = fold(event, changes, coalesce=coalesce, repeat_within=0)
        news.append(folded.change_id is None)
        if folded.change_id is None:
            changes.append(made(event, folded, number=len(changes) + 1))
        else:
            changes[folded.change_id - 1] = replace(
                changes[folded.change_id - 1], seen_until=folded.seen_until
            )
        assert news[-1] == (status is not last)
        assert folded.current
        last = status


@given(st.lists(EVENTS, max_size=25))
def test_current_status_never_regresses(events: list[ClassifiedEvent]) -> None:
    """The current status is always that of the latest provider time told so far."""
    case = FoldedCase()
    known: list[int] = []
    for event in events:
        folded = case.fold(event)
        placeholder = is_placeholder(event.status, event.tags)
        if folded.current and known:
            assert not placeholder
            assert folded.at >= max(known)
        if not placeholder:
            known.append(folded.at)
            assert case.current is not None
            assert case.current[1] == max(known)


@st.composite
def duplicated_reports(draw: st.DrawFn) -> tuple[list[Status], list[ClassifiedEvent]]:
    """Movements at least three windows apart, each told several times within one, shuffled."""
    movements = draw(st.lists(st.sampled_from([RECEIVED, RFE, RESPONSE, OTHER]), max_size=6))
    reports = [
        report(status, hour=72 * number + draw(st.integers(0, 24)), source=source)
        for number, status in enumerate(movements)
        for source in draw(st.lists(st.sampled_from(["parley", "torch"]), min_size=1, max_size=4))
    ]
    return movements, draw(st.permutations(reports))


@given(duplicated_reports())
def test_duplicates_in_any_order_are_one_change_each(
    scenario: tuple[list[Status], list[ClassifiedEvent]],
) -> None:
    """However often and in whatever order movements are told, each is one change."""
    movements, reports = scenario
    case = FoldedCase()
    for report in reports:
        case.fold(report)
    by_time = sorted(case.changes, key=lambda change: change.at)
    assert [change.status for change in by_time] == movements
    if movements:
        assert case.current is not None
        assert case.current[0] is movements[-1]


def dated(status: Status, *, day: int) -> ClassifiedEvent:
    """A state with a date alone: read as midnight, days after that of the first hour."""
    midnight = START // DAY * DAY + day * DAY
    date = datetime.fromtimestamp(midnight / SECOND, UTC).date().isoformat()
    return replace(
        report(status),
        occurred_at=midnight,
        occurred_raw=date,
        flags=frozenset({Flag.NAIVE_TIME}),
    )


class TestDatesAlone:
    """A date says nothing of the order within its day."""

    def test_what_comes_later_on_its_day_is_later(self) -> None:
        """It is not late, and becomes the case's status; the next time is later than it."""
        case = FoldedCase()
        assert case.fold(report(RFE, hour=1)).current
        denied = case.fold(dated(Status.DENIED, day=0))
        assert (denied.change_id, denied.late, denied.current) == (None, False, True)
        assert case.fold(report(APPROVED, hour=2)).current

    def test_an_earlier_day_is_late(self) -> None:
        """As any time is."""
        case = FoldedCase()
        case.fold(report(RFE, hour=1))
        assert case.fold(dated(RECEIVED, day=-1)).late

    def test_it_reports_a_change_of_its_day(self) -> None:
        """The same status with a time and with a date alone is one change."""
        case = FoldedCase()
        case.fold(report(RFE, hour=1))
        assert case.fold(dated(RFE, day=0)).change_id == 1


def test_nothing_is_late_after_a_time_that_cannot_be() -> None:
    """Release 0.2.0 stored a placeholder such as 2199-01-01 as a time."""
    case = FoldedCase()
    case.fold(report(RECEIVED, hour=1))
    case.changes[0] = replace(case.changes[0], at=NEVER, seen_until=NEVER)
    denied = case.fold(report(Status.DENIED, hour=5))
    assert (denied.late, denied.current) == (False, True)


def test_a_wording_that_is_new_is_news_whatever_its_status() -> None:
    """It may say more than the status; once it came, it is known."""
    case = FoldedCase()
    case.fold(report(RECEIVED, hour=0))
    new = replace(
        report(RECEIVED, hour=1, text="The Blue Phase"), flags=frozenset({Flag.UNKNOWN_WORDING})
    )
    assert case.fold(new).change_id is None
    assert case.fold(replace(new, key="again")).change_id == 2
    assert case.fold(report(RECEIVED, hour=2)).change_id is not None


def impossible(status: Status, *, hour: float) -> ClassifiedEvent:
    """A state whose time lies far in the future, received at that hour."""
    event = report(status, hour=hour, basis=OCCURRED, timed=False)
    return replace(event, flags=frozenset({Flag.FUTURE_TIME}))


class TestImpossibleTimes:
    """A time that cannot be orders nothing."""

    def test_what_comes_later_is_not_late(self) -> None:
        """Whatever its own time is: that of receipt is no time of the status."""
        case = FoldedCase()
        assert case.fold(impossible(RECEIVED, hour=100)).current
        denied = case.fold(report(Status.DENIED, hour=50))
        assert (denied.late, denied.current) == (False, True)

    def test_it_is_not_late_itself(self) -> None:
        """It stands after what is known, and before what comes."""
        case = FoldedCase()
        case.fold(report(RECEIVED, hour=50))
        denied = case.fold(impossible(Status.DENIED, hour=40))
        assert (denied.late, denied.current) == (False, True)
        assert case.fold(report(APPROVED, hour=51)).current
        assert case.fold(report(RFE, hour=49)).late

    def test_reports_near_its_receipt_are_one_change(self) -> None:
        """With such a time as well as with a good one; much later it is a new one."""
        case = FoldedCase()
        case.fold(impossible(RFE, hour=100))
        assert case.fold(impossible(RFE, hour=101)).change_id == 1
        assert case.fold(report(RFE, hour=99)).change_id == 1
        assert case.fold(impossible(RFE, hour=200)).change_id is None
