"""Lists who would be alerted of each status, tag and new wording, to find gaps in the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from casebell.events import Flag, Status, Tag
from casebell.route.classification import IMPLIED_TAGS
from casebell.route.decide import must_be_told
from casebell.route.rules import CompiledRule, Condition

#: Tags that are not subject to the rules.
_NOT_BY_RULES: Mapping[Tag, str] = MappingProxyType(
    {
        Tag.TEST: "operations only",
        Tag.NO_INFO: "nobody, on purpose: a placeholder says nothing of the case",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageRow:
    """The channels of one status, tag or flag."""

    kind: Literal["status", "tag", "flag"]
    value: str
    #: Channels that are alerted in every case.
    channels: tuple[str, ...]
    #: Rules that match it in every case.
    rules: tuple[str, ...]
    #: A remark for the reader, or "".
    note: str


def coverage(rules: Sequence[CompiledRule], *, ops: Sequence[str]) -> list[CoverageRow]:
    """A row for each status with the tags it implies, then one for each tag with status `other`.

    The last is that of a wording which nobody has read yet. Only conditions on `status` and `tags`
    are evaluated here, and there those on `flags`. A rule with others (a receipt, a team, a text)
    matches only some of these changes, and is named in the note where somebody else hears by it.

    Args:
        ops: channels that operations read.
    """
    rows = [
        _row("status", status, rules, {"status": (status,), "tags": _implied(status)}, ops=ops)
        for status in Status
    ]
    for tag in Tag:
        if tag in _NOT_BY_RULES:
            rows.append(
                CoverageRow(kind="tag", value=tag, channels=(), rules=(), note=_NOT_BY_RULES[tag])
            )
        else:
            facts = {"status": (Status.OTHER,), "tags": (tag,)}
            rows.append(_row("tag", tag, rules, facts, ops=ops))
    new = Flag.UNKNOWN_WORDING
    unread = {"status": (Status.OTHER,), "tags": (), "flags": (new,)}
    return [*rows, _row("flag", new, rules, unread, ops=ops)]


def _implied(status: Status) -> tuple[str, ...]:
    return tuple(sorted(IMPLIED_TAGS.get(status, ())))


def _row(
    kind: Literal["status", "tag", "flag"],
    value: str,
    rules: Sequence[CompiledRule],
    facts: Mapping[str, Sequence[str]],
    *,
    ops: Sequence[str],
) -> CoverageRow:
    always: list[CompiledRule] = []
    at_times: list[tuple[CompiledRule, str]] = []
    for rule in rules:
        depends_on = [keys for one in rule.when if (keys := _open(one, facts)) is not None]
        if () in depends_on:
            always.append(rule)
        elif depends_on and rule.notify:
            named = ", ".join(dict.fromkeys(key for keys in depends_on for key in keys))
            at_times.append((rule, named))
    channels = tuple(dict.fromkeys(channel for rule in always for channel in rule.notify))
    sometimes = [
        f'{", ".join(others)} by "{rule.name}", depending on {named}'
        for rule, named in at_times
        # Who hears in every case is no news here.
        if (others := [channel for channel in rule.notify if channel not in channels])
    ]
    never_missed = must_be_told(frozenset(facts["tags"]), frozenset(facts.get("flags", ())))
    told_all_the_same = bool(ops) and not channels and never_missed
    notes = []
    if told_all_the_same and not sometimes:
        channels = tuple(ops)
        notes.append("operations, as no rule tells anybody")
    elif not channels:
        notes.append("nobody for certain" if sometimes else "nobody")
    if sometimes:
        notes.append(f"sometimes {'; '.join(sometimes)}")
        if told_all_the_same:
            notes[-1] += "; otherwise operations"
    return CoverageRow(
        kind=kind,
        value=value,
        channels=channels,
        rules=tuple(rule.name for rule in always),
        note=": ".join(notes),
    )


def _open(condition: Condition, facts: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """The other keys that a condition asks for; None if status or tags rule it out."""
    if any(clause.key in facts and not clause.holds(facts[clause.key]) for clause in condition):
        return None
    return tuple(clause.key for clause in condition if clause.key not in facts)
