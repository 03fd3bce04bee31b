"""The configured rules, compiled once at start and at every reload.

What a value asks for, by key of `when`:

- `source`, `status`, `tags`, `flags`: exactly that word. Several tags ask for any one of them.
- `type`, `owner`, `team`, `matter`, `label`: the whole value, where `*` stands for anything and `?`
  for one character: `case.rfe.*`, `Acme-*`. Brackets are ordinary characters.
- `receipt`: the same over the canonical number, and `[0-4]` stands for one of these: `IOE09*`.
- `text`: a part of the official text; HTML entities, kinds of apostrophe and white space make no
  difference. Between slashes it is a regular expression: `/biometric.*rescheduled/`, read by RE2.

Upper and lower case never matter. What is not known (no owner, no type) meets no value, not even
`*`.

Every pattern takes time that is linear in what it searches.
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from casebell.settings import Rule, When, expressions
from casebell.settings.expressions import Expression
from casebell.uscis.entities import decoded

_APOSTROPHES = str.maketrans(dict.fromkeys("`\u00b4\u2018\u2019\u201b\u02bc\u2032\uff07", "'"))
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """One key of a condition: any of its values must be met."""

    key: str
    #: The values as configured.
    asked: tuple[str, ...]
    patterns: tuple[Expression, ...]

    def holds(self, values: Iterable[str]) -> bool:
        """Whether one of the values is one that is asked for.

        Raises:
            ValueError: that cannot be decided.
        """
        return any(
            pattern.search(value) is not None
            for value in values
            if value
            for pattern in self.patterns
        )


#: All clauses must hold; an empty condition is met by every change.
Condition: TypeAlias = tuple[Clause, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledRule:
    """A rule, ready to be matched."""

    name: str
    #: Any of these must be met.
    when: tuple[Condition, ...]
    #: Names of channels; () tells nobody, on purpose.
    notify: tuple[str, ...]
    urgent: bool
    #: The keys that its conditions ask for.
    reads: frozenset[str]


def compile_rules(rules: Iterable[Rule]) -> tuple[CompiledRule, ...]:
    """The rules of the configuration, in its order. The settings have checked every value."""
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


def readable(text: str) -> str:
    """A text as it is searched: entities decoded, apostrophes and white space in one spelling."""
    return _WHITE_SPACE.sub(" ", decoded(text).translate(_APOSTROPHES)).strip()


def _condition(when: When) -> Condition:
    return tuple(
        Clause(key=key, asked=tuple(map(str, asked)), patterns=tuple(map(pattern, asked)))
        for key, asked, pattern in (
            ("source", when.source, _word),
            ("type", when.type, _glob),
            ("status", when.status, _word),
            ("tags", when.tags, _word),
            ("receipt", when.receipt, _receipt_glob),
            ("text", when.text, _passage),
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
    # The library's translation takes linear time, however many stars there are.
    return re.compile(rf"\A{fnmatch.translate(value)}", re.IGNORECASE)


def _passage(value: str) -> Expression:
    if (expression := expressions.inside(value)) is not None:
        return expressions.compiled(expression)
    return re.compile(f"{re.escape(readable(value))}|{re.escape(value)}", re.IGNORECASE)
