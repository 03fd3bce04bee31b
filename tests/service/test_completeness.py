"""What the lists rest on: what came of each source, and what is in no case."""

from casebell.actors import Actor, Role
from casebell.clock import iso
from casebell.service import completeness
from casebell.service.completeness import Completeness, CompletenessReading
from casebell.store import marks, streaks
from casebell.store.refused import RISE
from casebell.store.streaks import Noted
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, case_event
from contracts.cases import change_case, receipt_of, say_of_case
from contracts.filled import append
from contracts.writing import writing
from service.harness import OperationsHarness

STRANGER = Actor(name="token:x", role=Role.VIEWER)


async def of(harness: OperationsHarness, actor: Actor = ADMIN) -> Completeness:
    """The verb's answer."""
    reading = CompletenessReading(store=harness.store, settings=lambda: harness.settings)
    return await reading.completeness(actor=actor)


async def refuse(harness: OperationsHarness, *, times: int, authentic: bool = False) -> None:
    """Refuse deliveries of the source, behind an authentic one or not."""
    noted = Noted(authentic=authentic)
    for _ in range(times):
        noted.refuse("signature_mismatch", at=5)
    async with writing(harness.store) as connection:
        await streaks.record(connection, {"parley": noted})


async def test_nothing_came_yet(harness: OperationsHarness) -> None:
    """Every source of the configuration is there, and never delivered."""
    assert await of(harness) == {
        "sources": [
            {
                "name": "parley",
                "last_delivery_at": None,
                "silent_since": None,
                "refused_since": None,
            }
        ],
        "held": 0,
        "undecided": [],
        "more_undecided": False,
    }


async def test_what_came_of_a_source(harness: OperationsHarness) -> None:
    """When it last delivered; since when it is refused, once that is long enough to be told."""
    await append(harness.store, case_event())
    await refuse(harness, times=RISE - 1)
    (source,) = (await of(harness))["sources"]
    assert source["last_delivery_at"] == iso(RECEIVED_AT)
    assert source["refused_since"] is None
    await refuse(harness, times=1)
    (source,) = (await of(harness, STRANGER))["sources"]
    assert source["refused_since"] == iso(5)
    await refuse(harness, times=0, authentic=True)
    (source,) = (await of(harness))["sources"]
    assert source["refused_since"] is None


async def test_a_silent_source(harness: OperationsHarness) -> None:
    """Once operations know of it, until something comes; of a source of which it is expected."""
    await append(harness.store, case_event())
    mark = f"{marks.SILENT}parley"
    await harness.store.transact(marks.first, mark, now=RECEIVED_AT)
    (source,) = (await of(harness))["sources"]
    assert source["silent_since"] is None
    parley = harness.settings.sources["parley"].model_copy(update={"expect_every": 60.0})
    harness.settings = harness.settings.model_copy(update={"sources": {"parley": parley}})
    (source,) = (await of(harness, STRANGER))["sources"]
    assert source["silent_since"] == iso(RECEIVED_AT)
    # A repeat came, and the next look has not been.
    await harness.store.transact(marks.advance, f"{marks.HEARD}parley", RECEIVED_AT + 1)
    (source,) = (await of(harness))["sources"]
    assert (source["silent_since"], source["last_delivery_at"]) == (None, iso(RECEIVED_AT + 1))


async def test_what_is_in_no_case(harness: OperationsHarness) -> None:
    """What is held is counted; events without a decision are named, the oldest of many."""
    await harness.held()
    many = completeness.MAX_UNDECIDED + 1
    events = [case_event(f"evt_{n}") for n in range(many)]
    numbers = await append(harness.store, *events)
    found = await of(harness)
    assert found["held"] == 1
    assert found["undecided"] == numbers[:-1]
    assert found["more_undecided"]


async def test_a_confidential_case(harness: OperationsHarness) -> None:
    """An event of it is named to whoever may see it."""
    await change_case(harness.store, 1)
    await say_of_case(harness.store, 1, confidential=True)
    await append(harness.store, case_event("evt_next", receipt=receipt_of(1)))
    assert (await of(harness, STRANGER))["undecided"] == []
    assert (await of(harness, ADMIN))["undecided"] == [2]
