"""Evaluates every rule for an event, each with a reason.

A reason is stored, and shown to everybody who may see the decision. So it holds only our own words,
configured names, statuses and tags; never the official text, a label, a matter or a whole receipt.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from casebell.events import Case, ClassifiedEvent, Status, Tag
from casebell.route.rules import Clause, CompiledRule, Condition, Conditional
from casebell.settings.expressions import readable
from casebell.uscis.receipts import mask

#: Items of a list that a reason names; it counts the others.
_MAX_LISTED = 5
_MAX_CHARACTERS = 60

C = TypeVar("C", bound=Conditional)

_UNDECIDED = "it could not be decided, and so counts as matching"
_SHOWABLE = re.compile(rf"[\w .,:;@/*?+'&()-]{{1,{_MAX_CHARACTERS}}}")
_RECEIPT = re.compile(r"[A-Z]{3}[0-9]{10}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """The result of one rule."""

    name: str
    matched: bool
    #: The keys that held; or the first that failed, with the value and what the rule asks for.
    why: str
    #: The rule could not be evaluated, and counts as matching: an error must not cost an alert.
    undecided: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Notify:
    """One channel to notify."""

    channel: str
    #: Names of the rules that name the channel, in their order.
    rules: tuple[str, ...]
    #: One of those rules is urgent, or the event itself is.
    urgent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """The results of all rules for an event."""

    #: Every rule, in the order of the configuration.
    results: tuple[RuleResult, ...]
    #: Each channel once, in the order in which the rules first name it.
    notify: tuple[Notify, ...]
    #: The event is urgent, or a rule that matched is; also without a channel to notify.
    urgent: bool

    @property
    def undecided(self) -> tuple[str, ...]:
        """The names of the rules that could not be evaluated."""
        return tuple(result.name for result in self.results if result.undecided)

    def as_record(self) -> dict[str, Any]:
        """As JSON values, for the stored decision."""
        return {
            "rules": [
                {"name": result.name, "matched": result.matched, "why": result.why}
                for result in self.results
            ],
            "notify": [
                {"channel": one.channel, "rules": list(one.rules), "urgent": one.urgent}
                for one in self.notify
            ],
            "urgent": self.urgent,
        }


def match(
    rules: Sequence[CompiledRule],
    event: ClassifiedEvent,
    case: Case,
    *,
    owner_names: Sequence[str] = (),
) -> Matching:
    """Evaluate every rule; all that match count.

    Args:
        owner_names: how the owner of the case is called beside what the firm wrote.
    """
    text_counts = any("text" in rule.reads for rule in rules)
    facts = facts_of(event, case, owner_names=owner_names, text_counts=text_counts)
    results = tuple(_ask(rule, facts) for rule in rules)
    matched = [rule for rule, result in zip(rules, results, strict=True) if result.matched]
    open_deadline = event.status is Status.RFE_ISSUED or Tag.DEADLINE in event.tags
    channels = dict.fromkeys(channel for rule in matched for channel in rule.notify)
    asking = {channel: [rule for rule in matched if channel in rule.notify] for channel in channels}
    return Matching(
        results=results,
        notify=tuple(
            Notify(
                channel=channel,
                rules=tuple(rule.name for rule in by),
                urgent=open_deadline or any(rule.urgent for rule in by),
            )
            for channel, by in asking.items()
        ),
        urgent=open_deadline or any(rule.urgent for rule in matched),
    )


def matching(
    some: Sequence[C], event: ClassifiedEvent, case: Case, *, owner_names: Sequence[str] = ()
) -> tuple[C, ...]:
    """Those whose conditions hold; what cannot be evaluated counts as matching."""
    if not some:
        return ()
    text_counts = any("text" in one.reads for one in some)
    facts = facts_of(event, case, owner_names=owner_names, text_counts=text_counts)
    return tuple(one for one in some if _ask(one, facts).matched)


def facts_of(
    event: ClassifiedEvent,
    case: Case,
    *,
    owner_names: Sequence[str] = (),
    text_counts: bool = False,
) -> Mapping[str, tuple[str, ...]]:
    """The values of each key of a condition; the text only if `text_counts`."""
    text = event.text if text_counts else ""
    return {
        "source": (event.source,),
        "type": (event.type,),
        "status": (event.status,),
        "tags": tuple(sorted(event.tags)),
        "receipt": (event.receipt,),
        "text": (readable(text), text) if text else (),
        "owner": (case.owner, *owner_names),
        "team": (case.team,),
        "matter": (case.matter,),
        "label": (case.label,),
        "flags": tuple(sorted(event.flags)),
    }


def _ask(rule: Conditional, facts: Mapping[str, tuple[str, ...]]) -> RuleResult:
    failures: list[str] = []
    undecided = False
    for condition in rule.when:
        try:
            failed = _failed(condition, facts)
        except _Undecided:
            undecided = True
            continue
        if failed is None:
            held = ", ".join(_holding(clause, facts[clause.key]) for clause in condition)
            why = held or "the rule asks for every change"
            return RuleResult(name=rule.name, matched=True, why=why)
        failures.append(_failing(failed, facts[failed.key]))
    if undecided:
        return RuleResult(name=rule.name, matched=True, why=_UNDECIDED, undecided=True)
    why = _few(dict.fromkeys(failures), "; ")
    return RuleResult(name=rule.name, matched=False, why=why)


class _Undecided(Exception):
    """No clause of a condition fails, and one of them cannot be evaluated."""


def _failed(condition: Condition, facts: Mapping[str, tuple[str, ...]]) -> Clause | None:
    """The first clause that does not hold.

    Raises:
        _Undecided: no clause fails, and one of them cannot be evaluated.
    """
    undecided = False
    for clause in condition:
        try:
            holds = clause.holds(facts[clause.key])
        except Exception:  # noqa: BLE001 - of any kind: an error must not cost an alert
            undecided = True
        else:
            if not holds:
                return clause
    if undecided:
        raise _Undecided
    return None


def _holding(clause: Clause, values: Sequence[str]) -> str:
    """The reason of a clause that holds."""
    match clause.key:
        case "text":
            return "the text says what the rule asks for"
        case "label" | "matter":
            return f"{clause.key} is one the rule asks for"
        case _:
            return _stating(clause.key, values)


def _failing(clause: Clause, values: Sequence[str]) -> str:
    """The reason of a clause that fails: the value, and what the rule asks for."""
    match clause.key:
        case "text":
            return "the text does not say what the rule asks for"
        case "label" | "matter":
            known = "is not one the rule asks for" if any(values) else "is not known"
            return f"{clause.key} {known}"
        case "receipt":
            return f"{_stating(clause.key, values)}, the rule asks for others"
        case _:
            asked = _few(map(_shown, clause.asked), " or ")
            return f"{_stating(clause.key, values)}, the rule asks for {asked}"


def _stating(key: str, values: Sequence[str]) -> str:
    if key in ("tags", "flags"):
        return f"{key} are {', '.join(values)}" if values else f"there are no {key}"
    value = values[0]
    return f"{key} is {_shown(value)}" if value else f"{key} is not known"


def _shown(value: str) -> str:
    """A value as a reason shows it: types come from senders, and any value may hold a receipt."""
    if _SHOWABLE.fullmatch(value) is None:
        return "something that is not shown here"
    return _RECEIPT.sub(lambda found: mask(found[0].upper()), value)


def _few(items: Iterable[str], between: str) -> str:
    """The first items, and the number of the others."""
    every = list(items)
    few = every[:_MAX_LISTED]
    if more := len(every) - len(few):
        few.append(f"{more} more")
    return between.join(few)
