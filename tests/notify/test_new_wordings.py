"""What operations hear of wordings that no release has read yet."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casebell import ops_messages
from casebell.alerts import AlertKind, Decided
from casebell.events import Status, Tag
from casebell.kinds.parley import HOSTILE
from casebell.notify.delivery_watch import DeliveryWatch
from casebell.notify.new_wordings import WORDINGS_AN_HOUR
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import OpsMessage
from casebell.ops_targets import OpsTargets
from casebell.settings import Wording, Wordings
from casebell.store import wordings
from casebell.store.engine import Store
from casebell.store.event_log import append_events
from casebell.store.schema import alerts
from casebell.store.unit_of_work import UnitOfWork
from casebell.telemetry import Metrics
from contracts.case_events import RECEIVED_AT, case_event, json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table, store_in
from contracts.writing import writing
from route.harness import rulebook

HOUR = 3_600


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


async def nothing_refused(*_: object, **__: object) -> OpsMessage:
    """No message on refusals is asked for here."""
    raise AssertionError


class WatchHarness:
    """A watch, and what operations heard of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()
        self.wakeups = 0
        self.watch = DeliveryWatch(
            store=store,
            ops=lambda: OpsTargets(targets=(("ops", "it@example-firm.com"),)),
            sources=lambda: ("parley",),
            explain=nothing_refused,
            clock=self.clock,
            metrics=Metrics(),
            log=RecordingLog().log,
            followed=self._wake,
        )

    def _wake(self) -> None:
        self.wakeups += 1


async def changes_with(store: Store, *texts: str, first: int = 1) -> None:
    """Changes of cases with texts that nobody has read yet, each stored as it is decided."""
    book = rulebook(rules=())

    def decide(unit: UnitOfWork) -> list[Decided]:
        made = []
        for one in unit.undecided:
            decided = book.decide(
                one,
                history=unit.history(one.event.receipt),
                case=unit.case(one.event.receipt),
                next_change=unit.next_change,
                now=RECEIVED_AT,
            )
            unit.decide(decided, now=RECEIVED_AT)
            made.append(decided)
        return made

    batch = [
        case_event(
            f"evt_{number}",
            receipt=f"IOE09{number:08d}",
            type="",
            delivered_status=None,
            text=text,
        )
        for number, text in enumerate(texts, first)
    ]
    async with writing(store) as connection:
        await append_events(connection, batch, content_of=json_content, decide=decide)


async def told(harness: WatchHarness) -> list[str]:
    """The titles and texts of what operations heard."""
    messages = [
        render_ops(ops_messages.from_json(row.note))
        for row in await read_table(harness.store, alerts)
        if row.kind == AlertKind.OPS
    ]
    return [f"{message.title}\n{message.body}" for message in messages]


async def test_what_is_told(store: Store) -> None:
    """The text, how many changes, and lines that mend it when they are pasted."""
    await changes_with(
        store,
        "On May 2, 2026, the blue phase of your case, Receipt Number IOE0900000001, began.",
        "On May 9, 2026, the blue phase of your case, Receipt Number IOE0900000002, began.",
    )
    harness = WatchHarness(store)
    await harness.watch.check()
    (message,) = await told(harness)
    assert "New wording from parley" in message
    assert "the blue phase of your case, Receipt Number IOE…0001, began.”" in message
    assert "Changes with it so far: 2. The first is event 1, from parley." in message
    assert 'A step against the case, such as a revocation, has tags = ["adverse"].' in message
    assert harness.wakeups == 1
    lines = message[message.index("[[wordings]]") : message.index("Then: casebell reload")]
    pasted = [Wording.model_validate(one) for one in tomllib.loads(lines)["wordings"]]
    later = "On June 1, 2026, the blue phase of your case, Receipt Number IOE0900000003, began."
    assert Wordings(pasted).read(later).tags == {Tag.DEADLINE}


async def test_once_for_ever(store: Store) -> None:
    """Not after a restart, not by another server, not a year later."""
    await changes_with(store, "The Blue Phase")
    for number, harness in enumerate((WatchHarness(store), WatchHarness(store)), 2):
        await harness.watch.check()
        await changes_with(store, "THE BLUE PHASE.", first=number)
        harness.clock.advance(366 * 24 * HOUR)
        await harness.watch.check()
        assert len(await told(harness)) == 1


async def test_once_even_if_it_was_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of wordings is bounded; the messages remember."""
    monkeypatch.setattr(wordings, "KEPT", 1)
    harness = WatchHarness(store)
    for number, text in enumerate(("The Blue Phase", "The Green Phase", "The Blue Phase"), 1):
        await changes_with(store, text, first=number)
        await harness.watch.check()
    assert len(await told(harness)) == 2
    async with store.read() as connection:
        assert await wordings.count_unnotified(connection) == (0, 0)


async def test_a_flood_is_told_hourly(store: Store) -> None:
    """Five one by one, all others together, whatever a source sends; nothing waits for ever."""
    harness = WatchHarness(store)
    colours = [f"Phase of {chr(97 + n // 26)}{chr(97 + n % 26)} colour" for n in range(120)]
    for start in range(0, 60, 20):
        await changes_with(store, *colours[start : start + 20], first=start + 1)
        await harness.watch.check()
    assert len(await told(harness)) == WORDINGS_AN_HOUR + 1
    many = (await told(harness))[-1]
    assert "15 more official texts" in many
    assert "“Phase of af colour”" in many
    assert "casebell events list --flag unknown_wording" in many
    harness.clock.advance(HOUR + 1)
    await harness.watch.check()
    assert len(await told(harness)) == 2 * (WORDINGS_AN_HOUR + 1)
    assert "35 more official texts" in (await told(harness))[-1]
    async with store.read() as connection:
        assert await wordings.count_unnotified(connection) == (0, 0)


async def test_a_hostile_text_does_nothing(store: Store) -> None:
    """What is shown is inert, and the lines to paste are good TOML that fits the text."""
    texts = [
        HOSTILE,
        '"]\nstatus = "approved"\n[[rules]]',
        "\\u0022 C:\\x",
        "<b>Fase azul\u202e</b> de l\u2019année",
        "12345",
    ]
    await changes_with(store, *texts)
    harness = WatchHarness(store)
    await harness.watch.check()
    for text, message in zip(texts, await told(harness), strict=True):
        lines = message[message.index("[[wordings]]") : message.index("Then: casebell reload")]
        (wording,) = (Wording.model_validate(one) for one in tomllib.loads(lines)["wordings"])
        assert wording.status is Status.OTHER
        if text != "12345":
            assert Wordings([wording]).read(text).known
        assert "\u202e" not in message
        assert "<b>" not in message
