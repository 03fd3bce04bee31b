"""An alert, its attempts, and everything that became of an event, as JSON."""

import json
from typing import Any

from typing_extensions import TypedDict

from casebell.alerts import AlertState
from casebell.clock import iso, iso_or_none
from casebell.shapes.described import described
from casebell.shapes.events import Change, Conflict, DeliveryOfEvent, Event
from casebell.shapes.followed import Acknowledgement, Owed
from casebell.store.rows import decode_list
from casebell.uscis.receipts import mask


@described
class Alert(TypedDict):
    """One change, or another message, for one target of one channel."""

    id: int
    kind: str
    event: int | None
    event_key: str | None
    receipt: str | None
    change: int | None
    channel: str
    target: str
    """A safe label, never a URL."""
    person: str | None
    """The id of who is told by name."""
    rule: str
    urgent: bool
    state: str
    attempts: int
    reason: str | None
    may_repeat: bool
    created_at: str
    sent_at: str | None
    deferred_until: str | None
    """When one that waits on purpose is due."""
    waits: str | None
    """In words, of one that waits for hours: `until Mon 8:00 AM EST, quiet hours of office`."""
    retry_at: str | None
    """When one that failed and is tried again is due."""
    dismissed_at: str | None
    """A dismissed alert stays `failed`."""


@described
class Attempt(TypedDict):
    """One try to send an alert, with the message it carried."""

    number: int
    started_at: str
    finished_at: str
    outcome: str
    reason: str | None
    detail: str
    title: str
    body: str


@described
class ByHand(TypedDict):
    """What somebody did to an alert."""

    at: str
    did: str
    actor: str
    by: str | None
    """Who it was, as claimed."""
    note: str | None


@described
class AlertExplained(Alert):
    """An alert with every attempt, and what people did to it."""

    meant_for: str | None
    """In words: `Jia Chan, the owner`. Null of an address that the channel has by itself."""
    tried: list[Attempt]
    by_hand: list[ByHand]


@described
class Escalation(TypedDict):
    """Who is told again of a change while nobody acknowledges it."""

    name: str
    began_at: str
    reminders: int
    """How many times people were reminded."""
    reminded_at: str | None
    due_at: str | None
    """When its next step is due, or operations hear; null once it has ended."""
    ended: str | None
    """`acknowledged`, `answered`, `stopped` where nobody did in time, or `removed` by a reload."""


@described
class Explanation(TypedDict):
    """Everything that became of an event."""

    event: Event
    delivered: list[DeliveryOfEvent]
    conflicts: list[Conflict]
    """Oldest first; of more than a thousand the first."""
    change: Change | None
    alerts: list[AlertExplained]
    """Oldest first."""
    escalations: list[Escalation]
    """By name, ended ones among them."""
    acknowledged: list[Acknowledgement]
    """Of the change, oldest first."""
    owed: Owed | None
    """What the change asks for; null of one that is not, and was not, in the queue."""


def alert(row: Any, *, waits: str | None = None) -> Alert:
    """An alert; of a case that its reader may not see, only that it failed.

    Args:
        waits: until when it waits, in words.
    """
    due = iso(row.not_before)
    shown: Alert = {
        "id": row.id,
        "kind": row.kind,
        "event": row.event_id,
        "event_key": row.event_key,
        "receipt": row.receipt,
        "change": row.change_id,
        "channel": row.channel,
        "target": row.target,
        "person": row.person,
        "rule": ", ".join(decode_list(row.rules)),
        "urgent": row.priority == 0,
        "state": row.state,
        "attempts": row.attempts,
        "reason": row.reason,
        "may_repeat": row.may_repeat,
        "created_at": iso(row.created_at),
        "sent_at": iso_or_none(row.sent_at),
        "deferred_until": due if row.state == AlertState.DEFERRED else None,
        "waits": waits,
        "retry_at": due if row.state == AlertState.RETRYING else None,
        "dismissed_at": iso_or_none(row.dismissed_at),
    }
    if row.masked:
        shown |= {
            "event": None,
            "event_key": None,
            "receipt": mask(row.receipt),
            "change": None,
            "rule": "",
        }
    return shown


def escalation(row: Any) -> Escalation:
    """An escalation of a change."""
    return {
        "name": row.name,
        "began_at": iso(row.began_at),
        "reminders": row.step + row.repetition,
        "reminded_at": iso_or_none(row.reminded_at),
        "due_at": iso_or_none(row.due_at),
        "ended": row.ended,
    }


def attempt(row: Any) -> Attempt:
    """An attempt to send an alert, with the message it carried."""
    return {
        "number": row.number,
        "started_at": iso(row.started_at),
        "finished_at": iso(row.finished_at),
        "outcome": row.outcome,
        "reason": row.reason,
        "detail": row.detail,
        "title": row.title,
        "body": row.body,
    }


def by_hand(row: Any) -> ByHand:
    """What somebody did to an alert."""
    data = json.loads(row.data)
    return {
        "at": iso(row.at),
        "did": row.kind.removeprefix("alert."),
        "actor": row.actor,
        "by": data.get("by"),
        "note": data.get("note"),
    }
