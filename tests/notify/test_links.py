"""The links of messages: who gets one, of what, and what is kept of it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casebell.alerts import Alert, AlertKind, Asked, Line, Message, Part
from casebell.notify.card import card_of
from casebell.notify.links import Links, new_token, recorded, with_lines, with_link
from casebell.notify.page import page_of
from casebell.notify.pilot import PilotedChannel
from casebell.notify.render import Style
from casebell.people.roster import Recipients, Roster
from casebell.settings.models import PersonSettings
from casebell.store.digests import digest_of
from casebell.store.engine import Store
from casebell.store.links import OPEN_FOR
from casebell.store.schema import links, queue
from contracts.cases import change_case
from contracts.clock_and_log import ManualClock
from contracts.html_pages import Page
from contracts.stores import read_table, store_in

TOKEN = "abcdefghijklmnopqrst-_"
URL = "https://casebell.example-firm.com"
STYLE = Style(disclose="full", timezone=ZoneInfo("UTC"), public_url=URL)
MAIL = Recipients(
    to=("@owner", "shared@f.com"),
    unassigned=("rfe@f.com",),
    addresses={"jchan": "jchan@f.com", "kim": "shared@f.com"},
)
ROSTER = Roster(
    people={
        "jchan": PersonSettings(id="jchan", name="Jia Chan"),
        "kim": PersonSettings(id="kim", name="Kim Roe"),
    },
    channels={"mail": MAIL},
)
ALERT = Alert(
    id=7,
    kind=AlertKind.CASE,
    subject="change:1",
    channel="mail",
    target="jchan@f.com",
    rules=("RFE",),
    urgent=True,
    attempts=1,
    created_at=1,
    may_repeat=False,
    event_id=1,
    change_id=1,
    person="jchan",
    addressed_as="@owner",
)
#: Nothing is sent over it here.
CHANNEL: Any = object()
LINES = (
    Line("USCIS issued a Request for Evidence.", part=Part.SENTENCE),
    Line("Open in Casebell:", spare=2),
    Line(f"{URL}/events/1", part=Part.LINK),
    Line("———", part=Part.RULE),
    Line("Look the receipt up at USCIS:", part=Part.DETAIL),
    Line("https://egov.uscis.gov/", part=Part.LINK),
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """One without events."""
    async with store_in(tmp_path) as opened:
        yield opened


async def made(store: Store, *alerts: Alert, style: Style = STYLE, over: Any = CHANNEL) -> Any:
    """The links of a message."""
    clock = ManualClock()
    maker = Links(store=store, roster=lambda: ROSTER, clock=clock, token=lambda: TOKEN)
    return await maker.of(alerts, over=over, style=style)


async def test_a_message_to_one_person(store: Store) -> None:
    """Has a link; its digest is on record before it is sent, with what it is of and until when."""
    change = await change_case(store, 1, asked=Asked(deadline=True, urgent=True))
    for kind in (AlertKind.CASE, AlertKind.REMINDER):
        alert = replace(ALERT, kind=kind, change_id=change, id=7 + (kind is AlertKind.REMINDER))
        maker = Links(store=store, roster=lambda: ROSTER, clock=ManualClock())
        found = await maker.of([alert], over=CHANNEL, style=STYLE)
        token = found[alert.id].removeprefix(f"{URL}/a/")
        [row] = [one for one in await read_table(store, links) if one.alert_id == alert.id]
        assert (row.digest, row.change_id, row.person) == (digest_of(token), change, "jchan")
        assert row.expires_at == ManualClock().now() + OPEN_FOR


@pytest.mark.parametrize(
    "changes",
    [
        {"person": None},
        {"addressed_as": ""},
        # A mailbox that others read, too.
        {"person": "kim", "target": "shared@f.com"},
        {"addressed_as": "unassigned"},
        {"addressed_as": "operations"},
        {"kind": AlertKind.OPS},
        {"kind": AlertKind.TEST},
        {"change_id": None},
    ],
    ids=str,
)
async def test_others_keep_to_the_case(store: Store, changes: dict[str, Any]) -> None:
    """What more than one person may read, and what tells of no change, has none."""
    assert await made(store, replace(ALERT, **changes)) == {}
    assert await read_table(store, links) == []


async def test_without_a_console_and_in_pilot_mode(store: Store) -> None:
    """There is no page to open; whoever reads the pilot's messages is somebody else."""
    assert await made(store, ALERT, style=replace(STYLE, public_url=None)) == {}
    assert await made(store, ALERT, over=PilotedChannel(CHANNEL, over=CHANNEL)) == {}
    assert await read_table(store, links) == []


async def test_what_is_answered_has_none(store: Store) -> None:
    """Nothing is left to acknowledge."""
    change = await change_case(store, 1, asked=Asked(deadline=True, urgent=True))
    answered = queue.update().values(answered_at=5)
    await store.transact(lambda connection: connection.execute(answered))
    assert await made(store, replace(ALERT, change_id=change)) == {}


async def test_of_several_those_that_ask(store: Store) -> None:
    """In a message that tells many things a link stands where somebody is waited for."""
    asks = await change_case(store, 1, asked=Asked(deadline=True, urgent=True))
    news = await change_case(store, 2)
    several = [replace(ALERT, id=1, change_id=asks), replace(ALERT, id=2, change_id=news)]
    assert list(await made(store, *several)) == [1]


def test_a_token() -> None:
    """128 bits, as an address takes them, another each time."""
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(one) for one in tokens} == {22}


def test_it_stands_below_the_one_that_opens_the_case() -> None:
    """On a line of its own, its words before it; without one all is as it was."""
    lines = [line.text for line in with_link(LINES, f"{URL}/a/{TOKEN}")]
    assert lines[1:6] == [
        "Open in Casebell:",
        f"{URL}/events/1",
        "Acknowledge:",
        f"{URL}/a/{TOKEN}",
        "———",
    ]
    assert with_link(LINES, None) == LINES
    assert with_link(LINES[:1], f"{URL}/a/{TOKEN}") == LINES[:1]


def test_what_is_kept_and_shown_of_a_message() -> None:
    """The record has the address without its secret; what a program shows of a message, nothing."""
    lines = with_link(LINES, f"{URL}/a/{TOKEN}")
    message = with_lines(Message.of("RFE issued", LINES, urgent=True), lines)
    kept = with_lines(message, recorded(lines))
    assert TOKEN in message.body
    assert f"{URL}/a/…" in kept.body
    assert TOKEN not in kept.body + repr(kept) + repr(message)
    assert [line for line in kept.lines if TOKEN in line.text] == []


def test_it_is_plain_beside_the_button() -> None:
    """In mail and on a card the case is the button, and this a link that can be seen."""
    lines = with_link(LINES, f"{URL}/a/{TOKEN}")
    message = with_lines(Message.of("RFE issued", LINES, urgent=True), lines)
    html = page_of(message)
    assert Page(html).links[:2] == [
        ("Open in Casebell", f"{URL}/events/1"),
        ("Acknowledge", f"{URL}/a/{TOKEN}"),
    ]
    assert html.count('class="button"') == 1
    assert html.index("/a/") < html.index("<hr")
    body = card_of(message)["body"]
    assert [one["type"] for one in body].count("ActionSet") == 1
    assert f"[Acknowledge]({URL}/a/{TOKEN})" in [one.get("text") for one in body]
