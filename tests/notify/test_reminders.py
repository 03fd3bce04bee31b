"""Reminders on their way: what they say, and what becomes of one that is in vain."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import Update

from casebell.actors import Actor, Role
from casebell.alerts import AlertKind
from casebell.clock import HOUR
from casebell.ops_messages import DateNear, Unseen
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store import acknowledgements, queue_by_hand
from casebell.store.engine import Store
from casebell.store.grouping import MOST_SINGLY, WINDOW
from casebell.store.schema import alerts, attempts, queue, targets
from contracts.case_events import RECEIVED_AT
from contracts.stores import read_table
from contracts.writing import writing
from notify.harness import DispatcherHarness, bodies, channel_to, running, titles
from waiting import until

UNSEEN = Unseen(
    change=1,
    escalation="RFE unseen",
    step=1,
    repetition=0,
    number=1,
    of=2,
    began_at=RECEIVED_AT - 2 * HOUR,
    stops_at=RECEIVED_AT + 238 * HOUR,
    then="partners, Wed 9:00 AM EDT",
)
DUE = DateNear(change=1, due="2025-10-21", days=7, entered_by="Ana Ruiz", confirmed=False)
ASKED = {"change_id": 1, "receipt": "IOE0912345678", "since": 0, "deadline": True, "urgent": True}
ANA = Actor(name="account:ana", role=Role.OPERATOR)


async def remind(harness: DispatcherHarness, note: Unseen | DateNear, **fields: Any) -> None:
    """Put a reminder into the outbox."""
    given = {"kind": AlertKind.REMINDER, "rules": ("RFE unseen",), "urgent": True, **fields}
    await harness.put(note.subject, note=note, **given)


async def ask(store: Store, **fields: Any) -> None:
    """The change waits in the queue for an answer."""
    async with writing(store) as connection:
        await connection.execute(queue.insert().values(**ASKED, due=DUE.due, **fields))


async def change(store: Store, statement: Update) -> None:
    """Write to the queue."""
    async with writing(store) as connection:
        await connection.execute(statement)


async def test_what_nobody_acknowledged(store: Store, sink: HttpSink) -> None:
    """That it is unseen, since when, which reminder it is, and who hears next."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await remind(harness, UNSEEN)
        await harness.until(**{UNSEEN.subject: "sent"})
    assert titles(sink) == ["UNSEEN: RFE issued · IOE…5678"]
    (body,) = bodies(sink)
    assert body.split("\n")[:4] == [
        "Nobody has acknowledged this: USCIS issued a Request for Evidence.",
        "A response is owed within the time its notice sets.",
        "It came Oct 14, 2025, 5:23 PM UTC, 2 hours ago. This is reminder 1 of 2.",
        "Told next, if nobody does: partners, Wed 9:00 AM EDT",
    ]
    assert "Escalation: RFE unseen" in body
    assert body.endswith("Only the notice that USCIS sends says what is due and when.")


async def test_reminders_that_are_repeated(store: Store, sink: HttpSink) -> None:
    """Until when they go on is said, for nobody is reminded after that."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await remind(harness, msgspec.structs.replace(UNSEEN, of=0, number=3))
        await harness.until(**{UNSEEN.subject: "sent"})
    (body,) = bodies(sink)
    assert (
        "This is reminder 3; they go on until somebody does, at most until "
        "Oct 24, 2025, 5:23 PM UTC."
    ) in body


async def test_a_date_that_draws_near(store: Store, sink: HttpSink) -> None:
    """Whose date it is, how near, and that nobody confirmed it: no deadline of ours."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    await ask(store)
    async with running(harness):
        await remind(harness, DUE, rules=())
        await harness.until(**{DUE.subject: "sent"})
    assert titles(sink) == ["Due Oct 21, in 7 days · IOE…5678"]
    (body,) = bodies(sink)
    assert body.split("\n")[:3] == [
        "Oct 21, 2025, is the date that Ana Ruiz entered from the notice: in 7 days.",
        "No second person has confirmed this date yet: compare it with the notice that USCIS sent.",
        "USCIS issued a Request for Evidence. Casebell knows of no answer.",
    ]
    assert "deadline" not in body


async def in_vain(store: Store, harness: DispatcherHarness, note: Unseen | DateNear) -> Any:
    """The row of a reminder that was not sent, and of which nothing is outstanding."""
    async with running(harness):
        await remind(harness, note)
        await harness.until(**{note.subject: "failed"})
    (row,) = await read_table(store, alerts)
    assert row.reason == "acknowledged"
    assert row.dismissed_at is not None
    assert await read_table(store, targets) == []
    (attempt,) = await read_table(store, attempts)
    return attempt.detail


async def test_acknowledged_between_the_step_and_the_send(store: Store, sink: HttpSink) -> None:
    """It is not sent, and neither the fallback nor operations hear of that."""
    harness = DispatcherHarness(
        store,
        {"slack": channel_to(sink), "other": channel_to(sink)},
        fallbacks={"slack": "other"},
        ops=("other",),
    )
    async with writing(store) as connection:
        await acknowledgements.acknowledge(connection, [1], actor=ANA, now=5)
    assert await in_vain(store, harness, UNSEEN) == "the change is acknowledged; nothing was sent"
    assert sink.requests == []


