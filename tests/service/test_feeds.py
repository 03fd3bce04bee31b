"""Private calendars: made, shown once, revoked, and read by whoever has the address."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from icalendar import Calendar

from casebell.actors import Actor, Role
from casebell.alerts import Asked
from casebell.clock import MINUTE, iso
from casebell.errors import FeedGone, NotFound, NotThere, Refusal
from casebell.service.feeds import Feeds
from casebell.settings import Settings
from casebell.settings.models import PersonSettings, ServerSettings
from casebell.store.engine import Store
from casebell.store.schema import feeds as feeds_table
from casebell.store.schema import queue
from contracts.actors import ADMIN
from contracts.cases import change_case, say_of_case
from contracts.clock_and_log import ManualClock
from contracts.stores import failing_transactions, read_table, store_in
from contracts.writing import writing

URL = "https://casebell.example-firm.com"
ANA = Actor(name="account:ana", role=Role.VIEWER, person="jchan")
#: 16 bytes in base64url.
TOKEN = "AAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


class FeedsHarness:
    """The verbs over a firm of two."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()
        self.use("jchan", "kim")
        self._count = 0
        self.feeds = Feeds(
            store=store, settings=lambda: self.settings, clock=self.clock, randomness=self._random
        )

    def _random(self, size: int) -> bytes:
        self._count += 1
        return bytes(size - 1) + bytes([self._count - 1])

    def use(self, *people: str) -> None:
        """A configuration with these people."""
        names = {"jchan": "Jia Chan", "kim": "Kim Roe"}
        self.settings = Settings(
            server=ServerSettings(public_url=URL),
            people={one: PersonSettings(id=one, name=names[one], teams=("rfe",)) for one in people},
            path=Path("/config.toml"),
            base_dir=Path("/"),
            sha256="",
        )

    async def titles(self, name: str = f"{TOKEN}.ics") -> list[str]:
        """What a calendar program shows of it."""
        body = await self.feeds.read(await self.feeds.find(name))
        return [str(event["SUMMARY"]) for event in Calendar.from_ical(body).events]


@pytest.fixture
def harness(store: Store) -> FeedsHarness:
    """The verbs."""
    return FeedsHarness(store)


async def ask_for(store: Store, number: int, *, due: str, **facts: object) -> None:
    """A case that asks for an answer until a date."""
    change = await change_case(store, number, asked=Asked(deadline=True, urgent=True))
    await say_of_case(store, number, **facts)
    async with writing(store) as connection:
        row = queue.update().where(queue.c.change_id == change)
        await connection.execute(row.values(due=due, due_entered_at=5))


async def test_its_address_is_shown_once(harness: FeedsHarness) -> None:
    """The database has its digest alone, and no list has it."""
    made = await harness.feeds.add_feed(person="Jia Chan", actor=ADMIN)
    assert made == {"id": 1, "person": "jchan", "address": f"{URL}/feeds/{TOKEN}.ics"}
    assert TOKEN not in repr(await read_table(harness.store, feeds_table))
    (listed,) = await harness.feeds.list_feeds(actor=ADMIN)
    assert listed == {
        "id": 1,
        "person": "jchan",
        "created_at": iso(harness.clock.now()),
        "created_by": ADMIN.name,
        "last_read_at": None,
        "revoked_at": None,
    }


async def test_nobody_of_that_name(harness: FeedsHarness) -> None:
    """With the one that was probably meant."""
    with pytest.raises(NotFound) as raised:
        await harness.feeds.add_feed(person="jchn", actor=ADMIN)
    assert "jchan" in raised.value.hint


async def test_one_s_own(harness: FeedsHarness) -> None:
    """Made, listed and revoked by whoever's it is; never another's."""
    await harness.feeds.add_feed(person="kim", actor=ADMIN)
    made = await harness.feeds.add_own_feed(actor=ANA)
    assert made["person"] == "jchan"
    assert [one["id"] for one in await harness.feeds.own_feeds(actor=ANA)] == [2]
    with pytest.raises(NotFound):
        await harness.feeds.revoke_own_feed(number=1, actor=ANA)
    await harness.feeds.revoke_own_feed(number=2, actor=ANA)
    assert await harness.feeds.own_feeds(actor=ANA) == []


async def test_whose_account_is_nobody_s(harness: FeedsHarness) -> None:
    """Has no cases of their own; nor has a token an account."""
    for person in (None, "gone"):
        actor = Actor(name="account:ana", role=Role.ADMIN, person=person)
        with pytest.raises(Refusal, match="nobody in the configuration"):
            await harness.feeds.add_own_feed(actor=actor)
        with pytest.raises(NotFound):
            await harness.feeds.revoke_own_feed(number=1, actor=actor)
    with pytest.raises(Refusal, match="Only whoever signed in"):
        await harness.feeds.add_own_feed(actor=Actor(name="token:x", role=Role.ADMIN))


async def test_what_it_says(harness: FeedsHarness, store: Store) -> None:
    """The dates of one's own cases and of one's teams, however they write the owner."""
    await ask_for(store, 1, due="2026-12-24", owner="JIA CHAN")
    await ask_for(store, 2, due="2026-11-30", team="RFE")
    await ask_for(store, 3, due="2026-10-01", owner="Kim Roe")
    await ask_for(store, 4, due="2026-10-01", owner="jchan", confidential=True)
    await harness.feeds.add_feed(person="jchan", actor=ADMIN)
    assert await harness.titles() == [
        "Answer due: RFE · IOE…0002 (unconfirmed)",
        "Answer due: RFE · IOE…0001 (unconfirmed)",
    ]


@pytest.mark.parametrize(
    "name", ["", TOKEN, f"{TOKEN}.ics", f"{TOKEN}.ics/", f"{TOKEN}x.ics", "../feeds", "Ä.ics"]
)
async def test_no_feed(harness: FeedsHarness, name: str) -> None:
    """Anything but the address of one is none, and what cannot be one costs no look."""
    with pytest.raises(NotThere):
        await harness.feeds.find(name)


async def test_one_that_was_revoked(harness: FeedsHarness) -> None:
    """From the next request on."""
    await harness.feeds.add_feed(person="jchan", actor=ADMIN)
    await harness.titles()
    await harness.feeds.revoke_feed(number=1, actor=ADMIN)
    with pytest.raises(FeedGone):
        await harness.titles()


async def test_who_is_gone(harness: FeedsHarness) -> None:
    """Nothing is said of the cases of who left; and again once somebody has that id."""
    await harness.feeds.add_feed(person="jchan", actor=ADMIN)
    feed = await harness.feeds.find(f"{TOKEN}.ics")
    harness.use("kim")
    with pytest.raises(FeedGone):
        await harness.titles()
    with pytest.raises(FeedGone):
        await harness.feeds.read(feed)
    harness.use("jchan")
    assert await harness.titles() == []


async def test_when_it_was_read(harness: FeedsHarness, store: Store) -> None:
    """To a minute; who reads gets it also where that cannot be noted."""
    await harness.feeds.add_feed(person="jchan", actor=ADMIN)
    began = harness.clock.now()
    await harness.titles()
    harness.clock.advance(59)
    await harness.titles()

    async def last_read() -> str | None:
        (feed,) = await harness.feeds.list_feeds(actor=ADMIN)
        return feed["last_read_at"]

    assert await last_read() == iso(began)
    harness.clock.advance(1)
    await harness.titles()
    assert await last_read() == iso(began + MINUTE)
    harness.clock.advance(60)
    with failing_transactions(store):
        assert await harness.titles() == []
