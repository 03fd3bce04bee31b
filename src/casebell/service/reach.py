"""How many cases the rules and channels of a configuration reach today."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casebell.events import Case
from casebell.people.roster import Roster
from casebell.route.reach import Alike, asked_of_case, cases_reached, owners_reached
from casebell.route.rules import CompiledRule
from casebell.store import cases
from casebell.store.engine import Connection

#: What `@owner` depends on.
_OF_OWNER = ("owner", "owner_email", "confidential")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """Of all cases, how many are reached."""

    cases: int
    #: By rule, of how many it may tell.
    rules: Mapping[str, int]
    #: By channel with `@owner`, of how many it finds the owner.
    owners: Mapping[str, int]


async def reach_of(
    connection: Connection, rules: Sequence[CompiledRule], *, roster: Roster
) -> Reach:
    """The reach of rules and channels over the cases that are known.

    Cases that are alike in what a rule asks for are counted by the database, so that only as many
    are asked as differ.
    """
    ((whole,),) = await cases.alike(connection, ())
    known: dict[tuple[str, ...], Sequence[Alike]] = {}

    async def alike(names: tuple[str, ...]) -> Sequence[Alike]:
        if names not in known:
            known[names] = [_alike(row, names) for row in await cases.alike(connection, names)]
        return known[names]

    reached: dict[str, int] = {}
    for rule in rules:
        asked = asked_of_case(rule)
        reached[rule.name] = (
            cases_reached(rule, await alike(asked), roster=roster) if asked else whole
        )
    return Reach(
        cases=whole,
        rules=reached,
        owners={
            channel: owners_reached(channel, await alike(_OF_OWNER), roster=roster)
            for channel in roster.looking_for_owners
        },
    )


def _alike(row: Any, names: Sequence[str]) -> Alike:
    given = {name: getattr(row, name) for name in names}
    return Case(**{"receipt": "", **given}), row.number