@pytest.mark.parametrize("note", [UNSEEN, DUE], ids=["unseen", "date"])
async def test_answered_meanwhile(store: Store, sink: HttpSink, note: Unseen | DateNear) -> None:
    """Whatever it reminds of, an answer makes it needless."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    await ask(store, answered_at=5)
    assert await in_vain(store, harness, note) == "the change is answered; nothing was sent"
    assert sink.requests == []


@pytest.mark.parametrize("note", [UNSEEN, DUE], ids=["unseen", "date"])
async def test_the_answer_is_taken_back(
    store: Store, sink: HttpSink, note: Unseen | DateNear
) -> None:
    """What was not sent because of a wrong word is sent after all."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    await ask(store, answered_at=5)
    await in_vain(store, harness, note)
    await change(store, alerts.update().values(together=7))
    await take_back(store, harness)
    (row,) = await read_table(store, alerts)
    # Quiet hours are asked of what goes alone.
    assert (row.state, row.together) == ("pending", None)
    async with running(harness):
        await harness.until(**{note.subject: "sent"})
    assert len(sink.requests) == 1


async def test_the_answer_is_taken_back_of_what_was_seen(store: Store, sink: HttpSink) -> None:
    """Whoever acknowledged it meanwhile has ended what tells that nobody did."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    await ask(store, answered_at=5)
    await in_vain(store, harness, UNSEEN)
    async with writing(store) as connection:
        await acknowledgements.acknowledge(connection, [1], actor=ANA, now=5)
    await take_back(store, harness)
    (row,) = await read_table(store, alerts)
    assert (row.state, row.reason) == ("failed", "acknowledged")


async def take_back(store: Store, harness: DispatcherHarness) -> None:
    """Somebody says that the change is not answered."""
    async with writing(store) as connection:
        await queue_by_hand.reopen(
            connection,
            1,
            remind_at=None,
            was="account:ana",
            since=5,
            now=harness.clock.now(),
            actor=ANA,
        )


async def test_another_date_meanwhile(store: Store, sink: HttpSink) -> None:
    """Nobody hears of a date that is no longer the one."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    await ask(store)
    await change(store, queue.update().values(due="2025-11-21"))
    assert await in_vain(store, harness, DUE) == "the date was changed; nothing was sent"


async def test_a_date_is_told_though_somebody_has_seen_the_change(
    store: Store, sink: HttpSink
) -> None:
    """To have seen a request answers nothing: what waits is not closed, and is sent."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    await ask(store)
    await remind(harness, DUE)
    async with writing(store) as connection:
        await acknowledgements.acknowledge(connection, [1], actor=ANA, now=5)
    async with running(harness):
        await harness.until(**{DUE.subject: "sent"})
    assert len(sink.requests) == 1


async def test_its_fallback(store: Store, sink: HttpSink, other: HttpSink) -> None:
    """A reminder that fails goes to the fallback as a reminder, with what it tells."""
    sink.answer(HttpAnswer(status=404))
    harness = DispatcherHarness(
        store,
        {"slack": channel_to(sink), "other": channel_to(other)},
        fallbacks={"slack": "other"},
    )
    async with running(harness):
        await remind(harness, UNSEEN)
        await harness.until(**{UNSEEN.subject: "failed"})

        async def told() -> bool:
            return (await harness.states()).get((UNSEEN.subject, "other")) == "sent"

        await until(told, "the fallback")
    assert titles(other) == ["UNSEEN: RFE issued · IOE…5678"]
    assert "Sent here because channel slack failed." in bodies(other)[0]


async def test_an_unreadable_note(store: Store, sink: HttpSink) -> None:
    """A reminder that this release cannot read goes as a plain message."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    async with running(harness):
        await harness.put("reminder:1:x:1:0", kind=AlertKind.REMINDER)
        await harness.until(**{"reminder:1:x:1:0": "sent"})
    assert titles(sink) == ["RFE issued"]
    assert "This is a reminder of it." in bodies(sink)[0]


async def test_ordinary_ones_are_grouped(store: Store, sink: HttpSink) -> None:
    """Beyond the tenth in ten minutes they go in one message with others, an item each."""
    harness = DispatcherHarness(store, {"slack": channel_to(sink)})
    singly = [f"change:{number}" for number in range(MOST_SINGLY)]
    async with running(harness):
        await harness.put(*singly)
        await harness.until(**dict.fromkeys(singly, "sent"))
        await remind(harness, UNSEEN, urgent=False)
        await harness.put("change:20")
        both = {UNSEEN.subject: "deferred", "change:20": "deferred"}
        await harness.until(**both)
        await harness.go_round()
        harness.later(WINDOW / 1_000_000)
        await harness.until(**dict.fromkeys(both, "sent"))
    assert titles(sink)[-1] == "2 changes in one message"
    assert "UNSEEN: RFE issued · IOE…5678\n" in bodies(sink)[-1]
