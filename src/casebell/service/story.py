"""What became of an event, and of an alert, in the words of the command line and of the pages."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from casebell.alerts import AlertKind, AlertState, FailureReason
from casebell.events import Flag, KeyBasis, Origin, is_first_look
from casebell.service.attempts_in_words import outcome_in_words, reason_in_words
from casebell.service.done_in_words import due_words
from casebell.service.sentences import EventNumber, Filled, Moment, Piece, Sentence, says
from casebell.times import counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A sentence, and those that belong under it."""

    sentence: Sentence
    under: tuple[Sentence, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a story."""

    heading: Sentence
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Something about a change that a reader of its case should know."""

    word: str
    sentence: Sentence


_BASIS = {
    KeyBasis.ID: "the source's event id",
    KeyBasis.RECEIPT_TIME: "receipt number and time of the status, for want of an id",
    KeyBasis.DIGEST: "a digest of its content, for want of an id and a time",
    KeyBasis.REVISION: "a key in use already, with other content",
    KeyBasis.RECONCILED: "receipt number, time and a digest of what the provider's API told",
}

_FLAGS = {
    Flag.STALE_SIGNATURE: "it was signed longer ago than the source's tolerance",
    Flag.CONFLICT: "the source sent differing content for the same event; check both",
    Flag.REPEAT: "the same state came again, at a later time",
    Flag.BASELINE: "the case was in this state, or owed this answer, when it was first looked at",
    Flag.HISTORY: "it had become of the case before it was looked at for the first time",
    Flag.NAIVE_TIME: "its time had no zone and was read in the source's",
    Flag.UNPARSED_TIME: "its time could not be read",
    Flag.FUTURE_TIME: "its time lies more than two days after it came, and orders nothing",
    Flag.STATUS_CONFLICT: "its type and its status disagree; the more urgent one counts",
    Flag.TEXT_CONFLICT: (
        "its status and its text disagree; the status counts, unless the text goes against the case"
    ),
    Flag.LATE: "a later status was known already when it came",
    Flag.UNKNOWN_WORDING: "its wording is new to Casebell, which does not know what it means",
}
#: Those by which what was reported of a change disagrees.
_CONFLICTING = (Flag.CONFLICT, Flag.STATUS_CONFLICT, Flag.TEXT_CONFLICT)
#: By what word of docs/attorneys.md a change or an event is marked, in this order.
_MARKS = {
    Flag.LATE: "late",
    **dict.fromkeys(_CONFLICTING, "conflicting"),
    Flag.UNKNOWN_WORDING: "new wording",
    **dict.fromkeys((Flag.BASELINE, Flag.HISTORY), "first look"),
}
#: A later release's word, which an earlier one may meet after a step back.
_UNKNOWN = "a word that this release does not know"
#: Why an escalation ended.
_ENDED = {
    "acknowledged": "somebody acknowledged it",
    "answered": "it was answered",
    "stopped": "nobody acknowledged it in time, and operations were told",
    "removed": "the configuration no longer had its next step, and operations were told",
}
#: The status of an event that is stored without its decision.
NOT_DECIDED = "not decided yet"


def story(explanation: Mapping[str, Any], *, in_short: bool = False) -> Iterator[Section]:
    """Everything that became of an event: verified, understood, decided, told.

    Args:
        explanation: as the verbs `why` and `explain_event` give it.
        in_short: without the official text and the notes, where a reader has them already.
    """
    event = explanation["event"]
    basis = says(_BASIS.get(event["key_basis"], _UNKNOWN))
    yield _section(
        says("Event {id} from {source}, key {key}", **event),
        says("Its key is {basis}.", basis=basis),
    )
    yield _section(says("Verified"), *_told(event), *map(_verified, explanation["delivered"]))
    understood = _understood(event, in_short=in_short)
    yield _section(says("Understood"), *understood, *_conflicts(explanation))
    yield _section(says("Decided"), *_decided(event, explanation["change"]))
    alerts = tuple(map(_alerted, explanation["alerts"]))
    nobody = Point(sentence=says("No alert."))
    yield Section(heading=says("Told"), points=alerts or (nobody,))
    if explanation["escalations"]:
        again = map(escalation_in_words, explanation["escalations"])
        yield _section(says("Told again, while nobody acknowledges it"), *again)
    if followed := list(_followed(explanation)):
        yield _section(says("Seen and answered"), *followed)


def _followed(explanation: Mapping[str, Any]) -> Iterator[Sentence]:
    """Who has seen the change, and what is owed of it; nothing of one that asks for nothing."""
    owed, seen = explanation["owed"], explanation["acknowledged"]
    for one in seen:
        yield says(
            "{at}: acknowledged by {who}{note}.",
            at=Moment(stamp=one["at"]),
            who=one["who"],
            note=f": “{one['note']}”" if one["note"] else "",
        )
    if not seen and (owed or explanation["escalations"]):
        yield says("Nobody has acknowledged it.")
    if owed is None:
        return
    if owed["answered_at"] is None:
        yield says("It is in the queue, {due}.", due=due_words(owed))
        return
    at = Moment(stamp=owed["answered_at"])
    yield says("{at}: answered, by {who}.", at=at, who=owed["answered_by"])


def escalation_in_words(one: Mapping[str, Any]) -> Sentence:
    """How an escalation stands: how often people were reminded, and what comes next."""
    number = one["reminders"]
    reminded = one["reminded_at"]
    return says(
        "Escalation “{name}”: {reminders}{latest}; {then}.",
        name=one["name"],
        reminders=counted(number, "reminder") if number else "no reminder yet",
        latest=says(", the latest {at}", at=Moment(stamp=reminded)) if reminded else "",
        then=_what_comes(one),
    )


def _what_comes(one: Mapping[str, Any]) -> Sentence:
    if one["ended"] is None:
        return says("next {due}, unless somebody acknowledges it", due=Moment(stamp=one["due_at"]))
    why = _ENDED.get(one["ended"])
    return says("ended, for {why}", why=says(why or _UNKNOWN))


def occurred(event: Mapping[str, Any]) -> Moment | Filled | None:
    """When it happened, as reported; as it was delivered where that is no time."""
    stamp = event["occurred_at"]
    if stamp is None:
        return None
    as_delivered = {Flag.UNPARSED_TIME, Flag.FUTURE_TIME} & set(event["flags"])
    return Filled(text=stamp) if as_delivered or not _is_ours(stamp) else Moment(stamp=stamp)


def notes(event: Mapping[str, Any]) -> Iterator[Sentence]:
    """What a reader of an event should know, without a full stop."""
    yield from map(_sentence_of, event["flags"])


def became(told: Mapping[str, Any]) -> Sentence:
    """What became of an alert, in a few words."""
    if told["sent_at"] is None:
        return _state(told, "dismissed" if told["dismissed_at"] else told["state"])
    return says("sent {at}{reason}", at=Moment(stamp=told["sent_at"]), reason=_reason(told))


def marked(flags: Collection[str]) -> list[str]:
    """In a word each, what a reader of a list should know of an event."""
    return list(dict.fromkeys(word for flag, word in _MARKS.items() if flag in flags))


def marks(change: Mapping[str, Any]) -> Iterator[Mark]:
    """What a reader of a case should know of one of its changes.

    Args:
        change: as the verb `find_case` gives it.
    """
    if change["late"]:
        yield Mark(word=_MARKS[Flag.LATE], sentence=_sentence_of(Flag.LATE))
    if change["origin"] == Origin.RECONCILED:
        if is_first_look(change["flags"]):
            yield Mark(
                word=_MARKS[Flag.BASELINE],
                sentence=says("it was there when the case was looked at for the first time"),
            )
        else:
            yield Mark(
                word="found by reconciliation",
                sentence=says("no webhook had delivered it; asking the provider's API found it"),
            )
    if others := [number for number in change["events"] if number != change["event"]]:
        yield Mark(
            word="corroborated",
            sentence=says(
                "also reported by event {others}; all by {sources}",
                others=_numbers(others),
                sources=", ".join(change["sources"]),
            ),
        )
    for flag in _CONFLICTING:
        if flag in change["flags"]:
            yield Mark(word=_MARKS[flag], sentence=_sentence_of(flag))
    if Flag.UNKNOWN_WORDING in change["flags"]:
        yield Mark(word=_MARKS[Flag.UNKNOWN_WORDING], sentence=_sentence_of(Flag.UNKNOWN_WORDING))


def _told(event: Mapping[str, Any]) -> Iterator[Sentence]:
    """That it was found by asking, where it was."""
    if event["origin"] != Origin.RECONCILED:
        return
    at = Moment(stamp=event["received_at"])
    if is_first_look(event["flags"]):
        yield says("{at}: the provider's API told of it, at the first look at the case.", at=at)
    else:
        yield says("{at}: found by reconciliation: the provider's API told of it.", at=at)
    if not event["deliveries"]:
        yield says("No webhook has delivered this event.")


def _verified(one: Mapping[str, Any]) -> Sentence:
    return says(
        "{at}: {before}{outcome}, authenticated by secret “{secret}”, from {address}.",
        at=Moment(stamp=one["at"]),
        before="" if one["times"] == 1 else f"and {one['times'] - 1:,} times before, ",
        outcome=one["outcome"],
        secret=one["secret"],
        address=one["address"] or "an unknown address",
    )


def _understood(event: Mapping[str, Any], *, in_short: bool) -> Iterator[Sentence]:
    delivered = event["delivered_status"]
    yield says(
        "Receipt {receipt}: {status} ({delivered}){tags}.",
        receipt=event["receipt"],
        status=event["status"] or NOT_DECIDED,
        delivered=(
            says("delivered as “{status}”", status=delivered)
            if delivered
            else "no status was delivered"
        ),
        tags=f", tagged {', '.join(event['tags'])}" if event["tags"] else "",
    )
    if not event["text"]:
        yield says("It came without a text.")
    elif not in_short:
        yield says("Text: “{text}”", **event)
    if at := occurred(event):
        yield says("As reported, it happened at {at}.", at=at)
    for note in [] if in_short else notes(event):
        yield says("Note: {note}.", note=note)


def _conflicts(explanation: Mapping[str, Any]) -> Iterator[Sentence]:
    this = explanation["event"]["id"]
    for one in explanation["conflicts"]:
        yield says(
            "It differs from event {other} in: {fields}.",
            other=EventNumber(number=one["event"] if one["first"] == this else one["first"]),
            fields=", ".join(one["fields"]),
        )
    if explanation["conflicts"]:
        yield says("Fields that say nothing of the case belong in `volatile` of the source.")


def _decided(event: Mapping[str, Any], change: Mapping[str, Any] | None) -> Iterator[Sentence]:
    if change is None:
        yield says("Not yet: it waits for its decision.")
        return
    decision = change["decision"]
    if change["event"] == event["id"]:
        yield says("It began change {id}.", id=change["id"])
    else:
        yield says(
            "It reports change {id}, which event {event} began.",
            id=change["id"],
            event=EventNumber(number=change["event"]),
        )
        yield says(
            "Why: {because}. Nobody is alerted of a change twice.",
            because=event["decision"]["because"],
        )
    others = [number for number in change["events"] if number != event["id"]]
    if others:
        yield says("Also reported by event {others}.", others=_numbers(others))
    yield says("{at}: {whom}.", at=Moment(stamp=change["decided_at"]), whom=_whom(decision))
    for rule in decision["rules"]:
        yield says(
            "Rule “{name}” matched: {why}."
            if rule["matched"]
            else "Rule “{name}” did not match: {why}.",
            **rule,
        )


def _sentence_of(flag: str) -> Sentence:
    if flag in _FLAGS:
        return says(_FLAGS[Flag(flag)])
    return says("“{flag}”, {unknown}", flag=flag, unknown=says(_UNKNOWN))


def _numbers(events: list[int]) -> Sentence:
    pieces: list[Piece] = []
    for number in events:
        pieces += [", ", EventNumber(number=number)]
    return Sentence(pieces=tuple(pieces[1:]))


def _whom(decision: Mapping[str, Any]) -> Sentence:
    if not decision["notify"]:
        return says("nobody is alerted, because {because}", **decision)
    whom = ", ".join(f"{one['channel']} → {one['target']}" for one in decision["notify"])
    return says("alert {whom} ({because})", whom=whom, because=decision["because"])


def _alerted(alert: Mapping[str, Any]) -> Point:
    """An alert, and what happened to it in its order."""
    closed = alert["dismissed_at"]
    sentence = says(
        "{kind} {id} to {target} over {channel}{whom}: {state}{repeat}{closed}.",
        kind="Reminder" if alert["kind"] == AlertKind.REMINDER else "Alert",
        id=alert["id"],
        target=alert["target"],
        channel=alert["channel"],
        whom=f" ({alert['meant_for']})" if alert["meant_for"] else "",
        state=_state(alert, alert["state"]),
        repeat="; it may have arrived twice" if alert["may_repeat"] else "",
        closed=says("; dismissed {at}", at=Moment(stamp=closed)) if closed else "",
    )
    happened = [(one["finished_at"], _attempt(one)) for one in alert["tried"]]
    happened += [(one["at"], _by_hand(one)) for one in alert["by_hand"]]
    under = (then for _, then in sorted(happened, key=itemgetter(0)))
    return Point(sentence=sentence, under=tuple(under))


def _state(alert: Mapping[str, Any], state: str) -> Sentence:
    if alert["waits"]:
        return says("waits {waits}", waits=alert["waits"])
    if alert["reason"] == FailureReason.GROUPED and state == AlertState.DEFERRED:
        due = Moment(stamp=alert["deferred_until"])
        return says("waits until {due} to go in one message with others", due=due)
    return says("{state}{reason}", state=state, reason=_reason(alert))


def _reason(alert: Mapping[str, Any]) -> str:
    return f" ({reason_in_words(alert['reason'])})" if alert["reason"] else ""


def _attempt(one: Mapping[str, Any]) -> Sentence:
    reason = reason_in_words(one["reason"]) if one["reason"] else ""
    detail = "; ".join(filter(None, (reason, one["detail"])))
    return says(
        "Attempt {number}, {at}: {outcome}{detail}.",
        number=one["number"],
        at=Moment(stamp=one["finished_at"]),
        outcome=outcome_in_words(one["outcome"]),
        detail=f" ({detail})" if detail else "",
    )


def _by_hand(one: Mapping[str, Any]) -> Sentence:
    return says(
        "By hand, {at}: {did} by {actor}{claimed}{note}.",
        at=Moment(stamp=one["at"]),
        did=one["did"],
        actor=one["actor"],
        claimed=f", as “{one['by']}”" if one["by"] else "",
        note=f": “{one['note']}”" if one["note"] else "",
    )


def _section(heading: Sentence, *sentences: Sentence) -> Section:
    return Section(
        heading=heading, points=tuple(Point(sentence=sentence) for sentence in sentences)
    )


def _is_ours(stamp: str) -> bool:
    """Whether it is a time with a zone; a date alone, and a time without one, are none of ours."""
    try:
        return datetime.fromisoformat(stamp).tzinfo is not None
    except ValueError:
        return False
