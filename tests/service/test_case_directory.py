"""Lists of cases imported, cases edited: by whom, what goes on record, and what is left out."""

import itertools
import json
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from casebell.actors import SERVER, Actor, Role
from casebell.case_file import Column, Row, read
from casebell.errors import BadArgument, Forbidden, NotFound, UnusableCaseFile
from casebell.service import importing
from casebell.service.case_directory import CaseDirectory
from casebell.service.cases import CaseReading
from casebell.service.exporting import Exporting
from casebell.service.formats import Format
from casebell.store.engine import Store
from casebell.store.schema import cases, journal
from contracts.actors import ADMIN, an_actor
from contracts.cases import change_case, receipt_of
from contracts.clock_and_log import ManualClock
from contracts.stores import read_table
from service.harness import settings_of

R1, R2, R3 = map(receipt_of, (1, 2, 3))
LIST = f"""Receipt Number;Responsible Attorney;Title;Client DOB
{R1};Jia Chan;Gomez;1980-01-01
{R2};;Ruiz;1981-01-01
IOE1;Jia Chan;Kim;1982-01-01
""".encode()


@pytest.fixture
def directory(store: Store) -> CaseDirectory:
    """The verbs."""
    return CaseDirectory(store=store, clock=ManualClock())


async def entries(store: Store) -> list[tuple[str, str, dict[str, Any]]]:
    """What is on record of cases."""
    rows = await read_table(store, journal)
    return [
        (one.kind, one.subject, json.loads(one.data)) for one in rows if one.kind.startswith("case")
    ]


async def test_a_list_is_imported_once(store: Store, directory: CaseDirectory) -> None:
    """Good rows are put, others named; the same list again changes nothing and leaves no entry."""
    await change_case(store, 2)
    dry = await directory.import_cases(content=LIST, dry_run=True, actor=ADMIN)
    assert (dry["dry_run"], dry["new"], dry["left_out"]) == (True, 2, 1)
    assert await entries(store) == []
    assert len(await read_table(store, cases)) == 1
    done = await directory.import_cases(content=LIST, actor=ADMIN)
    assert {**done, "dry_run": True} == dry
    assert done["ignored"] == ["Client DOB"]
    assert done["problems"] == [
        {"line": 4, "reason": "The receipt number is not three letters and ten digits."}
    ]
    first, second, imported = await entries(store)
    assert first == (
        "case.set",
        f"case:{R1}",
        {"changed": ["label", "owner"], "new": True, "was": {}, "is": {"owner": "Jia Chan"}},
    )
    assert second[2] == {"changed": ["label"], "new": True, "was": {}, "is": {}}
    assert imported[:2] == ("cases.imported", "cases")
    assert imported[2] == {
        "new": 2,
        "changed": 0,
        "unchanged": 0,
        "left_out": 1,
        "sha256": done["sha256"],
    }
    again = await directory.import_cases(content=LIST, actor=ADMIN)
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 2)
    assert len(await entries(store)) == 3
    # Nothing of an unknown column, and no label, is on record.
    text = "".join(one.data for one in await read_table(store, journal))
    assert not {"1980", "Gomez", "DOB"} & set(text.replace('"', " ").split())


async def test_what_a_list_does_not_name_stays(store: Store, directory: CaseDirectory) -> None:
    """Of a case, of other cases; `-` clears, and what was and is goes on record."""
    await directory.import_cases(content=LIST, actor=ADMIN)
    more = f"receipt,owner,team,vawa\n{R1},-,rfe,x\n".encode()
    assert (await directory.import_cases(content=more, actor=ADMIN))["changed"] == 1
    found = await CaseReading(store=store).find_case(receipt=R1, actor=ADMIN)
    assert (found["label"], found["owner"], found["team"], found["confidential"]) == (
        *("Gomez", None, "rfe"),
        True,
    )
    assert (found["status"], found["changes"]) == (None, [])
    assert (await entries(store))[-2][2] == {
        "changed": ["confidential", "owner", "team"],
        "new": False,
        "was": {"confidential": False, "owner": "Jia Chan", "team": ""},
        "is": {"confidential": True, "owner": "", "team": "rfe"},
    }


