"""Compares two decisions about one change: who hears otherwise, and by which rules.

Decisions are compared as they are stored, since one of them may be years old.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

#: A decision as `Decision.as_record` has it.
Record = Mapping[str, Any]


def tells_alike(then: Record, now: Record) -> bool:
    """Whether the same targets hear of it, and as urgently, by whichever rules."""
    return _recipients(then) == _recipients(now)


def _recipients(record: Record) -> set[tuple[str, str, bool]]:
    return {(one["channel"], one["target"], one["urgent"]) for one in record["notify"]}


def reasons(then: Record, now: Record) -> Iterator[str]:
    """Why they differ, as sentences: rules that match or do not, and what each of them names."""
    rules_then, rules_now = _by_name(then), _by_name(now)
    for name in dict.fromkeys([*rules_then, *rules_now]):
        was, is_now = rules_then.get(name), rules_now.get(name)
        yield from _of_rule(name, was, is_now)
        if was and is_now and was["matched"] and is_now["matched"]:
            yield from _of_channels(name, _channels(then, name), _channels(now, name))
    yield from _of_operations(_of_no_rule(then), _of_no_rule(now))
    yield from _of_targets(then, now)


def _by_name(record: Record) -> Mapping[str, Mapping[str, Any]]:
    return {rule["name"]: rule for rule in record["rules"]}


def _of_rule(
    name: str, was: Mapping[str, Any] | None, is_now: Mapping[str, Any] | None
) -> Iterator[str]:
    matched = was is not None and was["matched"]
    matches = is_now is not None and is_now["matched"]
    if matched == matches:
        return
    if was is None or is_now is None:
        known = is_now or was
        assert known is not None  # noqa: S101 - one of both has the name
        there = "is new, and matches" if was is None else "is gone, and matched"
        yield f'The rule "{name}" {there}: {known["why"]}.'
    elif matches:
        yield f'The rule "{name}" matches now: {is_now["why"]}. It did not: {was["why"]}.'
    else:
        yield f'The rule "{name}" does not match now: {is_now["why"]}. It did: {was["why"]}.'


def _channels(record: Record, rule: str) -> list[str]:
    """The channels that a rule names, as far as they have a target."""
    told = (one["channel"] for one in record["notify"] if rule in one["rules"])
    return list(dict.fromkeys(told))


def _of_channels(name: str, then: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    more, fewer = _without(now, then), _without(then, now)
    if more:
        yield f'The rule "{name}" names {_listed(more)} now.'
    if fewer:
        yield f'The rule "{name}" names {_listed(fewer)} no longer.'


def _of_no_rule(record: Record) -> list[str]:
    """The channels over which operations hear of it, whatever the rules say."""
    return list(dict.fromkeys(one["channel"] for one in record["notify"] if not one["rules"]))


def _of_operations(then: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    if more := _without(now, then):
        yield f"Operations hear of it over {_listed(more)} now."
    if fewer := _without(then, now):
        yield f"Operations do not hear of it over {_listed(fewer)} any longer."


def _of_targets(then: Record, now: Record) -> Iterator[str]:
    """What differs of a channel that hears of it both times."""
    for channel in _each(then):
        if channel not in _each(now):
            continue
        before, after = _targets(then, channel), _targets(now, channel)
        if more := _without(after, before):
            yield f"The channel {channel} has a new target: {_listed(more)}."
        if fewer := _without(before, after):
            yield f"The channel {channel} has no target any more that it had: {_listed(fewer)}."
        was, is_now = _urgent(then, channel), _urgent(now, channel)
        if was != is_now:
            yield f"Over {channel} it is urgent {'now' if is_now else 'no longer'}."


def _each(record: Record) -> list[str]:
    return list(dict.fromkeys(one["channel"] for one in record["notify"]))


def _targets(record: Record, channel: str) -> list[str]:
    return [one["target"] for one in record["notify"] if one["channel"] == channel]


def _urgent(record: Record, channel: str) -> bool:
    return any(one["urgent"] for one in record["notify"] if one["channel"] == channel)


def _without(some: Iterable[str], others: Sequence[str]) -> list[str]:
    return [one for one in some if one not in others]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
