"""Lists who would be alerted of each status, tag and new wording, and the gaps in the rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from casebell.events import Flag, Status, Tag
from casebell.route.classification import IMPLIED_TAGS
from casebell.route.decide import must_be_told
from casebell.route.rules import CompiledRule, Condition, compile_rules
from casebell.settings import Settings

#: Tags that are not subject to the rules.
_NOT_BY_RULES: Mapping[Tag, str] = MappingProxyType(
    {
        Tag.TEST: "operations only",
        Tag.NO_INFO: "nobody, on purpose: a placeholder says nothing of the case",
    }
)

_Kind: TypeAlias = Literal["status", "tag", "flag"]
#: What is known of a change, by the keys of rules.
_Facts: TypeAlias = Mapping[str, Sequence[str]]
#: The key of a rule that asks for each.
_KEYS: Mapping[_Kind, str] = MappingProxyType({"status": "status", "tag": "tags", "flag": "flags"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageRow:
    """The channels of one status, tag or flag."""

    kind: _Kind
    value: str
    #: Channels that are alerted in every case.
    channels: tuple[str, ...]
    #: Rules that match it in every case.
    rules: tuple[str, ...]
    #: A remark for the reader, or "".
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """What must not be missed, and no rule tells anybody in every case."""

    what: str
    #: The cure.
    then: str

    def __str__(self) -> str:
        """Both, in sentences."""
        return f"{self.what}. {self.then}."


def coverage(rules: Sequence[CompiledRule], *, ops: Sequence[str]) -> list[CoverageRow]:
    """A row for each status with the tags it implies, then one for each tag with status `other`.

    The last is that of a wording which nobody has read yet. Only conditions on `status` and `tags`
    are evaluated here, and there those on `flags`. A rule with others (a receipt, a team, a text)
    matches only some of these changes, and is named in the note where somebody else hears by it.

    Args:
        ops: channels that operations read.
    """
    rows = []
    for kind, value, facts in _changes():
        if kind == "tag" and (note := _NOT_BY_RULES.get(Tag(value))):
            rows.append(CoverageRow(kind=kind, value=value, channels=(), rules=(), note=note))
        else:
            rows.append(_row(kind, value, rules, facts, ops=ops))
    return rows


def gaps(
    rules: Sequence[CompiledRule], *, sources: Sequence[str], ops: Sequence[str]
) -> Iterator[Gap]:
    """What must not be missed and no rule sends to a channel in every case, by its sources.

    Args:
        sources: the names of all.
        ops: channels that operations read; they hear of it all the same.
    """
    found: dict[tuple[str, ...], dict[_Kind, list[str]]] = {}
    for kind, value, facts in _changes():
        if not must_be_told(frozenset(facts["tags"]), frozenset(facts.get("flags", ()))):
            continue
        silent = tuple(
            source
            for source in sources
            if not _row(kind, value, rules, {**facts, "source": (source,)}, ops=()).channels
        )
        if silent:
            found.setdefault(silent, {}).setdefault(kind, []).append(value)
    for silent, values in found.items():
        of = "" if silent == tuple(sources) else f" from {' and '.join(silent)}"
        heard = "Operations alone are" if ops else "Nobody is"
        what = "; ".join(f"{kind} {', '.join(some)}" for kind, some in values.items())
        yield Gap(
            what=f"{heard} sure to hear of {what}{of}: no rule tells anybody in every case",
            then=f"Have a rule notify a channel with when = [{', '.join(_asked(values))}]",
        )


def coverage_of(settings: Settings) -> list[CoverageRow]:
    """The rows of a configuration."""
    return coverage(compile_rules(settings.rules), ops=settings.ops.notify)


def gaps_of(settings: Settings) -> Iterator[Gap]:
    """The gaps of a configuration; none where nobody can be told yet."""
    if settings.channels:
        rules = compile_rules(settings.rules)
        yield from gaps(rules, sources=tuple(settings.sources), ops=settings.ops.notify)


def _asked(values: Mapping[_Kind, Sequence[str]]) -> Iterator[str]:
    """The conditions that hold for these, as they are written."""
    for kind, some in values.items():
        listed = ", ".join(f'"{value}"' for value in some)
        yield f"{{ {_KEYS[kind]} = [{listed}] }}"


def _changes() -> Iterator[tuple[_Kind, str, _Facts]]:
    """Each status with the tags it implies, each tag with status `other`, and a new wording."""
    for status in Status:
        yield "status", status, {"status": (status,), "tags": _implied(status)}
    for tag in Tag:
        yield "tag", tag, {"status": (Status.OTHER,), "tags": (tag,)}
    new = Flag.UNKNOWN_WORDING
    yield "flag", new, {"status": (Status.OTHER,), "tags": (), "flags": (new,)}


def _implied(status: Status) -> tuple[str, ...]:
    return tuple(sorted(IMPLIED_TAGS.get(status, ())))


def _row(
    kind: _Kind,
    value: str,
    rules: Sequence[CompiledRule],
    facts: _Facts,
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


def _open(condition: Condition, facts: _Facts) -> tuple[str, ...] | None:
    """The other keys that a condition asks for; None if status or tags rule it out."""
    if any(clause.key in facts and not clause.holds(facts[clause.key]) for clause in condition):
        return None
    return tuple(clause.key for clause in condition if clause.key not in facts)