async def test_confidential_whatever_else_is_wrong(store: Store, directory: CaseDirectory) -> None:
    """A line that is left out still makes its case confidential; the good line of it is kept."""
    lines = f"{R1},ana,at firm,yes\n{R2},ana,,\n{R2},ben,,1\n"
    content = f"receipt,owner,owner email,vawa\n{lines}".encode()
    done = await directory.import_cases(content=content, actor=ADMIN)
    assert ([one["line"] for one in done["problems"]], done["left_out"]) == ([2, 4], 2)
    rows = {row.receipt: row for row in await read_table(store, cases)}
    assert {receipt: (row.owner, row.confidential) for receipt, row in rows.items()} == {
        R1: ("", True),
        R2: ("ana", True),
    }
    again = await directory.import_cases(content=content, actor=ADMIN)
    assert (again["new"], again["changed"]) == (0, 0)
    await directory.set_case(receipt=R1, facts={"confidential": False}, actor=ADMIN)
    _, _, changed = (await entries(store))[-1]
    assert (changed["was"], changed["is"]) == ({"confidential": True}, {"confidential": False})
    # As JSON has it, and not as SQLite does.
    assert changed["was"]["confidential"] is True


async def test_a_list_that_nobody_looks_at(store: Store, directory: CaseDirectory) -> None:
    """It makes a case confidential, and none open that somebody has marked; a person's does."""
    no, yes = (f"receipt,owner,vawa\n{R1},ana,{one}\n".encode() for one in ("no", "yes"))

    async def imported(content: bytes, *, actor: Actor) -> tuple[int, bool]:
        changed = (await directory.import_cases(content=content, actor=actor))["changed"]
        (row,) = await read_table(store, cases)
        return changed, row.confidential

    assert await imported(no, actor=SERVER) == (0, False)
    assert await imported(yes, actor=SERVER) == (1, True)
    assert await imported(no, actor=SERVER) == (0, True)
    assert await imported(no, actor=ADMIN) == (1, False)


