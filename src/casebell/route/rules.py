"""The configured rules, compiled once at start and at every reload.

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
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from casebell.settings import Rule, When
from casebell.settings.expressions import Expression, passage


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
class CompiledRule:
    """A rule, ready to be matched."""

    name: str
    #: Any of these must hold.
    when: tuple[Condition, ...]
    #: Names of channels; () alerts nobody, on purpose.
    notify: tuple[str, ...]
    urgent: bool
    #: The keys that its conditions ask for.
    reads: frozenset[str]


def compile_rules(rules: Iterable[Rule]) -> tuple[CompiledRule, ...]:
    """Compile the configured rules, in order. The settings have checked every value."""
    return tuple(_compiled(rule) for rule in rules)


def _compiled(rule: Rule) -> CompiledRule:
    when = tuple(_condition(one) for one in rule.when)
    return CompiledRule(
        name=rule.name,
        when=when,
        notify=tuple(rule.notify),
        urgent=rule.urgent,
        reads=frozenset(clause.key for condition in when for clause in condition),
    )


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
