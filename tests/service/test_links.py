"""What a link opens, when it can be used, and what it does: that somebody has seen one change."""

from dataclasses import replace
from typing import Any

import pytest

from casebell.alerts import (
    AlertKind,
    AlertState,
    Asked,
    Message,
    NewAlert,
    NextState,
    Outcome,
    SendResult,
)
from casebell.clock import DAY, SECOND, iso
from casebell.errors import BadArgument, TooManyAttempts
from casebell.notify.headlines import CONFIDENTIAL
from casebell.service.links import MAX_UNKNOWN, SeenLinks, Standing
from casebell.settings.models import PersonSettings
from casebell.store import links, outbox
from casebell.store.digests import digest_of
from casebell.store.engine import Store
from casebell.store.links import KEPT_FOR, OPEN_FOR, Link
from casebell.store.schema import acknowledgements, journal
from casebell.store.schema import links as table
from contracts.cases import change_case, say_of_case
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table
from contracts.writing import writing

TOKEN, OTHER = "abcdefghijklmnopqrst-_", "0123456789012345678901"
OFFICE, ELSEWHERE = "198.51.100.7", "203.0.113.9"
BODY = "An answer is owed.\nOpen in Casebell:\nhttps://c.example/events/1\nAcknowledge:\nhttps://c.example/a/…\nEnd."
ASKED = Asked(deadline=True, urgent=True)


