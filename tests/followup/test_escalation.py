"""Who is told again while nobody acknowledges a change: stories, on both backends."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from casebell.actors import Actor, Role
from casebell.alerts import AlertState, FailureReason
from casebell.events import Micros
from casebell.followup import loop
from casebell.ops_messages import Unseen, from_json
from casebell.route.plans import EscalationPlan, Position, Turn
from casebell.store import acknowledgements
from casebell.store import escalations as running
from casebell.store.engine import Store
from casebell.store.schema import changes, escalations, journal
from contracts.stores import read_table
from contracts.writing import writing
from followup.office import PEOPLE, UNSEEN, Office, at

ANA = Actor(name="account:ana", role=Role.OPERATOR)
NEVER_REPEATED = UNSEEN.replace('repeat = "1d"\n', "")
ONE_STEP = UNSEEN.replace(',\n          { after = "1d", of = "office", notify = ["partners"] }', "")
UNACKNOWLEDGED = "unacknowledged:1:RFE unseen > it@f.com"


async def acknowledge(store: Store, change: int = 1) -> None:
    """Somebody has seen it."""
    async with writing(store) as connection:
        await acknowledgements.acknowledge(
            connection, [change], actor=ANA, now=at("2026-11-02 12:00")
        )


#: When somebody looks, and what was told by then that had not been before.
Story = list[tuple[str, list[str]]]
STORIES: dict[str, tuple[str, Story]] = {
    "hours of the office, then a day": (
        PEOPLE + UNSEEN,
        [
            ("2026-11-02 10:59", []),
            ("2026-11-02 11:00", ["RFE unseen:1:0 > jchan@f.com"]),
            ("2026-11-03 08:59", []),
            ("2026-11-03 09:00", ["RFE unseen:2:0 > partners@f.com"]),
            ("2026-11-04 09:00", ["RFE unseen:2:1 > partners@f.com"]),
            # Over a weekend no day passes.
            ("2026-11-05 09:00", ["RFE unseen:2:2 > partners@f.com"]),
            ("2026-11-06 09:00", ["RFE unseen:2:3 > partners@f.com"]),
            ("2026-11-08 23:00", []),
            ("2026-11-09 09:00", ["RFE unseen:2:4 > partners@f.com"]),
            ("2026-11-10 09:00", ["RFE unseen:2:5 > partners@f.com"]),
            # Ten plain days after it was told, a holiday among them.
            ("2026-11-12 08:59", []),
            ("2026-11-12 09:00", [UNACKNOWLEDGED]),
            ("2026-11-20 09:00", []),
        ],
    ),
    "without repetition": (
        PEOPLE + NEVER_REPEATED,
        [
            ("2026-11-02 11:00", ["RFE unseen:1:0 > jchan@f.com"]),
            ("2026-11-03 09:00", ["RFE unseen:2:0 > partners@f.com"]),
            ("2026-11-12 08:59", []),
            ("2026-11-12 09:00", [UNACKNOWLEDGED]),
        ],
    ),
    "a server that did not run": (
        PEOPLE + UNSEEN,
        [
            # Each step once, and none of the repetitions that were missed.
            (
                "2026-11-07 12:00",
                ["RFE unseen:1:0 > jchan@f.com", "RFE unseen:2:0 > partners@f.com"],
            ),
            ("2026-11-09 11:59", []),
            ("2026-11-09 12:00", ["RFE unseen:2:1 > partners@f.com"]),
        ],
    ),
    "a server that did not run until it was over": (
        PEOPLE + NEVER_REPEATED,
        [
            (
                "2026-12-01 12:00",
                [
                    "RFE unseen:1:0 > jchan@f.com",
                    "RFE unseen:2:0 > partners@f.com",
                    UNACKNOWLEDGED,
                ],
            ),
        ],
    ),
    "as the clock runs": (
        PEOPLE + UNSEEN.replace(', of = "office"', ""),
        [
            ("2026-11-02 11:00", ["RFE unseen:1:0 > jchan@f.com"]),
            ("2026-11-03 09:00", ["RFE unseen:2:0 > partners@f.com"]),
            ("2026-11-04 09:00", ["RFE unseen:2:1 > partners@f.com"]),
        ],
    ),
    "it stops before it repeats": (
        PEOPLE + ONE_STEP.replace('stop = "10d"', 'stop = "5h"'),
        [
            ("2026-11-02 11:00", ["RFE unseen:1:0 > jchan@f.com"]),
            ("2026-11-02 13:59", []),
            ("2026-11-02 14:00", [UNACKNOWLEDGED]),
            ("2026-11-03 09:00", []),
        ],
    ),
}


@pytest.mark.parametrize("name", STORIES)
async def test_the_story(store: Store, tmp_path: Path, name: str) -> None:
    """On Monday at nine an RFE is told; who hears again, and when, is in the table."""
    config, story = STORIES[name]
    office = Office(store, tmp_path, now="2026-11-02 09:00", config=config)
    await office.know(owner="Jia Chan")
    await office.deliver()
    expected: list[str] = []
    for moment, told in story:
        await office.look(moment)
        expected += told
        assert await office.told() == expected, moment


async def test_what_a_reminder_is(sqlite_store: Store, tmp_path: Path) -> None:
    """Urgent as the change, for whom it reaches now, by the escalation; the journal has it."""
    office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00")
    await office.know(owner="Jia Chan")
    await office.deliver()
    (change,) = await read_table(sqlite_store, changes)
    assert json.loads(change.decision)["escalations"] == ["RFE unseen"]
    await office.look("2026-11-02 11:00")
    (reminder,) = await office.alerts()
    assert (reminder.person, reminder.addressed_as, reminder.priority) == ("jchan", "@owner", 0)
    assert json.loads(reminder.rules) == ["RFE unseen"]
    assert (reminder.change_id, reminder.event_id) == (1, 1)
    assert from_json(reminder.note) == Unseen(
        change=1,
        escalation="RFE unseen",
        step=1,
        repetition=0,
        number=1,
        of=0,
        began_at=at("2026-11-02 09:00"),
        stops_at=at("2026-11-12 09:00"),
        then="partners, Tue 9:00 AM EST",
    )
    assert office.woken == [{"people"}]
    entries = [one for one in await read_table(sqlite_store, journal) if one.actor == "server"]
    assert [(one.kind, one.subject) for one in entries] == [("escalation.reminded", "change:1")]
    assert json.loads(entries[0].data)["notify"] == [{"channel": "people", "target": "jchan@f.com"}]


@pytest.mark.parametrize(
    "fields",
    [
        # A placeholder, a test, what no escalation asks for.
        {"delivered_status": None, "text": "No information is available"},
        {"receipt": "EAC9999103403"},
        {"delivered_status": "received", "text": "Case Was Received"},
    ],
)
async def test_what_no_escalation_runs_for(
    sqlite_store: Store, tmp_path: Path, fields: dict[str, Any]
) -> None:
    """Nothing is written, and nobody is told again."""
    config = PEOPLE + UNSEEN.replace(
        '{ status = ["rfe_issued"] }', '{ status = ["rfe_issued", "other"] }'
    )
    office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00", config=config)
    await office.deliver(**fields)
    await office.look("2026-12-01 09:00")
    assert await office.escalations() == []
    assert "escalations" not in json.loads((await read_table(sqlite_store, changes))[0].decision)


async def test_what_is_answered_already(store: Store, tmp_path: Path) -> None:
    """A request that comes to be known after its answer asks nobody to acknowledge it."""
    office = Office(store, tmp_path, now="2026-11-02 09:00")
    later, earlier = at("2026-10-30 09:00"), at("2026-10-20 09:00")
    await office.deliver(
        "evt_1", delivered_status="approved", text="Case Was Approved", occurred_at=later
    )
    await office.deliver("evt_2", occurred_at=earlier)
    assert await office.escalations() == []
    await office.deliver("evt_3")
    assert len(await office.escalations()) == 1


class TestItEnds:
    """By an acknowledgement or an answer, whichever comes between two steps."""

    async def test_acknowledged(self, store: Store, tmp_path: Path) -> None:
        """The next step tells nobody, and nothing is outstanding."""
        office = Office(store, tmp_path, now="2026-11-02 09:00")
        await office.know(owner="Jia Chan")
        await office.deliver()
        await office.look("2026-11-02 11:00")
        await acknowledge(store)
        await office.look("2026-12-01 09:00")
        (waiting,) = await office.alerts()
        assert (waiting.state, waiting.reason) == (AlertState.FAILED, FailureReason.ACKNOWLEDGED)
        (one,) = await office.escalations()
        assert (one.due_at, one.ended) == (None, "acknowledged")

    async def test_answered(self, store: Store, tmp_path: Path) -> None:
        """The step that would be next ends it, with an entry in the journal."""
        office = Office(store, tmp_path, now="2026-11-02 09:00")
        await office.deliver()
        await office.look("2026-11-02 10:00")
        await office.deliver(
            "evt_2",
            type="case.rfe.received",
            delivered_status="rfe_received",
            text="",
        )
        await office.look("2026-12-01 09:00")
        assert await office.told() == []
        (one,) = await office.escalations()
        assert (one.due_at, one.ended) == (None, "answered")
        (entry,) = [one for one in await read_table(store, journal) if one.actor == "server"]
        assert json.loads(entry.data) == {"escalation": "RFE unseen", "why": "answered"}


class TestWhomItReaches:
    """Resolved when the step is due, and not when the change was told."""

    async def test_an_owner_who_leaves(self, sqlite_store: Store, tmp_path: Path) -> None:
        """The next step tells who owns the case now; without an owner `unassigned`."""
        config = PEOPLE + UNSEEN.replace('notify = ["partners"]', 'notify = ["people"]')
        office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00", config=config)
        await office.know(owner="Jia Chan")
        await office.deliver()
        await office.look("2026-11-02 11:00")
        await office.know(owner="Kim Roe")
        await office.look("2026-11-03 09:00")
        await office.know(owner="")
        await office.look("2026-11-04 09:00")
        assert [one.split(" > ")[1] for one in await office.told()] == [
            "jchan@f.com",
            "kim@f.com",
            "desk@f.com",
        ]

    async def test_a_confidential_case(self, sqlite_store: Store, tmp_path: Path) -> None:
        """Only single persons; where a step reaches none, operations hear that there is news."""
        office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00")
        await office.know(owner="Jia Chan", confidential=True)
        await office.deliver()
        await office.look("2026-11-02 11:00")
        await office.look("2026-11-03 09:00")
        assert await office.told() == [
            "RFE unseen:1:0 > jchan@f.com",
            "RFE unseen:2:0 > it@f.com",
        ]
        assert (await office.alerts())[-1].addressed_as == "operations"

    async def test_an_address_that_two_read(self, sqlite_store: Store, tmp_path: Path) -> None:
        """Of a confidential case it is nobody's alone: `unassigned` and operations hear."""
        both = 'addresses = { people = "jchan@f.com" }'
        config = PEOPLE.replace('email = "kim@f.com"', both) + UNSEEN
        office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00", config=config)
        await office.know(owner="Jia Chan", confidential=True)
        await office.deliver()
        await office.look("2026-11-02 11:00")
        assert [one.split(" > ")[1] for one in await office.told()] == ["desk@f.com", "it@f.com"]


