"""What became of changes once they were told, as JSON: who has seen each, and what is owed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from casebell.clock import iso, iso_or_none
from casebell.events import Micros
from casebell.people.identity import People
from casebell.service.who import who
from casebell.shapes import Acknowledgement, Owed, described
from casebell.store import acknowledgements, queue_list
from casebell.store.engine import Connection


@described
class QueueRow(Owed):
    """A change that asks for something, with its case."""

    receipt: str
    change: int
    status: str
    tags: list[str]
    since: str
    """When the change was, by the provider's time."""
    urgent: bool
    event: int
    """The event that reported it first."""
    label: str | None
    owner: str | None
    team: str | None
    confidential: bool
    acknowledged_by: str | None
    """Who said last that they have seen it, in words: `the link sent to jchan`."""
    acknowledged_at: str | None
    escalated: str | None
    """When people were last reminded because nobody had acknowledged it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """What became of some changes."""

    people: People
    #: By change, the latest.
    acknowledged: Mapping[int, Any] = field(default_factory=dict)
    escalated: Mapping[int, Micros] = field(default_factory=dict)

    @classmethod
    async def of(
        cls, connection: Connection, change_ids: Collection[int], *, people: People
    ) -> Self:
        """Read it."""
        return cls(
            people=people,
            acknowledged=await acknowledgements.latest_of(connection, change_ids),
            escalated=await queue_list.last_escalated(connection, change_ids),
        )

    def acknowledged_by(self, change: int | None) -> str | None:
        """Who said last that they have seen a change."""
        row = self.acknowledged.get(change or 0)
        return None if row is None else acknowledged_by(row, self.people)

    def acknowledged_at(self, change: int | None) -> str | None:
        """When that was."""
        row = self.acknowledged.get(change or 0)
        return None if row is None else iso(row.at)

    def row(self, row: Any) -> QueueRow:
        """A row of the queue."""
        return {
            "receipt": row.receipt,
            "change": row.change_id,
            "status": row.status,
            "tags": row.tags.split(),
            "since": iso(row.since),
            "urgent": bool(row.urgent),
            "event": row.event_id,
            "label": row.label or None,
            "owner": row.owner or None,
            "team": row.team or None,
            "confidential": bool(row.confidential),
            "acknowledged_by": self.acknowledged_by(row.change_id),
            "acknowledged_at": self.acknowledged_at(row.change_id),
            "escalated": iso_or_none(self.escalated.get(row.change_id)),
            **owed(row, self.people),
        }


def acknowledged_by(row: Any, people: People) -> str:
    """Who an acknowledgement is of, in words."""
    return who(row.actor, people, person=row.person, by=row.by)


def acknowledgement(row: Any, people: People) -> Acknowledgement:
    """An acknowledgement, with its note: for those who may see the case."""
    return {
        "at": iso(row.at),
        "actor": row.actor,
        "by": row.by,
        "person": row.person,
        "who": acknowledged_by(row, people),
        "note": row.note,
    }


def owed(row: Any, people: People) -> Owed:
    """What a row of the queue says of the date and of the answer."""
    return {
        "deadline": bool(row.deadline),
        "due": row.due,
        "due_by": _who(row.due_by, people),
        "due_entered_at": iso_or_none(row.due_entered_at),
        "due_confirmed": row.due_confirmed_at is not None,
        "due_confirmed_by": _who(row.due_confirmed_by, people),
        "due_confirmed_at": iso_or_none(row.due_confirmed_at),
        "answered_at": iso_or_none(row.answered_at),
        "answered_by": _who(row.answered_by, people),
    }


def _who(actor: str | None, people: People) -> str | None:
    if actor is None:
        return None
    kind, _, number = actor.partition(":")
    return f"change {number}" if kind == "change" else who(actor, people)