class Firm:
    """A request for evidence that was told to Jia."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()
        self.people = {"jchan": PersonSettings(id="jchan", name="Jia Chan")}
        self.links = SeenLinks(store=store, people=lambda: self.people, clock=self.clock, pause=0)
        self.change = 0

    async def told(self, *, body: str | None = BODY) -> None:
        """The message with the link is sent; without a body it is being sent."""
        new = NewAlert(
            kind=AlertKind.CASE,
            subject="change:1",
            channel="mail",
            target="jchan@f.com",
            urgent=True,
            change_id=1,
            event_id=1,
            person="jchan",
        )
        self.change = await change_case(self.store, 1, asked=ASKED)
        now = self.clock.now()
        async with writing(self.store) as connection:
            alert = await outbox.add_claimed(connection, new, owner="a", now=now, lease=60)
            await links.add(connection, [self.link(TOKEN, alert.id)], now=now)
            if body is not None:
                state = NextState(
                    state=AlertState.SENT, not_before=now, may_repeat=False, reason=None
                )
                tried = outbox.Tried(
                    alert=alert,
                    message=Message(title="RFE issued", body=body),
                    result=SendResult(outcome=Outcome.SENT),
                    reached=state,
                )
                await outbox.record(connection, tried=[tried], started_at=now, finished_at=now)

    def link(self, token: str, alert: int = 1) -> Link:
        """A link of the message."""
        return Link(
            digest=digest_of(token),
            change_id=self.change,
            alert_id=alert,
            person="jchan",
            expires_at=self.clock.now() + OPEN_FOR,
        )

    async def open(self, token: str = TOKEN, *, address: str = OFFICE) -> Any:
        """What the link shows."""
        return await self.links.open(token, address=address)

    async def say(self, note: str = "", token: str = TOKEN) -> Any:
        """Acknowledge by it."""
        return await self.links.acknowledge(token, note=note, address=OFFICE)

    async def said(self) -> list[Any]:
        """Who acknowledged."""
        return list(await read_table(self.store, acknowledgements))


async def test_it_shows_what_the_message_said(store: Store) -> None:
    """Without the link itself; and to look, however often, does nothing."""
    firm = Firm(store)
    await firm.told()
    entries = len(await read_table(store, journal))
    for _ in range(3):
        shown = await firm.open()
    assert (shown.standing, shown.person, shown.title) == (Standing.OPEN, "Jia Chan", "RFE issued")
    assert list(shown.lines) == [
        *("An answer is owed.", "Open in Casebell:", "https://c.example/events/1", "End."),
    ]
    assert await firm.said() == []
    assert len(await read_table(store, journal)) == entries
    [row] = await read_table(store, table)
    assert TOKEN not in repr(row)


async def test_it_acknowledges_once(store: Store) -> None:
    """By the link sent to jchan, of this change; the page says when, for this link alone."""
    firm = Firm(store)
    await firm.told()
    async with writing(store) as connection:
        await links.add(connection, [firm.link(OTHER)], now=firm.clock.now())
    at = firm.clock.now()
    shown = await firm.say(" Client called. ")
    assert shown.acknowledged_at == iso(at)
    firm.clock.advance(60)
    assert (await firm.say("again")).acknowledged_at == iso(at)
    [row] = await firm.said()
    assert (row.change_id, row.actor, row.person, row.note) == (
        *(firm.change, "link:jchan", "jchan", "Client called."),
    )
    entry = (await read_table(store, journal))[-1]
    assert (entry.kind, entry.actor) == ("change.acknowledged", "link:jchan")
    assert (await firm.open(OTHER)).acknowledged_at is None


async def test_a_note_that_is_too_long(store: Store) -> None:
    """Nothing is done."""
    firm = Firm(store)
    await firm.told()
    with pytest.raises(BadArgument):
        await firm.say("a" * 501)
    assert await firm.said() == []


@pytest.mark.parametrize("standing", [Standing.EXPIRED, Standing.GONE, Standing.ANSWERED])
async def test_what_cannot_be_used(store: Store, standing: Standing) -> None:
    """It tells nothing of the case, and does nothing."""
    firm = Firm(store)
    await firm.told()
    if standing is Standing.EXPIRED:
        firm.clock.advance(OPEN_FOR / SECOND)
    elif standing is Standing.GONE:
        firm.people.clear()
    else:
        async with writing(store) as connection:
            await connection.exec_driver_sql("UPDATE queue SET answered_at = 5")
    for shown in (await firm.open(), await firm.say("seen")):
        assert (shown.standing, shown.title, list(shown.lines)) == (standing, "", [])
    assert await firm.said() == []


async def test_until_it_expires(store: Store) -> None:
    """Up to the last moment of its fourteen days."""
    firm = Firm(store)
    await firm.told()
    firm.clock.advance(OPEN_FOR / SECOND - 1)
    assert (await firm.open()).standing is Standing.OPEN


async def test_a_case_that_became_confidential(store: Store) -> None:
    """The page says no more than any message would now."""
    firm = Firm(store)
    await firm.told()
    await say_of_case(store, 1, confidential=True)
    shown = await firm.open()
    assert (shown.title, list(shown.lines)) == (CONFIDENTIAL.subject, [CONFIDENTIAL.sentence])


async def test_before_the_message_is_on_record(store: Store) -> None:
    """The words that a plain message has: whoever is quick finds no empty page."""
    firm = Firm(store)
    await firm.told(body=None)
    shown = await firm.open()
    assert (shown.title, shown.lines[0]) == (
        *("RFE issued", "USCIS issued a Request for Evidence."),
    )


async def test_forged_ones(store: Store) -> None:
    """They are unknown; of very many from one network the next ones wait, a right one never."""
    firm = Firm(store)
    await firm.told()
    for number in range(MAX_UNKNOWN):
        token = f"{number:022}" if number % 2 else "x" * number
        assert await firm.open(token) == await firm.say(token=token)
        if number == MAX_UNKNOWN // 2 - 1:
            break
    with pytest.raises(TooManyAttempts):
        await firm.open(OTHER)
    with pytest.raises(TooManyAttempts):
        await firm.say(token=OTHER)
    assert (await firm.open(OTHER, address=ELSEWHERE)).standing is Standing.UNKNOWN
    assert (await firm.open()).standing is Standing.OPEN
    assert (await firm.say()).acknowledged_at is not None


async def test_old_rows_go(store: Store) -> None:
    """Long after they expired; until then their page says that it is too late."""
    firm = Firm(store)
    await firm.told()
    firm.clock.advance((OPEN_FOR + KEPT_FOR) / SECOND)
    async with writing(store) as connection:
        await links.add(connection, [firm.link(OTHER)], now=firm.clock.now())
    assert (await firm.open()).standing is Standing.EXPIRED
    firm.clock.advance(DAY / SECOND)
    async with writing(store) as connection:
        later = replace(firm.link(OTHER), digest="another")
        await links.add(connection, [later], now=firm.clock.now())
    assert (await firm.open()).standing is Standing.UNKNOWN
