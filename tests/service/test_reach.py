"""How many cases are reached: the same that a rule and a channel decide of each, one by one."""

from collections import Counter
from itertools import product
from typing import Any

from msgspec.structs import replace

from casebell.events import Case
from casebell.people.roster import Recipients, Roster
from casebell.route.match import match
from casebell.route.reach import asked_of_case
from casebell.route.rules import CompiledRule, compile_rules
from casebell.service.reach import reach_of
from casebell.settings import Rule
from casebell.settings.models import PersonSettings
from casebell.store.engine import Store
from casebell.store.schema import cases
from contracts.cases import receipt_of, with_keys
from contracts.writing import writing
from route.test_match import RFE

PEOPLE = {
    "jchan": PersonSettings(id="jchan", name="Jia Chan", email="jchan@f.com"),
    "kim": PersonSettings(id="kim", name="Kim Roe", email="kim@f.com"),
    "ana": PersonSettings(id="ana", name="Ana Ruiz"),
}
#: Kim's address is one that the channel has by itself: nothing confidential is sent there.
MAIL = Recipients(
    to=("@owner", "kim@f.com"),
    unassigned=("rfe@f.com",),
    addresses={"jchan": "jchan@f.com", "kim": "kim@f.com"},
    takes_addresses=True,
)
ROSTER = Roster(people=PEOPLE, channels={"mail": MAIL, "room": Recipients(to=("#rfe",))})
#: What rules ask of a case, each once; `status` and `tags` are no part of it.
WHEN: list[Any] = [
    {},
    {"status": ["denied"]},
    {"owner": ["jchan"]},
    {"owner": ["Kim*"], "status": ["denied"]},
    {"team": ["RFE", "mobility"], "matter": ["2025-*"]},
    {"label": ["*gomez*"]},
    {"receipt": ["IOE000000000[0-4]"]},
    [{"owner": ["ana"]}, {"team": ["rfe"], "tags": ["card"]}],
    [{"owner": ["ana"]}, {"tags": ["card"]}],
    {"owner": ["nobody at all"]},
]
RULES = compile_rules(
    Rule.model_validate({"name": f"Rule {number}", "when": when, "notify": ["mail"]})
    for number, when in enumerate(WHEN)
)


def the_cases() -> list[Case]:
    """Cases of every kind of owner, with and without the rest."""
    facts = product(
        ["", "jchan", "KIM@f.com", "Ana Ruiz", "Somebody Else"],
        ["", "rfe"],
        [("", ""), ("2025-1", "Gomez"), ("2024-1", "Ode")],
        [False, True],
        ["", "else@g.com"],
    )
    return [
        Case(
            receipt=receipt_of(number),
            owner=owner,
            team=team,
            matter=matter,
            label=label,
            confidential=confidential,
            owner_email=email,
        )
        for number, (owner, team, (matter, label), confidential, email) in enumerate(facts)
    ]


def asking_of_cases_alone(rule: CompiledRule) -> CompiledRule:
    """The rule without what it asks of an event."""
    keys = {"owner", "team", "matter", "label", "receipt"}
    when = tuple(tuple(one for one in some if one.key in keys) for some in rule.when)
    return CompiledRule(
        name=rule.name, when=when, notify=rule.notify, urgent=rule.urgent, reads=rule.reads
    )


async def test_reach(store: Store) -> None:
    """Counted by what cases have in common."""
    every = the_cases()
    columns = ("receipt", "owner", "team", "matter", "label", "confidential", "owner_email")
    rows = [
        {**with_keys({name: getattr(case, name) for name in columns}), "updated_at": 0}
        for case in every
    ]
    async with writing(store) as connection:
        await connection.execute(cases.insert(), rows)
    async with store.read() as connection:
        found = await reach_of(connection, RULES, roster=ROSTER)
    expected: Counter[str] = Counter({rule.name: 0 for rule in RULES})
    owners = 0
    alone = list(map(asking_of_cases_alone, RULES))
    for case in every:
        event = replace(RFE, receipt=case.receipt)
        told = match(alone, event, case, owner_names=ROSTER.owner_names(case))
        expected.update(result.name for result in told.results if result.matched)
        heard = [one for one in ROSTER.reached("mail", case) if one.addressed_as == "@owner"]
        # Where kim owns the case her address has been named before.
        of_kim = case.owner == "KIM@f.com" and not case.confidential
        single = [one for one in heard if ROSTER.is_one_person("mail", one)]
        owners += of_kim or bool(single if case.confidential else heard)
    assert found.cases == len(every) == 120
    assert found.rules == dict(expected)
    assert len(set(found.rules.values())) > 4
    assert found.owners == {"mail": owners}
    assert 0 < owners < len(every)


async def test_no_case(store: Store) -> None:
    """A store that has received nothing yet."""
    async with store.read() as connection:
        found = await reach_of(connection, RULES, roster=ROSTER)
    assert (found.cases, set(found.rules.values()), found.owners) == (0, {0}, {"mail": 0})


def test_what_is_asked() -> None:
    """Where a condition holds for every case, the database is asked nothing more."""
    assert [asked_of_case(rule) for rule in RULES] == [
        (),
        (),
        ("owner",),
        ("owner",),
        ("team", "matter"),
        ("label",),
        ("receipt",),
        ("owner", "team"),
        (),
        ("owner",),
    ]
