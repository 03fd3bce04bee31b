"""What people say of a change: seen, due, answered; who may, and what is on record."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from casebell.actors import Actor, Role
from casebell.alerts import Asked
from casebell.clock import SECOND, iso
from casebell.errors import BadArgument, CasebellError, Forbidden, NotFound, Refusal
from casebell.events import Status, Tag
from casebell.service import Service
from casebell.service.cases import CaseReading
from casebell.service.following_up import MAX_NOTE, FollowingUp
from casebell.service.queue_reading import QueueReading
from casebell.settings.models import PersonSettings
from casebell.store.engine import Store
from casebell.store.schema import acknowledgements, escalations, journal, queue
from contracts.cases import change_case, receipt_of, say_of_case
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table
from service.harness import settings_of

PEOPLE = {
    "jchan": PersonSettings(id="jchan", name="Jia Chan", email="jchan@f.com", teams=("RFE",)),
    "kim": PersonSettings(id="kim", name="Kim Roe"),
}
JIA = Actor(name="account:jia", role=Role.VIEWER, person="jchan")
JIAS_TOKEN = Actor(name="token:jia", role=Role.VIEWER, person="jchan")
KIM = Actor(name="account:kim", role=Role.VIEWER, person="kim")
BEN = Actor(name="account:ben", role=Role.OPERATOR)
AUDITOR = Actor(name="account:aud", role=Role.AUDITOR)
ROOT = Actor(name="cli:root", role=Role.ADMIN, by="ana")
DEADLINE = Asked(deadline=True, urgent=True)
OTHER = Asked(deadline=False, urgent=False)
#: The clock stands on 2025-10-14.
DUE, LATER = "2025-12-24", "2026-01-07"


class Firm:
    """Everything that is asked, through the rights."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()
        settings = settings_of("parley", timezone="America/New_York")
        settings = settings.model_copy(update={"people": PEOPLE})
        self.service = Service(
            FollowingUp(store=store, settings=lambda: settings, clock=self.clock).verbs(),
            QueueReading(store=store, people=lambda: PEOPLE).verbs(),
            CaseReading(store=store, people=lambda: PEOPLE).verbs(),
            people=lambda: PEOPLE,
        )

    async def ask(self, verb: str, case: int = 1, *, actor: Actor = JIA, **given: Any) -> Any:
        """The answer of a verb of a case."""
        given = {"receipt": receipt_of(case), **given}
        return await self.service.ask(verb, given, actor=actor)

    async def queue(self, actor: Actor = JIA, **given: Any) -> Sequence[Any]:
        """The rows that an actor is shown."""
        found = await self.service.ask("list_queue", {"limit": 50, **given}, actor=actor)
        return list(found["items"])

    async def fails(
        self, verb: str, error: type[CasebellError], case: int = 1, **given: Any
    ) -> str:
        """What is said where nothing was done."""
        before = len(await read_table(self.store, journal))
        with pytest.raises(error) as failed:
            await self.ask(verb, case, **given)
        assert len(await read_table(self.store, journal)) == before
        return f"{failed.value.message} {failed.value.hint}"

    async def rows(self) -> dict[int, Any]:
        """The queue's rows by change."""
        return {row.change_id: row for row in await read_table(self.store, queue)}

    async def on_record(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What the journal has of the follow-up: kind, actor and data."""
        ours = ("change.acknowledged", "change.answered", "change.reopened", "change.due")
        return [
            (one.kind, one.actor, json.loads(one.data))
            for one in await read_table(self.store, journal)
            if one.kind.startswith(ours)
        ]

    async def escalate(self, change: int, **values: Any) -> None:
        """Let an escalation of a change run."""
        row = {"name": "RFE unseen", "urgent": True, "began_at": 1, "step": 0, "repetition": 0}
        made = escalations.insert().values(**{"change_id": change, "due_at": 9, **row, **values})
        await self.store.transact(lambda connection: connection.execute(made))


class TestAcknowledge:
    """That somebody has seen what is open."""

    async def test_every_open_change(self, store: Store) -> None:
        """What asks and is not answered, and what is being escalated; nothing else of the case."""
        firm = Firm(store)
        first = await change_case(store, 1, asked=DEADLINE, at=1)
        seen = await change_case(store, 1, status=Status.RECEIVED, at=2)
        second = await change_case(store, 1, asked=OTHER, at=3)
        answered = await change_case(store, 1, asked=OTHER, at=4)
        await firm.ask("mark_answered", change=answered)
        told = await change_case(store, 1, status=Status.RECEIVED, at=5)
        await firm.escalate(told)
        done = await firm.ask("acknowledge", note="Client called.")
        assert done == {
            "receipt": receipt_of(1),
            "changes": [first, second, told],
            "new": done["changes"],
        }
        assert seen not in done["changes"]
        assert {row.ended for row in await read_table(store, escalations)} == {"acknowledged"}
        again = await firm.ask("acknowledge", note="Client called.")
        assert (again["changes"], again["new"]) == ([first, second], [])

    async def test_the_present_change_where_nothing_is_open(self, store: Store) -> None:
        """Somebody may say of any news that it was seen; of a case without any there is nothing."""
        firm = Firm(store)
        await change_case(store, 1, status=Status.RECEIVED, at=1)
        present = await change_case(store, 1, status=Status.APPROVED, at=2)
        assert (await firm.ask("acknowledge"))["changes"] == [present]

    async def test_one_change_by_its_number(self, store: Store) -> None:
        """Of this case alone."""
        firm = Firm(store)
        first = await change_case(store, 1, asked=DEADLINE)
        await change_case(store, 1, asked=DEADLINE, at=9)
        another = await change_case(store, 2, asked=DEADLINE)
        assert (await firm.ask("acknowledge", change=first))["changes"] == [first]
        for number in (another, 999):
            said = await firm.fails("acknowledge", NotFound, change=number)
            assert f"no change {number}" in said

    async def test_who_and_how_is_told(self, store: Store) -> None:
        """In words, in the queue and on the case; the note on the case alone."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE)
        for actor, words in (
            (ROOT, "root on the command line, as “ana”"),
            (BEN, "account ben"),
            (JIA, "Jia Chan (account jia)"),
        ):
            firm.clock.advance(1)
            await firm.ask("acknowledge", actor=actor, note=f"by {actor.name}")
            [row] = await firm.queue()
            assert row["acknowledged_by"] == words
            assert "by account" not in json.dumps(row)
        found = await firm.ask("find_case")
        assert (found["acknowledged_by"], found["change"]) == ("Jia Chan (account jia)", change)
        told = found["changes"][0]["acknowledged"]
        assert [one["note"] for one in told] == ["by cli:root", "by account:ben", "by account:jia"]
        assert [(one["actor"], one["by"], one["person"]) for one in told] == [
            ("cli:root", "ana", None),
            ("account:ben", None, None),
            ("account:jia", None, "jchan"),
        ]
        assert "by account" not in json.dumps(await firm.on_record())

    @pytest.mark.parametrize("note", ["a" * (MAX_NOTE + 1), "a\x00b", "\ud800"])
    async def test_a_note_that_cannot_be_kept(self, store: Store, note: str) -> None:
        """It is refused before anything is done."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE)
        await firm.fails("acknowledge", BadArgument, note=note)
        await firm.ask("acknowledge", note=f"  {'b' * MAX_NOTE} ")
        assert [row.note for row in await read_table(store, acknowledgements)] == ["b" * MAX_NOTE]


class TestDue:
    """The date that a person typed from a notice."""

    async def test_two_people(self, store: Store) -> None:
        """One types it; the same person, however they come, does not confirm it; another does."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE)
        first = await firm.ask("set_due", date=DUE)
        assert (first["change"], first["due"], first["due_by"]) == (change, DUE, "Jia Chan")
        assert first["due_confirmed"] is False
        for actor in (JIA, JIAS_TOKEN):
            assert (await firm.ask("set_due", date=DUE, actor=actor))["due_confirmed"] is False
        confirmed = await firm.ask("set_due", date=DUE, actor=BEN)
        assert (confirmed["due_confirmed"], confirmed["due_confirmed_by"]) == (True, "account ben")
        assert (await firm.ask("set_due", date=DUE, actor=KIM))["due_confirmed_by"] == "account ben"
        assert [(kind, actor) for kind, actor, _ in await firm.on_record()] == [
            ("change.due_entered", "account:jia"),
            ("change.due_confirmed", "account:ben"),
        ]

    async def test_another_date_is_unconfirmed(self, store: Store) -> None:
        """Whoever types it, and also where the one before was confirmed; the journal has both."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE)
        await firm.ask("set_due", date=DUE)
        await firm.ask("set_due", date=DUE, actor=KIM)
        other = await firm.ask("set_due", date=LATER, actor=KIM)
        assert (other["due"], other["due_by"], other["due_confirmed"]) == (LATER, "Kim Roe", False)
        assert (await firm.ask("find_case"))["due"] == LATER
        assert (await firm.on_record())[-1][2] == {"due": LATER, "was": DUE, "person": "kim"}
        assert (await firm.ask("set_due", date=LATER))["due_confirmed"] is True

    async def test_reminders_follow_the_date(self, store: Store) -> None:
        """The next is 14 days before it, in the server's zone; none once there is no date."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE)
        await firm.ask("set_due", date=DUE)
        # Eight in the morning of December 10 in New York.
        expected = round(datetime(2025, 12, 10, 13, tzinfo=UTC).timestamp()) * SECOND
        assert (await firm.rows())[change].remind_at == expected
        cleared = await firm.ask("set_due", date=None, actor=KIM)
        assert (cleared["due"], cleared["due_by"], cleared["due_confirmed"]) == (None, None, False)
        assert (await firm.rows())[change].remind_at is None
        assert (await firm.on_record())[-1] == (
            *("change.due_cleared", "account:kim"),
            {"was": DUE, "person": "kim"},
        )
        await firm.ask("set_due", date=None)
        assert len(await firm.on_record()) == 2

    async def test_of_the_latest_that_owes(self, store: Store) -> None:
        """Among open changes those with a deadline come first, the latest of them."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE, at=1)
        second = await change_case(store, 1, asked=DEADLINE, at=2)
        interview = await change_case(store, 1, asked=OTHER, at=3)
        assert (await firm.ask("set_due", date=DUE))["change"] == second
        assert (await firm.ask("set_due", date=DUE, change=interview))["change"] == interview

    @pytest.mark.parametrize(
        ("date", "question"),
        [
            ("2025-10-14", None),
            ("2025-10-13", "is over"),
            ("2000-01-01", "is over"),
            ("2027-10-14", None),
            ("2027-10-15", "more than 2 years away"),
            ("2030-10-14", "more than 2 years away"),
        ],
    )
    async def test_unlikely_dates(self, store: Store, date: str, question: str | None) -> None:
        """They are kept, and asked about."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE)
        done = await firm.ask("set_due", date=date)
        assert done["due"] == date
        assert (question or "None") in str(done["question"])

    @pytest.mark.parametrize(
        "date",
        ["1999-12-31", "2031-01-01", "2025-02-30", "12/24/2025", "20251224", "", "soon", "2025-1-1",
         "2025-12-24T00:00", "٢٠٢٥-١٢-٢٤"],
    )  # fmt: skip
    async def test_no_date_of_a_notice(self, store: Store, date: str) -> None:
        """What is no date, or none that a notice can set, is refused."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE)
        await firm.fails("set_due", BadArgument, date=date)

    async def test_what_stood_there(self, store: Store) -> None:
        """Who saw another date than there is now changes and confirms nothing."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE)
        await firm.ask("set_due", date=DUE, was="")
        await firm.ask("set_due", date=LATER, was=DUE)
        said = await firm.fails("set_due", Refusal, date=DUE, was=DUE, actor=KIM)
        assert f"the date is {LATER} now" in said
        await firm.ask("set_due", date=None, was=LATER)
        await firm.fails("set_due", Refusal, date=LATER, was=LATER, actor=KIM)


class TestAnswered:
    """That an answer went out."""

    async def test_it_leaves_the_queue_and_comes_back(self, store: Store) -> None:
        """With its date, and the next reminder of it."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE)
        await firm.ask("set_due", date=DUE)
        reminded = (await firm.rows())[change].remind_at
        done = await firm.ask("mark_answered")
        assert (done["answered_by"], done["due"]) == ("account jia", DUE)
        assert await firm.queue() == []
        assert (await firm.rows())[change].remind_at is None
        again = await firm.ask("mark_answered", undo=True, actor=KIM)
        assert (again["change"], again["answered_at"]) == (change, None)
        assert (await firm.rows())[change].remind_at == reminded
        assert [row["change"] for row in await firm.queue()] == [change]
        assert [kind for kind, _, _ in await firm.on_record()][1:] == [
            "change.answered",
            "change.reopened",
        ]

    async def test_of_several_one_is_named(self, store: Store) -> None:
        """A wrong click, or a request sent twice, closes nothing of another notice."""
        firm = Firm(store)
        first = await change_case(store, 1, asked=DEADLINE, at=1)
        second = await change_case(store, 1, asked=DEADLINE, at=2)
        assert f"{second}, {first}" in await firm.fails("mark_answered", Refusal)
        await firm.ask("mark_answered", change=second)
        again = await firm.ask("mark_answered", change=second, actor=KIM)
        assert again["answered_by"] == "account jia"
        assert [row["change"] for row in await firm.queue()] == [first]

    async def test_an_escalation_goes_on(self, store: Store) -> None:
        """One that ended since it was answered; no other."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE)
        await firm.ask("mark_answered")
        await firm.escalate(change, due_at=None, ended="answered")
        await firm.escalate(change, name="other", due_at=None, ended="done")
        await firm.ask("mark_answered", undo=True)
        found = {row.name: row for row in await read_table(store, escalations)}
        now = firm.clock.now()
        assert (found["RFE unseen"].due_at, found["RFE unseen"].ended) == (now, None)
        assert (found["other"].due_at, found["other"].ended) == (None, "done")

    async def test_what_is_taken_back(self, store: Store) -> None:
        """What a person said last; what the source reported only where it is named."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE)
        said = await firm.fails("mark_answered", Refusal, undo=True)
        assert "Nobody said" in said
        reported = queue.update().values(answered_at=5, answered_by="change:9")
        await store.transact(lambda connection: connection.execute(reported))
        await firm.fails("mark_answered", Refusal, undo=True)
        assert (await firm.ask("mark_answered", undo=True, change=change))["answered_at"] is None
        await firm.fails("mark_answered", Refusal, undo=True, change=change)

    async def test_nothing_is_due_of_it(self, store: Store) -> None:
        """A date of an answered change would lead nobody anywhere."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE)
        await firm.ask("mark_answered")
        assert "--undo" in await firm.fails("set_due", Refusal, date=DUE, change=change)
        assert "not in the queue" in await firm.fails("set_due", Refusal, date=DUE)
        assert "not in the queue" in await firm.fails("mark_answered", Refusal)

    async def test_a_change_that_asks_nothing(self, store: Store) -> None:
        """Has neither a date nor an answer."""
        firm = Firm(store)
        change = await change_case(store, 1, status=Status.RECEIVED)
        nothing: dict[str, Any] = {}
        for verb, given in (("set_due", {"date": DUE}), ("mark_answered", nothing)):
            assert "not in the queue" in await firm.fails(verb, Refusal, **given)
            said = await firm.fails(verb, Refusal, change=change, **given)
            assert "asks for nothing" in said


VERBS: dict[str, Any] = {
    "acknowledge": {},
    "set_due": {"date": DUE},
    "mark_answered": {},
}


@pytest.mark.parametrize("verb", VERBS)
class TestWhoMay:
    """All but auditors, of the cases that they see."""

    async def test_an_auditor_only_looks(self, store: Store, verb: str) -> None:
        """The record is not of whoever checks it."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE)
        await firm.fails(verb, Forbidden, actor=AUDITOR, **VERBS[verb])
        assert len(await firm.queue(AUDITOR)) == 1

    async def test_a_confidential_case(self, store: Store, verb: str) -> None:
        """It is not there but for its owner, its team and admins."""
        firm = Firm(store)
        await change_case(store, 1, asked=DEADLINE)
        await say_of_case(store, 1, owner="Jia Chan", confidential=True)
        for actor in (KIM, BEN):
            hidden = await firm.fails(verb, NotFound, actor=actor, **VERBS[verb])
            nothing = await firm.fails(verb, NotFound, case=7, actor=actor, **VERBS[verb])
            assert hidden == nothing
            assert await firm.queue(actor) == []
        await firm.ask(verb, actor=JIA, **VERBS[verb])
        assert (await read_table(store, journal))[-1].actor == "account:jia"


class TestQueue:
    """What is open."""

    async def test_a_row(self, store: Store) -> None:
        """Has what its reader needs, and only JSON."""
        firm = Firm(store)
        change = await change_case(store, 1, asked=DEADLINE, tags=frozenset({Tag.DEADLINE}))
        await say_of_case(store, 1, owner="Jia Chan", team="rfe", label="Diaz")
        await firm.escalate(change, reminded_at=firm.clock.now())
        [row] = await firm.queue()
        assert json.loads(json.dumps(row)) == row
        assert {
            name: row[name]
            for name in ("receipt", "change", "status", "tags", "label", "owner", "team", "due")
        } == {
            "receipt": receipt_of(1),
            "change": change,
            "status": "rfe_issued",
            "tags": ["deadline"],
            "label": "Diaz",
            "owner": "Jia Chan",
            "team": "rfe",
            "due": None,
        }
        assert row["escalated"] == iso(firm.clock.now())
        assert (row["acknowledged_by"], row["due_confirmed"], row["confidential"]) == (
            *(None, False, False),
        )

    async def test_orders(self, store: Store) -> None:
        """The newest change first; by date the soonest first, then the oldest, a page at a time."""
        firm = Firm(store)
        numbers = [await change_case(store, n, asked=DEADLINE, at=10 - n) for n in range(1, 6)]
        await firm.ask("set_due", 2, date=LATER)
        await firm.ask("set_due", 4, date=DUE)
        assert [row["change"] for row in await firm.queue()] == numbers[::-1]
        expected = [numbers[one - 1] for one in (4, 2, 5, 3, 1)]
        assert [row["change"] for row in await firm.queue(by_date=True)] == expected
        for size in (1, 2, 3):
            found, cursor = [], None
            while True:
                given = {"limit": size, "cursor": cursor, "by_date": True}
                page = await firm.service.ask("list_queue", given, actor=JIA)
                found += [row["change"] for row in page["items"]]
                if (cursor := page["next"]) is None:
                    break
            assert found == expected

    async def test_mine(self, store: Store) -> None:
        """Of the owner or the team; whoever is nobody is told so."""
        firm = Firm(store)
        for number in (1, 2, 3):
            await change_case(store, number, asked=DEADLINE)
        await say_of_case(store, 1, owner="JCHAN@f.com")
        await say_of_case(store, 2, team="rfe", owner="Kim Roe")
        await say_of_case(store, 3, owner="Ben")
        mine = [row["receipt"] for row in await firm.queue(mine=True)]
        assert mine == [receipt_of(2), receipt_of(1)]
        assert [row["receipt"] for row in await firm.queue(KIM, mine=True)] == [receipt_of(2)]
        assert [row["receipt"] for row in await firm.queue(BEN, person="kim")] == [receipt_of(2)]
        for actor, given in ((BEN, {"mine": True}), (BEN, {"person": "nobody"})):
            with pytest.raises(BadArgument):
                await firm.queue(actor, **given)

    async def test_filters(self, store: Store) -> None:
        """By case, owner and team in any spelling."""
        firm = Firm(store)
        for number, owner, team in ((1, "Jia Chan", "RFE"), (2, "Kim Roe", "H-1B")):
            await change_case(store, number, asked=DEADLINE)
            await say_of_case(store, number, owner=owner, team=team)
        narrowed: list[Any] = [{"receipt": "ioe-000-000-0001"}, {"owner": "jchan"}, {"team": "rfe"}]
        for given in narrowed:
            assert [row["receipt"] for row in await firm.queue(**given)] == [receipt_of(1)]
        with pytest.raises(BadArgument):
            await firm.queue(receipt="none")
