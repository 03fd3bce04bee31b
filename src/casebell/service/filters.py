"""What a listing is narrowed to, of the texts that people write."""

from collections.abc import Callable, Mapping, Set
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from casebell.actors import Actor
from casebell.alerts import AlertKind, AlertState
from casebell.clock import SECOND, iso
from casebell.errors import BadArgument
from casebell.events import Flag, Micros, Status, Tag
from casebell.json_text import UNSTORABLE
from casebell.people.identity import People, named, written_as
from casebell.service import UnknownCommand
from casebell.settings import Settings, parse_duration
from casebell.spelling import spelling
from casebell.store.cases import CaseFilter
from casebell.store.journal import digest
from casebell.store.lists import AlertFilter, EventFilter, JournalFilter
from casebell.store.queue_list import QueueFilter
from casebell.store.walk import Filter
from casebell.uscis.receipts import ReceiptError, canonical

#: Characters that are looked for: a filter is kept in the journal, and in an export's last line.
MAX_TEXT = 2_000

Word = TypeVar("Word", bound=StrEnum)
#: The beginning of the year 1, and the end of the year 9999.
_FIRST: Micros = -62_135_596_800 * SECOND
_BEHIND: Micros = 253_402_300_800 * SECOND
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
        "source": _findable,
        "status": partial(word, Status, noun="status"),
        "tag": partial(word, Tag, noun="tag"),
        "flag": partial(word, Flag, noun="flag"),
        "receipt": receipt_number,
        "text": _findable,
    }
    return EventFilter(seen_by=actor, **_understood(given, words, timezone=timezone, now=now))


def alert_filter(
    given: Given, *, actor: Actor, outstanding: bool = False, settings: Settings, now: Micros
) -> AlertFilter:
    """The filter of the alerts that an actor may see; raises as `event_filter` does.

    Args:
        settings: those in force, with who is meant by a name.
    """
    words: Words = {
        "state": partial(word, AlertState, noun="state"),
        "kind": partial(word, AlertKind, noun="kind"),
        "channel": _findable,
        "target": _findable,
        "person": partial(_id_of_person, people=settings.people),
        "receipt": receipt_number,
    }
    found = _understood(given, words, timezone=settings.server.timezone, now=now)
    return AlertFilter(seen_by=actor, outstanding=outstanding, **found)


def case_filter(given: Given, *, actor: Actor, owners: Callable[[str], Set[str]]) -> CaseFilter:
    """The filter of the cases that an actor may see; raises as `event_filter` does.

    Args:
        owners: how cases may write who is meant, as texts are compared.
    """
    words: Words = {
        "receipt": receipt_number,
        "status": partial(word, Status, noun="status"),
        "owner": lambda text: frozenset(owners(_findable(text))),
        "team": _team,
        "confidential": _yes_or_no,
        "unlisted": _yes_or_no,
        "silent": _yes_or_no,
    }
    return CaseFilter(seen_by=actor, **_meant(given, words))


def queue_filter(
    given: Given, *, actor: Actor, of: Actor | None, by_date: bool, people: People
) -> QueueFilter:
    """The filter of the open changes that an actor may see; raises as `event_filter` does.

    Args:
        of: whose cases are meant; None for all.
        by_date: whether the soonest date is first.
        people: those whom an owner may mean.
    """
    words: Words = {
        "receipt": receipt_number,
        "owner": lambda text: frozenset(written_as(_findable(text), people)),
        "team": _team,
    }
    return QueueFilter(seen_by=actor, of=of, by_date=by_date, **_meant(given, words))


def journal_filter(given: Given, *, timezone: str, now: Micros) -> JournalFilter:
    """The filter of journal entries; raises as `event_filter` does."""
    words: Words = {"kind": _findable, "actor": _findable, "subject": _findable}
    return JournalFilter(**_understood(given, words, timezone=timezone, now=now))


def understood(where: Filter, given: Given) -> dict[str, Any]:
    """A filter as JSON, as it was understood: times in UTC, a receipt as it is kept."""
    found = {name: getattr(where, name) for name, text in given.items() if text is not None}
    told = {
        name: iso(value) if name in ("since", "until") else str(value)
        for name, value in found.items()
    }
    asked = (name for name in ("outstanding", "bodies") if getattr(where, name, False))
    return {**told, **dict.fromkeys(asked, True)}


def on_record(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the journal keeps of a filter: of words that were looked for, a digest.

    Receipts are in the entries of deliveries, too. Official texts are not, since they may have to
    be purged, and a person may look for a name.
    """
    kept = {name: value for name, value in told.items() if name != "text"}
    return {**kept, "text_sha256": digest(told["text"])} if "text" in told else kept


def _understood(given: Given, words: Words, *, timezone: str, now: Micros) -> dict[str, Any]:
    time = partial(moment, timezone=timezone, now=now)
    found = _meant(given, {**words, "since": time, "until": time})
    if {"since", "until"} <= found.keys() and found["since"] >= found["until"]:
        raise BadArgument("Nothing can match: `since` is not before `until`.", argument="since")
    return found


def _meant(given: Given, words: Words) -> dict[str, Any]:
    if not given.keys() <= words.keys():
        raise UnknownCommand
    found: dict[str, Any] = {}
    for name, text in given.items():
        try:
            if text is not None:
                found[name] = words[name](text)
        except BadArgument as error:
            raise BadArgument(error.message, argument=name) from None
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
    wrong = BadArgument(
        'Write a date, a time or a length: "2026-11-21", "2026-11-21T09:30:00Z", "24h".'
    )
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo(timezone))
    at = round(aware.timestamp() * SECOND)
    # An offset can lead out of the years that have four digits.
    if not _FIRST <= at < _BEHIND:
        raise wrong
    return at


def word(words: type[Word], given: str, *, noun: str) -> Word:
    """The word of a list that a text is.

    Raises:
        BadArgument: it is none.
    """
    try:
        return words(given)
    except ValueError:
        raise BadArgument(f"There is no such {noun}; known: {', '.join(words)}.") from None


def _findable(given: str) -> str:
    """A text that a database can look for.

    Raises:
        BadArgument: it has half a surrogate pair, or a zero character, or is very long.
    """
    if len(given) > MAX_TEXT:
        raise BadArgument(f"Look for at most {MAX_TEXT:,} characters.")
    if UNSTORABLE.search(given):
        raise BadArgument("This is no text that could be on record.")
    return given


def _team(given: str) -> frozenset[str]:
    return frozenset({spelling(_findable(given))})


def _id_of_person(given: str, *, people: People) -> str:
    """The id of who is meant; a text that means nobody may be that of somebody who is gone."""
    person = named(_findable(given), people)
    return given if person is None else person.id


def receipt_number(given: str) -> str:
    """A receipt number in any spelling, as it is kept.

    Raises:
        BadArgument: it is none.
    """
    try:
        return canonical(given)
    except ReceiptError:
        raise BadArgument("A receipt number is three letters and ten digits.") from None


def _yes_or_no(given: str) -> bool:
    try:
        return {"true": True, "false": False}[given]
    except KeyError:
        raise BadArgument("Write `true` or `false`.") from None
