"""Who operations are, and how often they hear the same."""

from collections.abc import Sequence
from typing import Any

import pytest

from casebell.alerts import AlertKind
from casebell.ops_messages import ChannelFailed, EventUndecided, OpsMessage, RuleUndecided
from casebell.ops_targets import OpsTargets, subject_of
from casebell.store import ops
from casebell.store.engine import Store
from casebell.store.ops import known_subjects
from casebell.store.schema import alerts
from contracts.stores import read_table
from contracts.writing import writing

HOUR = 3_600_000_000
NOW = 489_019 * HOUR + 1
OPS = OpsTargets.on(
    ("mail", "chat", "mail"), targets={"chat": ("alarms",), "mail": ("it@a", "duty@a"), "x": ("y",)}
)


async def stored(store: Store) -> Sequence[Any]:
    """The alerts there are."""
    return await read_table(store, alerts)


async def notify(
    store: Store, message: OpsMessage, *, now: int = NOW, to: OpsTargets = OPS
) -> bool:
    """Tell it in a transaction of its own."""
    async with writing(store) as connection:
        return await ops.notify(connection, message, to=to, now=now)


def test_every_target_once() -> None:
    """Each target of each channel is named once, in the order of the configuration."""
    assert OPS.targets == (("mail", "it@a"), ("mail", "duty@a"), ("chat", "alarms"))
    assert OPS.channels == ("mail", "chat")


def test_the_failed_target_is_left_out() -> None:
    """The other targets of the same channel hear of it."""
    message = ChannelFailed(
        channel="mail", target="it@a", reason="timeout", detail="", alert=7, alert_is_urgent=True
    )
    new = OPS.alerts_for(message, now=NOW, failed=("mail", "it@a"))
    assert [(one.channel, one.target) for one in new] == [("mail", "duty@a"), ("chat", "alarms")]
    assert all(one.urgent and one.kind is AlertKind.OPS and one.note == message for one in new)


async def test_it_is_told_once(store: Store) -> None:
    """A topic that is told once is not told again, whatever the hour."""
    assert await notify(store, EventUndecided(event=3))
    assert not await notify(store, EventUndecided(event=3))
    assert not await notify(store, EventUndecided(event=3), now=NOW + 30 * HOUR)
    assert await notify(store, EventUndecided(event=4))
    assert len(await stored(store)) == 6


async def test_it_is_told_hourly(store: Store) -> None:
    """A topic that is told hourly is told again in the next hour, with what is true then."""
    assert await notify(store, RuleUndecided(rule="RFE", event=3))
    assert not await notify(store, RuleUndecided(rule="RFE", event=4))
    assert await notify(store, RuleUndecided(rule="Denied", event=4))
    assert await notify(store, RuleUndecided(rule="RFE", event=5), now=NOW + HOUR)
    assert len(await stored(store)) == 9


async def test_a_transaction_that_fails_tells_nothing(store: Store) -> None:
    """The message stands or falls with what it tells of."""

    async def fail_after_telling() -> None:
        async with writing(store) as connection:
            await ops.notify(connection, EventUndecided(event=3), to=OPS, now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_telling()
    assert await stored(store) == []
    assert await notify(store, EventUndecided(event=3))


async def test_nobody_to_tell(store: Store) -> None:
    """Without targets nothing is stored, and nothing waits to be told."""
    assert await notify(store, EventUndecided(event=3), to=OpsTargets(targets=()))
    assert await stored(store) == []


async def test_known_subjects(store: Store) -> None:
    """What operations were told of is found by its subject."""
    told = EventUndecided(event=3)
    await notify(store, told)
    subjects = [subject_of(told, now=NOW), "event_undecided:4"]
    async with store.read() as connection:
        assert await known_subjects(connection, subjects) == {"event_undecided:3"}
