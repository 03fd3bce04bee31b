"""The configured rules and escalations, compiled once at start and at every reload.

How a value is matched, by key of `when`:

- `source`, `status`, `tags`, `flags`: exactly that word. Of several tags any one suffices.
- `type`, `owner`, `team`, `matter`, `label`: the whole value, where `*` stands for anything and `?`
  for one character: `case.rfe.*`, `Acme-*`. Brackets are ordinary characters.
- `receipt`: likewise, by the canonical number; `[0-4]` stands for one of these digits: `IOE09*`.
- `text`: a part of the official text; HTML entities, kinds of apostrophe and white space make no
  difference. Between slashes it is a regular expression: `/biometric.*rescheduled/`, read by RE2.

Case never matters. An unknown value (no owner, no type) matches nothing, not even `*`.

Every pattern takes time linear in the length of the text it searches.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

from casebell.people.calendars import Calendar
from casebell.route.plans import EscalationPlan
from casebell.settings import Rule, When
from casebell.settings.expressions import Expression, passage
from casebell.settings.models import Escalation


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """One key of a condition: any of its values suffices."""

    key: str
    #: The values as configured.
    asked: tuple[str, ...]
    patterns: tuple[Expression, ...]

    def holds(self, values: Iterable[str]) -> bool:
        """Whether one of the values matches.

        Raises:
            ValueError: a pattern cannot be evaluated.
        """
        return any(
            pattern.search(value) is not None
            for value in values
            if value
            for pattern in self.patterns
        )


#: All clauses must hold; an empty condition holds for every change.
Condition: TypeAlias = tuple[Clause, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditional:
    """What has conditions on changes, ready to be matched."""

    name: str
    #: Any of these must hold.
    when: tuple[Condition, ...]
    #: The keys that its conditions ask for.
    reads: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledRule(Conditional):
    """A rule."""

    #: Names of channels; () alerts nobody, on purpose.
    notify: tuple[str, ...]
    urgent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledEscalation(Conditional):
    """An escalation."""

    plan: EscalationPlan


def compile_rules(rules: Iterable[Rule]) -> tuple[CompiledRule, ...]:
    """Compile the configured rules, in order. The settings have checked every value."""
    return tuple(
        CompiledRule(
            name=rule.name,
            **_conditions(rule.when),
            notify=tuple(rule.notify),
            urgent=rule.urgent,
        )
        for rule in rules
    )


def compile_escalations(
    escalations: Iterable[Escalation], *, calendars: Mapping[str, Calendar]
) -> tuple[CompiledEscalation, ...]:
    """Compile the configured escalations, in order. The settings have checked every value."""
    return tuple(
        CompiledEscalation(
            name=one.name,
            **_conditions(one.when),
            plan=EscalationPlan.of(one, calendars=calendars),
        )
        for one in escalations
    )


class _Conditions(TypedDict):
    when: tuple[Condition, ...]
    reads: frozenset[str]


def _conditions(conditions: Iterable[When]) -> _Conditions:
    when = tuple(map(_condition, conditions))
    return {
        "when": when,
        "reads": frozenset(clause.key for condition in when for clause in condition),
    }


def _condition(when: When) -> Condition:
    return tuple(
        Clause(key=key, asked=tuple(map(str, asked)), patterns=tuple(map(pattern, asked)))
        for key, asked, pattern in (
            ("source", when.source, _word),
            ("type", when.type, _glob),
            ("status", when.status, _word),
            ("tags", when.tags, _word),
            ("receipt", when.receipt, _receipt_glob),
            ("text", when.text, passage),
            ("owner", when.owner, _glob),
            ("team", when.team, _glob),
            ("matter", when.matter, _glob),
            ("label", when.label, _glob),
            ("flags", when.flags, _word),
        )
        if asked
    )


def _word(value: str) -> re.Pattern[str]:
    return re.compile(rf"\A{re.escape(value)}\Z", re.IGNORECASE)


def _glob(value: str) -> re.Pattern[str]:
    return _receipt_glob(value.replace("[", "[[]"))


def _receipt_glob(value: str) -> re.Pattern[str]:
    # The library's translation matches in linear time, whatever the number of stars.
    return re.compile(rf"\A{fnmatch.translate(value)}", re.IGNORECASE)