async def test_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large list is put a few rows at a time; the problems of all are in the order of lines."""
    monkeypatch.setattr(importing, "ROWS_A_WRITE", 2)
    lines = [f"{receipt_of(one) if one % 2 else 'x'},{one}" for one in range(1, 10)]
    content = "\n".join(["receipt,label", *lines]).encode()
    sizes: list[int] = []

    async def put(rows: Sequence[Row]) -> Any:
        sizes.append(len(rows))
        left = [{"line": rows[0].line, "reason": "No."}]
        return {"new": len(rows) - 1, "changed": 0, "unchanged": 0, "problems": left}

    steps: list[int] = []
    one = await importing.carry_out(content, put=put, progress=steps.append)
    assert (sizes, steps) == ([2, 2, 1], [1, 2, 2])
    assert [problem.line for problem in one.problems] == [2, 3, 5, 6, 7, 9, 10]
    answer = one.answer(most=2)
    assert (len(answer["problems"]), answer["left_out"]) == (2, 7)
    # As a list that can be mended: what was read of it, and the reason first.
    heading, first, second, *_ = one.problem_lines()
    assert heading == "reason,line,receipt,label,apostrophes_in\r\n"
    assert (first, second) == (
        f"No.,2,{R1},1,\r\n",
        "The receipt number is not three letters and ten digits.,3,x,2,\r\n",
    )
    assert read("".join(one.problem_lines()).encode()).ignored == ["reason", "line"]


def test_rows_as_a_list() -> None:
    """A case that is marked by a later line has one line, which is read as what both say."""
    content = f"receipt,label,vawa\n{R1},a,no\n{R1},b,yes\n{R2},-,\n".encode()
    file = read(content)
    rows = [one for one in file.lines() if isinstance(one, Row)]
    again = list(read(importing.list_of(rows, file.columns).encode()).lines())
    assert again == [
        Row(line=2, receipt=R1, facts={Column.LABEL: "a", Column.CONFIDENTIAL: True}),
        Row(line=3, receipt=R2, facts={Column.LABEL: ""}),
    ]


async def test_an_export_is_a_list_again(store: Store, directory: CaseDirectory) -> None:
    """Whatever the texts hold, in both directions; nothing of it is a formula in a spreadsheet."""
    facts = {
        R1: {"label": "=cmd|' /C calc'!A0", "owner": "'t Hooft; =x", "confidential": True},
        R2: {"label": '-5, "x"', "owner_email": "a'@b.example", "team": "@team", "form": "+1"},
        R3: {},
    }
    rows = [
        {"line": line, "receipt": receipt, "facts": said}
        for line, (receipt, said) in enumerate(facts.items())
    ]
    await directory.put_cases(rows=rows, actor=ADMIN)
    settings = settings_of("parley")
    exporting = Exporting(store=store, settings=lambda: settings, clock=ManualClock())
    lines = await exporting.export_cases(format=Format.CSV, actor=ADMIN)
    content = "".join([line async for line in lines]).encode()
    assert await exporting.count_cases(actor=ADMIN) == 3
    again = await directory.import_cases(content=content, actor=ADMIN)
    assert (again["unchanged"], again["left_out"], again["ignored"]) == (3, 0, [])
    said = {one.receipt: one.facts for one in read(content).lines() if isinstance(one, Row)}
    for receipt, expected in facts.items():
        kept = {name: fact for name, fact in said[receipt].items() if fact is not False}
        assert kept == expected
    assert b"\n=" not in content
    assert b",=" not in content


VIEWER = Actor(name="token:ana", role=Role.VIEWER, person="ana", teams=frozenset({"rfe"}))
OPERATOR = an_actor("token:op", role=Role.OPERATOR)
OWNER = Actor(name="token:owner", role=Role.OPERATOR, person="ben")


async def set_up(directory: CaseDirectory) -> None:
    """A case of Ana's, one of her team that is Ben's and confidential, and one of others."""
    rows = [
        {"line": 1, "receipt": R1, "facts": {"owner": "ana"}},
        {"line": 2, "receipt": R2, "facts": {"owner": "ben", "team": "rfe", "confidential": True}},
        {"line": 3, "receipt": R3, "facts": {"owner": "cem"}},
    ]
    await directory.put_cases(rows=rows, actor=ADMIN)


REFUSED: Sequence[tuple[Actor, str, Any, type[Exception]]] = (
    (VIEWER, R2, {"owner": "ana"}, Forbidden),
    (VIEWER, R2, {"label": "x", "team": ""}, Forbidden),
    (VIEWER, R2, {"owner_email": "x@y.example"}, Forbidden),
    (VIEWER, R2, {"confidential": "no"}, Forbidden),
    (VIEWER, R3, {"label": "x"}, Forbidden),
    (OPERATOR, R2, {"label": "x"}, NotFound),
    (VIEWER, "IOE0000000099", {"label": "x"}, NotFound),
    (ADMIN, "IOE1", {"label": "x"}, BadArgument),
    (ADMIN, R1, {}, BadArgument),
    (ADMIN, R1, {"receipt": R3}, BadArgument),
    (ADMIN, R1, {"status": "denied"}, BadArgument),
    (ADMIN, R1, {"owner_email": "ana"}, BadArgument),
    (ADMIN, R1, {"label": "x" * 201}, BadArgument),
    (ADMIN, R1, {"label": True}, BadArgument),
)


async def test_what_somebody_may_not_edit(store: Store, directory: CaseDirectory) -> None:
    """Others' cases, who hears of a confidential one, what is no fact: nothing is changed."""
    await set_up(directory)
    before = await read_table(store, cases), await entries(store)
    for actor, receipt, facts, refused in REFUSED:
        with pytest.raises(refused):
            await directory.set_case(receipt=receipt, facts=facts, actor=actor)
    assert (await read_table(store, cases), await entries(store)) == before


@pytest.mark.parametrize(
    ("actor", "receipt", "facts"),
    [
        (VIEWER, R1, {"label": "x", "owner": "cem", "confidential": True}),
        (VIEWER, R2, {"label": "x"}),
        (OPERATOR, R3, {"owner": "", "confidential": "yes"}),
        (OWNER, R2, {"owner": "ana", "confidential": False}),
        (ADMIN, R2, {"owner": "ana", "confidential": False}),
    ],
)
async def test_what_somebody_may_edit(
    store: Store, directory: CaseDirectory, actor: Actor, receipt: str, facts: Any
) -> None:
    """One's own, or with the right any that one sees; of a confidential one its owner decides."""
    await set_up(directory)
    before = await entries(store)
    answer: Any = await directory.set_case(receipt=receipt, facts=facts, actor=actor)
    assert answer["receipt"] == receipt
    meant = {"": None, "yes": True, "no": False}
    assert {name: answer[name] for name in facts} == {
        name: meant.get(fact, fact) for name, fact in facts.items()
    }
    assert len(await entries(store)) == len(before) + 1
    # Again: nothing is changed, and nothing goes on record.
    await directory.set_case(receipt=receipt, facts=facts, actor=ADMIN)
    assert len(await entries(store)) == len(before) + 1


