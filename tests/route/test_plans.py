"""When an escalation tells whom, as arithmetic."""

from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from casebell.clock import DAY, HOUR, MINUTE
from casebell.people.calendars import Calendar
from casebell.route.plans import EscalationPlan, PlannedStep, Position, Turn
from casebell.settings.calendars import Elapsed, Window

OFFICE = Calendar(
    name="office",
    zone=ZoneInfo("America/New_York"),
    windows=(Window(weekdays=(0, 1, 2, 3, 4), begins=8 * 60, ends=18 * 60),),
)
BEGAN = 1_793_628_000_000_000

elapsed = st.builds(Elapsed, days=st.integers(0, 3), seconds=st.integers(60, 100_000).map(float))


seldom = st.builds(Elapsed, days=st.integers(0, 3), seconds=st.integers(36_000, 100_000).map(float))


@st.composite
def plans(draw: st.DrawFn) -> EscalationPlan:
    """Any that the settings take: its steps come in their order."""
    calendar = draw(st.sampled_from([None, OFFICE]))
    after = sorted(draw(st.lists(elapsed, min_size=1, max_size=4, unique=True)))
    steps = tuple(PlannedStep(after=one, calendar=calendar, notify=("a",)) for one in after)
    return EscalationPlan(
        name="any",
        steps=steps,
        repeat=draw(st.none() | seldom),
        stop=draw(st.integers(MINUTE, 20 * DAY)),
    )


def run(plan: EscalationPlan, delays: list[int]) -> list[tuple[Turn, Position, int]]:
    """Each turn until it stops, with when it was taken: so much after it was due."""
    at, now, taken = plan.first(began_at=BEGAN), BEGAN, []
    for delay in [*delays, *[0] * 1_000]:
        now = max(now, at.due_at + delay)
        turn = plan.turn(at, began_at=BEGAN)
        taken.append((turn, at, now))
        if turn is Turn.STOP:
            return taken
        at = plan.next(at, began_at=BEGAN, now=now)
    raise AssertionError("it never stops")


@given(plan=plans(), delays=st.lists(st.integers(0, 30 * DAY), max_size=3))
def test_it_stops_and_takes_nothing_twice(plan: EscalationPlan, delays: list[int]) -> None:
    """Whatever is late: each step once and in order, then repetitions, and an end at `stop`."""
    taken = run(plan, delays)
    turns = [turn for turn, _, _ in taken]
    assert turns[-1] is Turn.STOP
    assert set(turns[:-1]) <= {Turn.REMIND}
    places = [(at.step, at.repetition) for _, at, _ in taken[:-1]]
    assert len(places) == len(set(places))
    assert places == sorted(places)
    assert all(step == len(plan.steps) - 1 for step, repetition in places if repetition)
    # Nothing is told after `stop`, but what was due before it.
    assert all(at.due_at < BEGAN + plan.stop for _, at, _ in taken[:-1])
    assert taken[-1][1].due_at == BEGAN + plan.stop
    # As many reminders as the position says, for whoever reads it.
    last = taken[-1][1]
    assert last.step + last.repetition == len(places)


@given(plan=plans(), delays=st.lists(st.integers(0, 30 * DAY), max_size=3))
def test_no_repetition_is_made_up_for(plan: EscalationPlan, delays: list[int]) -> None:
    """However late one was taken, the next is due later, and never at once."""
    for (_, _, now), (turn, at, _) in pairwise(run(plan, delays)):
        assert at.due_at > now or not at.repetition or turn is Turn.STOP


def test_what_a_reload_leaves() -> None:
    """A step that is gone is removed; what no longer repeats waits for the end."""
    step = PlannedStep(after=Elapsed(days=0, seconds=60.0), calendar=None, notify=())
    plan = EscalationPlan(name="one", steps=(step,), repeat=None, stop=DAY)
    gone = Position(step=1, repetition=0, due_at=BEGAN)
    assert plan.turn(gone, began_at=BEGAN) is Turn.REMOVED
    done = Position(step=0, repetition=3, due_at=BEGAN + HOUR)
    assert plan.turn(done, began_at=BEGAN) is Turn.WAIT
    following = plan.next(done, began_at=BEGAN, now=BEGAN + HOUR)
    assert following == Position(step=0, repetition=3, due_at=BEGAN + DAY)
    assert plan.turn(following, began_at=BEGAN) is Turn.STOP


def test_a_reload_that_adds_a_step() -> None:
    """What was the last step is repeated once more, and then the new one is next."""
    steps = tuple(
        PlannedStep(after=Elapsed(days=day, seconds=0.0), calendar=None, notify=())
        for day in (1, 2)
    )
    plan = EscalationPlan(name="two", steps=steps, repeat=steps[0].after, stop=10 * DAY)
    before = Position(step=0, repetition=2, due_at=BEGAN + 3 * DAY)
    assert plan.turn(before, began_at=BEGAN) is Turn.REMIND
    following = plan.next(before, began_at=BEGAN, now=before.due_at)
    assert following == Position(step=1, repetition=0, due_at=BEGAN + 2 * DAY)
