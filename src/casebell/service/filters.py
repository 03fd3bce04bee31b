"""What a listing is narrowed to, of the texts that people write."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from casebell.actors import Actor
from casebell.alerts import AlertState
from casebell.clock import SECOND
from casebell.errors import BadArgument
from casebell.events import Flag, Micros, Status, Tag
from casebell.service import UnknownCommand
from casebell.settings import parse_duration
from casebell.store.lists import AlertFilter, EventFilter
from casebell.uscis.receipts import ReceiptError, canonical

Word = TypeVar("Word", bound=StrEnum)
#: The texts by the names of the filters; None is no condition.
Given: TypeAlias = Mapping[str, str | None]
#: How each text is understood.
Words: TypeAlias = Mapping[str, Callable[[str], Any]]


def event_filter(given: Given, *, actor: Actor, timezone: str, now: Micros) -> EventFilter:
    """The filter of the events that an actor may see.

    Raises:
        BadArgument: a text cannot be understood.
        UnknownCommand: there is no filter of this name.
    """
    words: Words = {
        "source": str,
        "status": partial(word, Status, noun="status"),
        "tag": partial(word, Tag, noun="tag"),
        "flag": partial(word, Flag, noun="flag"),
        "text": str,
    }
    return EventFilter(seen_by=actor, **_understood(given, words, timezone=timezone, now=now))


def alert_filter(
    given: Given, *, actor: Actor, outstanding: bool = False, timezone: str, now: Micros
) -> AlertFilter:
    """The filter of the alerts that an actor may see; raises as `event_filter` does."""
    words: Words = {"state": partial(word, AlertState, noun="state"), "channel": str}
    understood = _understood(given, words, timezone=timezone, now=now)
    return AlertFilter(seen_by=actor, outstanding=outstanding, **understood)


def _understood(given: Given, words: Words, *, timezone: str, now: Micros) -> dict[str, Any]:
    time = partial(moment, timezone=timezone, now=now)
    known: Words = {**words, "receipt": _receipt, "since": time, "until": time}
    if not given.keys() <= known.keys():
        raise UnknownCommand
    found = {name: known[name](text) for name, text in given.items() if text is not None}
    if {"since", "until"} <= found.keys() and found["since"] >= found["until"]:
        raise BadArgument("Nothing can match: `since` is not before `until`.")
    return found


def moment(text: str, *, timezone: str, now: Micros) -> Micros:
    """A point in time as people write it: ISO 8601, or "24h" ago.

    Args:
        timezone: of a time that names none: the one in which lists show theirs.

    Raises:
        BadArgument: it is neither.
    """
    try:
        seconds = parse_duration(text)
    except ValueError:
        pass
    else:
        return now - round(seconds * SECOND)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise BadArgument(
            'Write a date, a time or a length: "2026-11-21", "2026-11-21T09:30:00Z", "24h".'
        ) from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo(timezone))
    return round(aware.timestamp() * SECOND)


def word(words: type[Word], given: str, *, noun: str) -> Word:
    """The word of a list that a text is.

    Raises:
        BadArgument: it is none.
    """
    try:
        return words(given)
    except ValueError:
        raise BadArgument(f"There is no such {noun}; known: {', '.join(words)}.") from None


def _receipt(given: str) -> str:
    """A receipt number in any spelling, as it is kept."""
    try:
        return canonical(given)
    except ReceiptError:
        raise BadArgument("A receipt number is three letters and ten digits.") from None