async def test_a_list_by_who_may_not_see_all(store: Store, directory: CaseDirectory) -> None:
    """Of a hidden case every row is left out, so that no list tells what is there."""
    await set_up(directory)
    content = f"receipt,owner,team\n{R1},dan,\n{R2},ben,rfe\n{R3},cem,\n".encode()
    for dry_run in (True, False):
        done = await directory.import_cases(content=content, dry_run=dry_run, actor=OPERATOR)
        assert (done["changed"], done["unchanged"]) == (1, 1)
        (problem,) = done["problems"]
        assert (problem["line"], problem["reason"][:9]) == (3, "This case")
    # Who sees it and does not own it changes what does not say who hears.
    content = f"receipt,label,owner\n{R2},x,ben\n".encode()
    team = Actor(name="token:t", role=Role.OPERATOR, teams=frozenset({"rfe"}))
    assert (await directory.import_cases(content=content, actor=team))["changed"] == 1
    done = await directory.import_cases(content=content.replace(b"ben", b"dan"), actor=team)
    assert "its owner or an admin" in done["problems"][0]["reason"]
    assert done["changed"] == done["unchanged"] == 0


async def test_what_is_no_list_and_no_rows(directory: CaseDirectory) -> None:
    """It is refused as a whole."""
    with pytest.raises(UnusableCaseFile):
        await directory.import_cases(content=b"PK\x03\x04", actor=ADMIN)
    one = {"line": 1, "receipt": R1, "facts": {}}
    for rows in ([{**one, "facts": {"status": "x"}}], [{"line": 1}], [one] * 51):
        with pytest.raises(BadArgument):
            await directory.put_cases(rows=rows, actor=ADMIN)


async def test_a_case_that_only_deliveries_told_of(store: Store, directory: CaseDirectory) -> None:
    """Naming it puts it into the directory, also where no fact changes."""
    await change_case(store, 1)
    await directory.set_case(receipt=R1, facts={Column.LABEL: "-"}, actor=ADMIN)
    (row,) = await read_table(store, cases)
    assert row.listed_at is not None
    assert (await entries(store))[-1][2]["changed"] == []


@pytest.mark.parametrize("cursor", ["1-2", "175760000000000", "x"])
async def test_a_cursor_of_another_list(store: Store, cursor: str) -> None:
    """That of the cases of which nothing was received is a receipt's alone."""
    with pytest.raises(BadArgument):
        await CaseReading(store=store).list_cases(
            limit=5, cursor=cursor, silent="true", actor=ADMIN
        )


async def test_who_may_see_is_who_may_edit_or_is_told_no(
    store: Store, directory: CaseDirectory
) -> None:
    """A case that is 404 to look at is 404 to edit, and no other is: SQL and verb say the same."""
    owners, teams = ("", "ana", "Ana Ruiz", "ben"), ("", "RFE", "o1")
    rows: list[dict[str, Any]] = [
        {
            "line": number,
            "receipt": receipt_of(number),
            "facts": {"owner": owner, "team": team, "confidential": True},
        }
        for number, (owner, team) in enumerate(itertools.product(owners, teams))
    ]
    await directory.put_cases(rows=rows, actor=ADMIN)
    reading = CaseReading(store=store)

    async def is_there(asked: Awaitable[Any]) -> bool:
        try:
            await asked
        except NotFound:
            return False
        except Forbidden:
            pass
        return True

    for role, person, team in itertools.product(
        (Role.VIEWER, Role.ADMIN), ("", "ana"), ("", "rfe")
    ):
        names = frozenset({"ana ruiz"}) if person else frozenset[str]()
        actor = Actor(
            name="token:x", role=role, person=person, names=names, teams=frozenset({team})
        )
        for row in rows:
            of: Any = {"receipt": row["receipt"], "actor": actor}
            seen = await is_there(reading.find_case(**of))
            assert seen == await is_there(directory.set_case(facts=row["facts"], **of)), (
                actor,
                row,
            )
