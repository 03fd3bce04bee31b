"""Who is reminded of a date that a person typed: stories, on both backends."""

import json
from pathlib import Path
from typing import Any

import pytest

from casebell.ops_messages import DateNear, from_json
from casebell.store import due_dates
from casebell.store.engine import Store
from casebell.store.schema import journal, queue
from contracts.stores import read_table
from contracts.writing import writing
from followup.office import PEOPLE, UNSEEN, Office, at

#: A channel that looks for a team, which no rule names.
TEAMS = """
[channels.teams]
url = "mailtos://smtp.f.com?from=casebell@f.com"
to = ["@team"]
unassigned = ["rfe-desk@f.com"]
"""
PLAIN = PEOPLE.replace('to = ["@owner"]\nunassigned = ["desk@f.com"]', 'to = ["room@f.com"]')


async def typed(store: Store, due: str, *, remind: str, change: int = 1, **fields: Any) -> None:
    """Somebody typed a date; the next reminder of it is due then."""
    async with writing(store) as connection:
        row = {"due": due, "due_by": "account:ana", "remind_at": at(remind), **fields}
        await connection.execute(queue.update().where(queue.c.change_id == change).values(**row))


async def office_with(store: Store, folder: Path, config: str = PEOPLE, **facts: Any) -> Office:
    """On October 20th an RFE came, and November 10th was typed."""
    office = Office(store, folder, now="2026-10-20 09:00", config=config)
    await office.know(**{"owner": "Jia Chan", **facts})
    await office.deliver()
    await typed(store, "2026-11-10", remind="2026-10-27 08:00")
    return office


async def test_each_distance_once(store: Store, tmp_path: Path) -> None:
    """Fourteen, seven, three and one day before, at eight; none on the day and after it."""
    office = await office_with(store, tmp_path)
    expected: list[str] = []
    for moment, days in [
        ("2026-10-27 07:59", None),
        ("2026-10-27 08:00", 14),
        ("2026-10-28 08:00", None),
        ("2026-11-03 08:00", 7),
        ("2026-11-07 08:00", 3),
        ("2026-11-09 08:00", 1),
        ("2026-11-10 08:00", None),
        ("2026-12-01 08:00", None),
    ]:
        await office.look(moment)
        expected += [] if days is None else [f"2026-11-10:{days} > jchan@f.com"]
        assert await office.told() == expected, moment
    (row,) = await read_table(store, queue)
    assert row.remind_at is None


async def test_the_last_one_never_waits(sqlite_store: Store, tmp_path: Path) -> None:
    """Of a change that is not urgent the day before: after the weekend it would be too late."""
    office = await office_with(sqlite_store, tmp_path)
    async with writing(sqlite_store) as connection:
        await connection.execute(queue.update().values(urgent=False))
    for moment in ("2026-10-27 08:00", "2026-11-03 08:00", "2026-11-07 08:00", "2026-11-09 08:00"):
        await office.look(moment)
    assert [(row.subject.split(":")[-1], row.priority) for row in await office.alerts()] == [
        *(("14", 1), ("7", 1), ("3", 1)),
        ("1", 0),
    ]


async def test_who_typed_it(sqlite_store: Store, tmp_path: Path) -> None:
    """A person is called by name; one who is no longer in the configuration by id."""
    office = await office_with(sqlite_store, tmp_path)
    called = []
    for person, moment in (("jchan", "2026-10-27 08:00"), ("left", "2026-11-03 08:00")):
        async with writing(sqlite_store) as connection:
            await connection.execute(queue.update().values(due_by=person))
        await office.look(moment)
        note = from_json((await office.alerts())[-1].note)
        assert isinstance(note, DateNear)
        called.append(note.entered_by)
    assert called == ["Jia Chan", "left"]


async def test_what_it_tells(sqlite_store: Store, tmp_path: Path) -> None:
    """Whose date it is, how near, and that nobody confirmed it; the journal has it."""
    office = await office_with(sqlite_store, tmp_path)
    await office.look("2026-10-27 08:00")
    (reminder,) = await office.alerts()
    assert from_json(reminder.note) == DateNear(
        change=1, due="2026-11-10", days=14, entered_by="ana", confirmed=False
    )
    assert (reminder.priority, reminder.addressed_as, reminder.rules) == (0, "@owner", "[]")
    (entry,) = [
        one for one in await read_table(sqlite_store, journal) if one.kind == "due.reminded"
    ]
    assert json.loads(entry.data) == {
        "due": "2026-11-10",
        "days": 14,
        "notify": [{"channel": "people", "target": "jchan@f.com"}],
    }