class TestReload:
    """A configuration that is another one between two steps."""

    async def test_the_escalation_is_gone(self, sqlite_store: Store, tmp_path: Path) -> None:
        """It ends, and operations hear at once that nobody is reminded any more."""
        office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00")
        await office.deliver()
        office.reload(PEOPLE)
        await office.look("2026-11-02 11:00")
        await office.look("2026-11-05 11:00")
        assert await office.told() == ["escalation_removed:1:RFE unseen > it@f.com"]
        assert (await office.alerts())[0].priority == 0
        assert (await office.escalations())[0].ended == "removed"

    async def test_its_step_is_gone(self, sqlite_store: Store, tmp_path: Path) -> None:
        """The same where it has fewer steps than were taken."""
        office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00")
        await office.know(owner="Jia Chan")
        await office.deliver()
        await office.look("2026-11-02 11:00")
        office.reload(PEOPLE + ONE_STEP)
        await office.look("2026-11-03 09:00")
        assert (await office.told())[1:] == ["escalation_removed:1:RFE unseen > it@f.com"]

    async def test_another_server_has_it_still(self, sqlite_store: Store, tmp_path: Path) -> None:
        """Until all servers were reloaded it is left to those that have it."""
        office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00")
        await office.deliver()
        office.reload(PEOPLE)
        office.differs = True
        await office.look("2026-11-02 11:05")
        assert await office.told() == []
        await office.look("2026-11-02 11:11")
        assert len(await office.told()) == 1

    async def test_it_no_longer_repeats(self, sqlite_store: Store, tmp_path: Path) -> None:
        """What was repeated waits for its end, without another word until then."""
        office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00")
        await office.know(owner="Jia Chan")
        await office.deliver()
        await office.look("2026-11-03 09:00")
        office.reload(PEOPLE + NEVER_REPEATED)
        await office.look("2026-11-04 09:00")
        await office.look("2026-11-12 08:00")
        assert len(await office.told()) == 2
        await office.look("2026-11-12 09:00")
        assert (await office.told())[2:] == [UNACKNOWLEDGED]


