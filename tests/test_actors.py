"""Roles and their rights."""

import re

import pytest

from casebell.actors import GRANTS, NOBODY, Actor, Right, Role, command_line, strongest
from docs.pages import PAGES

#: By the first words of its row in the table of roles, the right; and what "yes" may be instead.
ROWS = {
    "cases, events, alerts": (Right.CASES, {"yes", "all"}),
    "acknowledge": (Right.FOLLOW_UP, {"yes"}),
    "edit cases of one's own": (Right.OWN_CASES, {"yes"}),
    "import; edit any case": (Right.EDIT_CASES, {"yes"}),
    "rules, servers, held": (Right.OPERATIONS, {"yes", "look only"}),
    "exact bodies, journal": (Right.EVIDENCE, {"yes"}),
    "accounts, tokens": (Right.ACCOUNTS, {"yes"}),
    "one's own account": (Right.OWN_ACCOUNT, {"yes"}),
}


def table() -> dict[str, dict[Role, str]]:
    """The table of roles and rights as the pages have it: row, then role, then word."""
    text = PAGES["docs/planned.md"] + PAGES["docs/contract.md"]
    found = re.search(r"^\| right \|(.+)\|\n\|[-|]+\n((?:\|.+\n)+)", text, re.MULTILINE)
    assert found is not None
    roles = [Role(one.strip()) for one in found[1].split("|")]
    rows = [line.strip("|\n").split("|") for line in found[2].splitlines()]
    return {
        name.strip(): dict(zip(roles, (one.strip() for one in words), strict=True))
        for name, *words in rows
    }


@pytest.mark.parametrize("row", ROWS)
def test_the_rights_of_a_role_are_those_of_the_pages(row: str) -> None:
    """Each role has what its column says, and no more."""
    (words,) = [words for name, words in table().items() if name.startswith(row)]
    right, yes = ROWS[row]
    for role, word in words.items():
        granted = word in yes or (right is Right.CASES and word.startswith("yes"))
        assert (role, right in GRANTS[role]) == (role, granted)


def test_who_sees_what_is_confidential() -> None:
    """Whose word in the first row is "all", or who may do everything."""
    (words,) = [words for name, words in table().items() if name.startswith("cases, events")]
    for role in Role:
        assert (Right.CONFIDENTIAL in GRANTS[role]) == (words[role] == "all")
        masked = Actor(name="a", role=role).sees_failed_of_all
        assert masked == (Right.OPERATE in GRANTS[role])


def test_who_may_act() -> None:
    """An auditor looks only."""
    (words,) = [words for name, words in table().items() if name.startswith("rules, servers")]
    for role in Role:
        assert (Right.OPERATE in GRANTS[role]) == (words[role] == "yes")


def test_rights_default_to_no() -> None:
    """A role that no row is about has none; each right is one that somebody has."""
    assert set(GRANTS) == set(Role)
    assert set().union(*GRANTS.values()) == set(Right)
    compared = {right for right, _ in ROWS.values()}
    assert compared | {Right.CONFIDENTIAL, Right.OPERATE} == set(Right)
    assert [right for right in Right if NOBODY.may(right)] == [
        *(Right.CASES, Right.FOLLOW_UP, Right.OWN_CASES),
        Right.OWN_ACCOUNT,
    ]
    assert (NOBODY.person, NOBODY.teams) == (None, frozenset())


@pytest.mark.parametrize(
    ("name", "account"),
    [
        *(("account:Ana", "Ana"), ("account:a:b", "a:b"), ("cli:jchan", None)),
        *(("token:account:Ana", None), ("nobody", None)),
    ],
)
def test_whose_account_it_is(name: str, account: str | None) -> None:
    """Only that of whoever signed in, whatever others are called."""
    assert Actor(name=name, role=Role.VIEWER).account == account


def test_whoever_may_use_the_socket() -> None:
    """May do everything: the database's file is theirs. What they claim does not rename them."""
    actor = command_line("jchan", by="Jia Chan")
    assert (actor.name, actor.by, actor.watched) == ("cli:jchan", "Jia Chan", False)
    assert all(actor.may(right) for right in Right)


def test_the_strongest_role() -> None:
    """In the order of the roles."""
    assert strongest([Role.OPERATOR, Role.VIEWER]) is Role.OPERATOR
    assert strongest([Role.AUDITOR, Role.OPERATOR]) is Role.AUDITOR
    assert strongest(Role) is Role.ADMIN