@pytest.mark.parametrize(
    ("moment", "days"),
    [
        # The server did not run on October 27th, or on several of its days, or until it was over.
        ("2026-10-29 15:00", 14),
        ("2026-11-08 15:00", 3),
        ("2026-11-20 15:00", 1),
    ],
)
async def test_after_downtime(sqlite_store: Store, tmp_path: Path, moment: str, days: int) -> None:
    """Only the nearest that was missed, once."""
    office = await office_with(sqlite_store, tmp_path)
    await office.look(moment)
    assert await office.told() == [f"2026-11-10:{days} > jchan@f.com"]
    await office.look()
    assert len(await office.told()) == 1


@pytest.mark.parametrize(
    ("config", "facts", "expected"),
    [
        (PEOPLE, {"owner": "kim"}, ["kim@f.com"]),
        # Neither owner nor team is found: whom the channel names for that.
        (PEOPLE, {"owner": ""}, ["desk@f.com"]),
        # The team hears over a channel of its own only where the decision named it.
        (PEOPLE + TEAMS, {"owner": "kim", "team": "rfe"}, ["kim@f.com"]),
        (
            PEOPLE.replace('notify = ["people"]', 'notify = ["people", "teams"]') + TEAMS,
            {"owner": "kim", "team": "rfe"},
            ["jchan@f.com", "kim@f.com"],
        ),
        # The decision named no channel that looks for anybody: all that do.
        (PLAIN + TEAMS, {"team": "rfe"}, ["jchan@f.com", "kim@f.com"]),
        (PLAIN + TEAMS, {"team": ""}, ["rfe-desk@f.com"]),
        # There is none: whoever was told; and where nobody was, operations.
        (PLAIN, {}, ["room@f.com"]),
        (PLAIN.replace('notify = ["people"]\n', "notify = []\n"), {}, ["it@f.com"]),
        # Of a confidential case only single persons.
        (PEOPLE + TEAMS, {"owner": "kim", "team": "rfe", "confidential": True}, ["kim@f.com"]),
        (PLAIN, {"confidential": True}, ["it@f.com"]),
    ],
)
async def test_whom_it_reaches(
    sqlite_store: Store, tmp_path: Path, config: str, facts: dict[str, Any], expected: list[str]
) -> None:
    """Owner and team of the case as it is now, or who hears in their place."""
    office = await office_with(sqlite_store, tmp_path, config, **facts)
    await office.look("2026-10-27 08:00")
    assert sorted(row.target for row in await office.alerts("reminder")) == expected


async def test_answered_or_another_date(store: Store, tmp_path: Path) -> None:
    """Nothing of the date that was; the new one has reminders of its own."""
    office = await office_with(store, tmp_path)
    await office.look("2026-10-27 08:00")
    await typed(store, "2026-11-17", remind="2026-11-03 08:00")
    await office.look("2026-11-03 08:00")
    assert await office.told() == ["2026-11-10:14 > jchan@f.com", "2026-11-17:14 > jchan@f.com"]
    await office.deliver("evt_2", type="case.approved", delivered_status="approved", text="")
    await office.look("2026-12-01 08:00")
    assert len(await office.told()) == 2


async def test_what_was_read_before(store: Store, tmp_path: Path) -> None:
    """A server that read the row before another took it, or the date changed, takes nothing."""
    office = await office_with(store, tmp_path)
    office.clock.advance((at("2026-10-27 08:00") - office.clock.now()) / 1_000_000)
    async with store.read() as connection:
        (read,) = await due_dates.near(connection, now=office.clock.now(), limit=9)
    await typed(store, "2026-11-12", remind="2026-10-29 08:00")
    assert not await office.follow_up._remind(read)
    await typed(store, "2026-11-10", remind="2026-10-27 08:00")
    assert await office.follow_up._remind(read)
    assert not await office.follow_up._remind(read)
    assert len(await office.told()) == 1


async def test_another_time_zone(sqlite_store: Store, tmp_path: Path) -> None:
    """A server that was moved to another zone reminds at eight of there."""
    office = await office_with(sqlite_store, tmp_path)
    west = '[server]\ntimezone = "America/Los_Angeles"\n'
    office.reload(west + PEOPLE)
    await office.look("2026-10-27 08:00")
    assert await office.told() == []
    await office.look("2026-10-27 11:00")
    assert await office.told() == ["2026-11-10:14 > jchan@f.com"]


async def test_beside_an_escalation(store: Store, tmp_path: Path) -> None:
    """That somebody has seen the change ends no reminder of its date."""
    office = await office_with(store, tmp_path, PEOPLE + UNSEEN)
    await office.look("2026-10-20 11:00")
    await office.look("2026-10-27 08:00")
    told = [row.subject for row in await office.alerts("reminder")]
    assert told[0] == "reminder:1:RFE unseen:1:0"
    assert told[-1] == "due:1:2026-11-10:14"