class TestOnce:
    """Nobody hears twice of one step, whoever takes it."""

    async def test_two_servers_at_once(self, store: Store, tmp_path: Path) -> None:
        """Each finds the same due; one takes it."""
        office = Office(store, tmp_path, now="2026-11-02 09:00")
        await office.know(owner="Jia Chan")
        await office.deliver()
        office.clock.advance(7_200)
        servers = [office.another_server() for _ in range(4)]
        await asyncio.gather(*(one._take_due() for one in servers))
        assert await office.told() == ["RFE unseen:1:0 > jchan@f.com"]
        entries = [one for one in await read_table(store, journal) if one.actor == "server"]
        assert len(entries) == 1

    async def test_what_was_read_before(self, store: Store, tmp_path: Path) -> None:
        """A server that read the row before another took it takes nothing."""
        office = Office(store, tmp_path, now="2026-11-02 09:00")
        await office.deliver()
        office.clock.advance(7_200)
        async with store.read() as connection:
            (read,) = await running.due(connection, now=office.clock.now(), limit=9)
        await office.look()
        assert not await office.follow_up._escalate(read)
        assert len(await office.told()) == 1

    async def test_a_clock_set_back(self, store: Store, tmp_path: Path) -> None:
        """What was taken is not taken again, and what is next comes as long after."""
        office = Office(store, tmp_path, now="2026-11-02 09:00")
        await office.know(owner="Jia Chan")
        await office.deliver()
        await office.look("2026-11-02 11:00")
        office.clock.set_back(3_600)
        await office.look("2026-11-02 11:00")
        assert len(await office.told()) == 1


