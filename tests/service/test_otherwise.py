"""What the file as it lies would have decided otherwise, on either database."""

import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from casebell.actors import Actor, Role
from casebell.errors import BadArgument, ConfigError
from casebell.events import Absence, CaseEvent, Flag, TimeBasis
from casebell.service import otherwise
from casebell.store import absences
from casebell.store.engine import Store
from casebell.store.schema import cases, changes, events, metadata
from contracts.actors import ADMIN
from contracts.case_events import OCCURRED_AT, body_of, case_event
from contracts.cases import receipt_of, say_of_case
from contracts.stores import read_table
from contracts.writing import writing
from service.configured import RULES, ConfiguredFirm, sums, told

OPERATOR = Actor(name="account:ops", role=Role.OPERATOR, person="ana")
DAY = 86_400.0


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """On each backend: what is read of them is decided again."""
    async with Store(store_url) as opened:
        yield opened


def approval(number: int = 1, **fields: Any) -> CaseEvent:
    """An approval of a case."""
    given = {"delivered_status": "approved", "text": "Case Was Approved", **fields}
    return case_event(f"evt_{number}", receipt=receipt_of(number), **given)


class TestWhatDiffers:
    """A file that was really changed."""

    async def test_who_was_told_and_who_would_be(self, store: Store, tmp_path: Path) -> None:
        """Then and now, newest first, with the reason; what is as it was is counted alone."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval(1))
        await firm.deliver(case_event("evt_2", receipt=receipt_of(2)))
        await firm.deliver(approval(3))
        firm.write(
            '[[rules]]\nname = "Approved"\nwhen = { receipt = ["*1"] }\n'
            'notify = ["slack", "team"]\n'
            '[[rules]]\nname = "Owed"\nwhen = { tags = ["deadline"] }\nnotify = ["team"]\n'
        )
        found = await firm.compared()
        # Operations were told of the second; now the same people hear of it by a rule.
        assert sums(found) == (3, 1, 2, 0)
        third, first = found["items"]
        assert (third["change"], third["event"], third["receipt"]) == (3, 3, receipt_of(3))
        assert (told(third["then"]), told(third["now"])) == ([("slack", False)], [])
        assert third["then"]["because"] == "matched: Approved"
        assert third["now"]["because"] == "no rule matched"
        (sentence,) = third["why"]
        assert sentence == (
            'The rule "Approved" does not match now: receipt is IOE…0003, the rule asks for '
            "others. It did: status is approved."
        )
        assert told(first["now"]) == [("slack", False), ("team", False)]
        assert first["why"] == ['The rule "Approved" names team now.']
        assert first["in_force"] is third["in_force"] is False
        assert found["changed"] == {"rules": {"added": ["Owed"], "changed": ["Approved"]}}
        assert (found["next"], found["looked_back_to"]) == (None, None)

    async def test_who_was_away(self, store: Store, tmp_path: Path) -> None:
        """Who stood in then, and is back by now, makes no difference; another owner does."""
        people = (
            '[channels.mail]\nurl = "mailto://127.0.0.1:9?from=a@f.com"\n'
            'to = ["@owner"]\nunassigned = ["rfe@f.com"]\n'
            '[people.jchan]\nname = "Jia Chan"\nemail = "jchan@f.com"\n'
            '[people.kim]\nname = "Kim Roe"\nemail = "kim@f.com"\n'
            '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["mail"]\n'
        )
        firm = ConfiguredFirm(store, tmp_path, people)
        for number in (1, 2):
            await firm.deliver(approval(number))
            await say_of_case(store, number, owner="jchan")
        async with writing(store) as connection:
            absence = Absence(firm.clock.now() + 3_600_000_000, "kim")
            now = firm.clock.now()
            await absences.begin(connection, "jchan", absence, now=now, actor=ADMIN)
        for number in (1, 2):
            denied = {"delivered_status": "denied", "text": "Case Was Denied"}
            await firm.deliver(case_event(f"evt_d{number}", receipt=receipt_of(number), **denied))
        firm.clock.advance(DAY)
        await say_of_case(store, 2, owner="kim")
        found = await firm.compared()
        differing = [(one["change"], one["now"]["notify"]) for one in found["items"]]
        # The first two had no owner when they were told, and 2 has another one by now.
        assert [change for change, _ in differing] == [4, 2, 1]
        assert [one["target"] for one in differing[0][1]] == ["kim@f.com"]

    async def test_a_word_that_means_something_else(self, store: Store, tmp_path: Path) -> None:
        """A wording, a category and a test receipt: status, tags and who hears follow."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(case_event("evt_1", receipt=receipt_of(1), delivered_status="done"))
        strange = {"delivered_status": "other", "text": "Your vermilion notice is on its way."}
        await firm.deliver(case_event("evt_2", receipt=receipt_of(2), **strange))
        await firm.deliver(approval(3))
        firm.write(
            RULES
            + '[[rules]]\nname = "New"\nwhen = { flags = ["unknown_wording"] }\nnotify = ["team"]\n'
            + '[[wordings]]\nsays = ["vermilion notice"]\nstatus = "approved"\n'
            + f'[routing]\ntest_receipts = ["{receipt_of(3)}"]\n'
        )
        found = await firm.compared()
        third, second = found["items"]
        assert (second["then"]["status"], second["now"]["status"]) == ("other", "approved")
        # A new wording was for operations; what it means is known now, and it is no new one.
        assert (told(second["then"]), told(second["now"])) == ([("team", True)], [("slack", False)])
        assert second["why"][0] == "Its type, words and text are understood otherwise."
        assert (third["then"]["tags"], third["now"]["tags"]) == (
            ["decision"],
            ["decision", "test"],
        )
        assert (told(third["then"]), told(third["now"])) == ([("slack", False)], [("team", False)])

    async def test_targets_and_urgency(self, store: Store, tmp_path: Path) -> None:
        """Another target of the same channel is a difference, and so is urgency."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval())
        firm.write(RULES + "urgent = true\n")
        (one,) = (await firm.compared())["items"]
        assert one["why"] == ["Over slack it is urgent now."]
        firm.file.write_text(
            firm.file.read_text()
            .replace("urgent = true", "")
            .replace(
                '[channels.slack]\nurl = "json://127.0.0.1:9/"',
                '[channels.slack]\nurls = ["json://127.0.0.1:9/", "xml://127.0.0.1:9/"]',
            )
        )
        (one,) = (await firm.compared())["items"]
        # Of several addresses each has a label of its own.
        first, second = [to["target"] for to in one["now"]["notify"]]
        assert one["why"] == [
            f"The channel slack has a new target: {first}, {second}.",
            "The channel slack has no target any more that it had: json.",
        ]

    async def test_a_rule_by_another_name(self, store: Store, tmp_path: Path) -> None:
        """Whoever hears of it hears of it: the name makes no difference to them."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval())
        firm.write(RULES.replace('"Approved"', '"Good news"'))
        assert sums(await firm.compared()) == (1, 1, 0, 0)

    async def test_what_is_in_force_already(self, store: Store, tmp_path: Path) -> None:
        """A file that was taken up since differs from what was decided before, and says so."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval(1))
        firm.write(RULES.replace("slack", "team"))
        firm.take_up()
        await firm.deliver(approval(2))
        found = await firm.compared()
        assert sums(found) == (2, 1, 1, 0)
        assert found["items"][0]["in_force"] is True
        assert found["changed"] == {}

    async def test_what_the_firm_says_of_a_case(self, store: Store, tmp_path: Path) -> None:
        """Rules read what is known of a case today; its owner may have come after the change."""
        rules = '[[rules]]\nname = "Hers"\nwhen = { owner = ["ana"] }\nnotify = ["slack"]\n'
        firm = ConfiguredFirm(store, tmp_path, rules)
        await firm.deliver(approval())
        assert sums(await firm.compared()) == (1, 1, 0, 0)
        await say_of_case(store, 1, owner="ana")
        (one,) = (await firm.compared())["items"]
        assert told(one["now"]) == [("slack", False)]
        assert one["in_force"] is True


class TestWhichChanges:
    """The span, whose cases, and how many at a time."""

    async def test_the_span(self, store: Store, tmp_path: Path) -> None:
        """Changes decided within it; a clock that was set back hides none of them."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval(1))
        await firm.deliver(approval(2), after=5 * DAY)
        firm.clock.set_back(3 * DAY)
        await firm.deliver(approval(3))
        firm.clock.advance(3 * DAY)
        assert (await firm.compared("6d"))["looked"] == 3
        assert (await firm.compared("4d"))["looked"] == 2
        assert (await firm.compared("1d"))["looked"] == 1
        assert (await firm.compared("0s"))["looked"] == 0

    async def test_an_empty_store(self, store: Store, tmp_path: Path) -> None:
        """Nothing was looked at, which is an answer."""
        assert sums(await ConfiguredFirm(store, tmp_path).compared()) == (0, 0, 0, 0)

    async def test_confidential_cases(self, store: Store, tmp_path: Path) -> None:
        """They are in no item and in no figure for who may not see them."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval(1), approval(2))
        await say_of_case(store, 1, confidential=True)
        firm.write("")
        found = await firm.compared(actor=OPERATOR)
        assert sums(found) == (1, 0, 1, 0)
        assert [one["receipt"] for one in found["items"]] == [receipt_of(2)]
        assert (await firm.compared())["looked"] == 2
        await say_of_case(store, 1, owner="ana")
        assert (await firm.compared(actor=OPERATOR))["looked"] == 2

    async def test_a_page_after_another(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each looks at so many; together they have every change once, newest first."""
        firm = ConfiguredFirm(store, tmp_path)
        for number in range(1, 12):
            await firm.deliver(approval(number))
        firm.write(RULES.replace("slack", "team"))
        monkeypatch.setattr(otherwise, "PIECE", 2)
        monkeypatch.setattr(otherwise, "MAX_LOOKED", 4)
        pages = [await firm.compared()]
        while (cursor := pages[-1]["next"]) is not None:
            pages.append(await firm.compared(cursor=cursor))
        assert [page["looked"] for page in pages] == [4, 4, 3]
        found = [one["change"] for page in pages for one in page["items"]]
        assert found == list(range(11, 0, -1))
        # Where it goes on is when the earliest of the page was decided.
        assert pages[0]["looked_back_to"] == pages[0]["items"][-1]["decided_at"]
        page = await firm.compared(limit=3)
        # Only the newest are told of one by one; all are counted.
        assert [one["change"] for one in page["items"]] == [11, 10, 9]
        assert (page["differ"], page["next"]) == (4, "7")

    async def test_what_cannot_be_read(self, store: Store, tmp_path: Path) -> None:
        """A word of a later release costs its own change, and is counted."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval(1), approval(2), approval(3))
        async with writing(store) as connection:
            await connection.execute(
                changes.update().where(changes.c.id == 1).values(status="paroled")
            )
            await connection.execute(
                changes.update().where(changes.c.id == 2).values(decision="{}")
            )
        assert sums(await firm.compared()) == (3, 1, 0, 2)

    @pytest.mark.parametrize("over", ["", "30", "a month", "-1d", "11111d"])
    async def test_no_length_of_time(self, store: Store, tmp_path: Path, over: str) -> None:
        """It is an error that names the argument."""
        with pytest.raises(BadArgument) as caught:
            await ConfiguredFirm(store, tmp_path).compared(over)
        assert caught.value.argument == "over"

    @pytest.mark.parametrize("cursor", ["x", "1-2", "-1", ""])
    async def test_no_cursor(self, store: Store, tmp_path: Path, cursor: str) -> None:
        """Neither is a text that no answer gave."""
        with pytest.raises(BadArgument):
            await ConfiguredFirm(store, tmp_path).compared(cursor=cursor)


class TestTheFile:
    """It is read, and nothing else becomes of it."""

    async def test_one_that_cannot_be_used(self, store: Store, tmp_path: Path) -> None:
        """Its problems are the answer, without what stands in it."""
        firm = ConfiguredFirm(store, tmp_path)
        firm.write(RULES.replace("slack", "slak") + '[channels.slack2]\nurl = "nosuch://hunter2"\n')
        with pytest.raises(ConfigError) as caught:
            await firm.compared()
        assert any(one.key == "rules[1].notify[1]" for one in caught.value.problems)
        firm.write('[channels.slack2]\nurl = "nosuch://hunter2"\n')
        with pytest.raises(ConfigError) as caught:
            await firm.compared()
        assert "hunter2" not in repr(caught.value.problems)

    async def test_nothing_is_changed(self, store: Store, tmp_path: Path) -> None:
        """No table, no configuration in force, no environment of what sends."""
        firm = ConfiguredFirm(store, tmp_path)
        await firm.deliver(approval(1), case_event("evt_2"))

        async def stored() -> list[Any]:
            return [await read_table(store, table) for table in metadata.sorted_tables]

        before, in_force, environment = await stored(), firm.in_force.wiring, dict(os.environ)
        commits = store.commits
        firm.write("")
        firm.file.with_name(".env").write_text("HTTPS_PROXY=http://127.0.0.1:9\n")
        assert "HTTPS_PROXY" in firm.read().settings.outward
        assert (await firm.compared())["differ"] == 1
        assert await stored() == before
        assert store.commits == commits
        assert firm.in_force.wiring is in_force
        assert dict(os.environ) == environment


#: Rules that ask for every flag, and one for each kind of fact; one reads texts.
ALL_FACTS = """
[routing]
test_receipts = ["IOE*3"]
[sources.torch]
kind = "torch"
header = "X-Torch-Secret"
secrets = ["torch-signing-secret-for-tests-x"]
categories = { "done" = "approved" }
[[wordings]]
says = ["vermilion notice"]
status = "denied"
tags = ["adverse"]
[[rules]]
name = "Conflicts"
when = { flags = ["conflict"] }
notify = ["desk"]
[[rules]]
name = "Late"
when = { flags = ["late"] }
notify = ["night"]
[[rules]]
name = "Repeats"
when = { flags = ["repeat"] }
notify = ["team"]
[[rules]]
name = "Doubtful"
when = { flags = ["unknown_wording", "text_conflict", "status_conflict", "naive_time"] }
notify = ["slack"]
urgent = true
[[rules]]
name = "Deadlines of Torch"
when = { source = ["torch"], tags = ["deadline"] }
notify = ["team"]
[[rules]]
name = "Hers, by its text"
when = [{ owner = ["ana"] }, { text = ["approved"] }, { type = ["case.denied"] }]
notify = ["slack"]
"""
_TEXTS = (
    "",
    "Case Was Approved",
    "Request for Additional Evidence Was Sent",
    "Case Was Denied",
    "CASE STATUS",
    "Your vermilion notice is on its way.",
    "A wording that nobody has ever read.",
    "Intent to Deny: we sent you a notice of intent to deny your case.",
)
_STATUSES = (None, "approved", "rfe_issued", "denied", "other", "done", "Case Closed")
_TYPES = ("", "case.status.updated", "case.rfe.issued", "case.denied", "case.approved")


def anything(chance: random.Random, number: int) -> CaseEvent:
    """A plausible event: of few cases and keys, so that they repeat and contradict each other."""
    key = f"evt_{number - chance.choice((0, 0, 0, 1, 1, 9))}"
    text = chance.choice(_TEXTS)
    occurred_at = OCCURRED_AT + chance.randrange(-5, 5) * 86_400_000_000
    return case_event(
        key,
        source=chance.choice(("parley", "torch")),
        receipt=receipt_of(chance.randrange(5)),
        type=chance.choice(_TYPES),
        delivered_status=chance.choice(_STATUSES),
        text=text,
        occurred_at=chance.choice((occurred_at, OCCURRED_AT, None)),
        time_basis=chance.choice((TimeBasis.OCCURRED, TimeBasis.OBSERVED)),
        flags=chance.choice((frozenset(), frozenset({Flag.NAIVE_TIME}))),
        body=body_of(key, text=text, n=chance.randrange(2)),
    )


async def deliver_anything(firm: ConfiguredFirm, chance: random.Random, *, batches: int) -> None:
    """Deliver in batches; now and then decisions fail, and are made later."""
    number = 0
    for _ in range(batches):
        size = chance.randrange(1, 5)
        batch = [anything(chance, number := number + 1) for _ in range(size)]
        if chance.random() < 0.2:
            await firm.leave_undecided(*batch)
        else:
            await firm.deliver(*batch)
        if chance.random() < 0.3:
            await firm.decide_the_rest()
    await firm.decide_the_rest()


@pytest.mark.parametrize("seed", range(2))
async def test_an_unchanged_file_differs_in_nothing(
    store: Store, tmp_path: Path, seed: int
) -> None:
    """Whatever was delivered: repeats, conflicts, late news, tests, new wordings."""
    firm = ConfiguredFirm(store, tmp_path, ALL_FACTS)
    async with writing(store) as connection:
        await connection.execute(
            cases.insert().values(receipt=receipt_of(2), owner="ana", updated_at=0)
        )
    await deliver_anything(firm, random.Random(seed), batches=30)
    found = await firm.compared()
    assert [(one["why"], one["then"], one["now"]) for one in found["items"]] == []
    assert sums(found) == (len(await read_table(store, changes)),) * 2 + (0, 0)
    # All of these came about.
    founders = select(events.c.flags, changes.c.late).join(
        changes, changes.c.event_id == events.c.id
    )
    async with store.read() as connection:
        rows = (await connection.execute(founders)).all()
    met = Counter(word for row in rows for word in row.flags.split())
    assert {*Flag} - {*met} <= {
        *(Flag.STALE_SIGNATURE, Flag.REPEAT, Flag.UNPARSED_TIME, Flag.FUTURE_TIME),
        *(Flag.BASELINE, Flag.HISTORY),
    }
    assert any(row.late for row in rows)
    firm.write("")
    assert (await firm.compared())["differ"] > len(rows) // 4
