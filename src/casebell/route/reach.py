"""How many cases the rules and the channels of a configuration reach, whatever happens in them."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from casebell.events import Case
from casebell.people.roster import Roster
from casebell.route.rules import Clause, CompiledRule

#: The keys of a condition that ask for the case; the others ask for what happens.
OF_CASES = ("owner", "team", "matter", "label", "receipt")

#: Cases that are alike in what is asked for: one of them, and how many there are.
Alike: TypeAlias = tuple[Case, int]


def asked_of_case(rule: CompiledRule) -> tuple[str, ...]:
    """What a rule asks of a case; nothing where one of its conditions holds for every case."""
    asked = [{clause.key for clause in one} & set(OF_CASES) for one in rule.when]
    found = set().union(*asked) if all(asked) else set()
    return tuple(key for key in OF_CASES if key in found)


def cases_reached(rule: CompiledRule, cases: Iterable[Alike], *, roster: Roster) -> int:
    """Of how many cases a rule may tell: one of its conditions holds, as far as it asks of them."""
    conditions = [
        [_Asked(clause, roster) for clause in one if clause.key in OF_CASES] for one in rule.when
    ]
    return sum(
        number
        for case, number in cases
        if any(all(clause.holds(case) for clause in one) for one in conditions)
    )


def owners_reached(channel: str, cases: Sequence[Alike], *, roster: Roster) -> int:
    """Of how many cases `@owner` of a channel finds somebody; `unassigned` hears of the others."""
    return sum(number for case, number in cases if roster.finds_owner(channel, case))


class _Asked:
    """A clause that is asked the same of many cases."""

    def __init__(self, clause: Clause, roster: Roster) -> None:
        self._clause = clause
        self._roster = roster
        self._known: dict[str, bool] = {}

    def holds(self, case: Case) -> bool:
        """Whether it holds; asked once of each value."""
        value: str = getattr(case, self._clause.key)
        known = self._known.get(value)
        if known is None:
            names = self._roster.owner_names(case) if self._clause.key == "owner" else ()
            known = self._known[value] = self._ask((value, *names))
        return known

    def _ask(self, values: Sequence[str]) -> bool:
        try:
            return self._clause.holds(values)
        except Exception:  # noqa: BLE001 - of any kind: it counts as matching when it is decided, too
            return True