class BrokenPlan(EscalationPlan):
    """One by which nothing can be done."""

    def turn(self, at: Position, *, began_at: Micros) -> Turn:
        """Fails."""
        raise ZeroDivisionError


async def test_a_turn_that_fails_does_not_hold_up_the_others(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to operations once, and tried again, however many are read at once."""
    monkeypatch.setattr(loop, "BATCH", 1)
    office = Office(sqlite_store, tmp_path, now="2026-11-02 09:00")
    await office.know(owner="Jia Chan")
    await office.deliver()
    await office.deliver("evt_2", receipt="IOE0912345679")
    async with writing(sqlite_store) as connection:
        row = {"urgent": True, "began_at": 0, "step": 0, "repetition": 0, "due_at": 1}
        await connection.execute(escalations.insert().values(change_id=1, name="Broken", **row))
    plans = office.in_force.rulebook().plans
    plans["Broken"] = BrokenPlan(name="Broken", steps=(), repeat=None, stop=0)
    await office.look("2026-11-02 11:00")
    told = await office.told()
    assert "RFE unseen:1:0 > desk@f.com" in told
    assert told.count("reminder_failed:1 > it@f.com") == 1
    await office.look()
    assert (await office.told()).count("reminder_failed:1 > it@f.com") == 1
    assert office.recording.named("followup.defect")
