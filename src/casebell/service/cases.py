"""Cases as they stand: their list, and one of them with its changes and who was told."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeAlias

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.alerts import AlertState
from casebell.clock import iso, iso_or_none
from casebell.errors import NotFound
from casebell.people.identity import People, written_as
from casebell.service import Verb
from casebell.service.filters import case_filter, receipt_number
from casebell.service.followed import Followed, acknowledgement, owed
from casebell.service.listing import Listing, listing_of, page_for
from casebell.service.meant_for import meant_for, told
from casebell.shapes import Acknowledgement, Escalation, Owed, described, escalation
from casebell.store import acknowledgements, cases, escalations, queue_list
from casebell.store.engine import Connection, Store

#: Changes of one case that are shown; it has a few dozen in its life.
MAX_CHANGES = 100
#: Alerts of them.
MAX_ALERTS = 1_000
#: Events that reported them: a case that is polled has one for each time.
MAX_EVENTS = 1_000


@described
class Case(TypedDict):
    """A receipt number, its status, and what the firm said of it."""

    receipt: str
    label: str | None
    matter: str | None
    owner: str | None
    owner_email: str | None
    team: str | None
    form: str | None
    confidential: bool
    status: str | None
    """Null where nothing was received of it."""
    since: str | None
    """When the change was, by the provider's time."""
    change: int | None
    """The change that made the status."""
    tags: list[str]
    """Of that change."""
    due: str | None
    """The date that a person typed of that change, as `2026-12-24`."""
    acknowledged_by: str | None
    """Who said last that they have seen that change, in words."""
    acknowledged_at: str | None
    updated_at: str


#: Says of the row of an alert until when it waits for hours of its channel.
Waits: TypeAlias = Callable[[Any], str | None]


@described
class Told(TypedDict):
    """An alert of a change: who was told, and when."""

    alert: int
    kind: str
    """`case`, or `reminder`."""
    channel: str
    target: str
    """A safe label, never a URL."""
    person: str | None
    """The id of who was told by name."""
    meant_for: str | None
    """In words: `Jia Chan, the owner`. Null of an address that the channel has by itself."""
    urgent: bool
    state: str
    reason: str | None
    created_at: str
    sent_at: str | None
    deferred_until: str | None
    waits: str | None
    """In words, of one that waits for hours: `until Mon 8:00 AM EST, quiet hours of office`."""
    dismissed_at: str | None


@described
class ChangeOfCase(TypedDict):
    """One real movement of a case, and who was told of it."""

    id: int
    status: str
    tags: list[str]
    text: str
    """The official text of the event that reported it first."""
    at: str
    """By the provider's time."""
    late: bool
    decided_at: str
    event: int
    """The event that reported it first."""
    origin: str
    """How that one came: `webhook`, or `reconciled` where the provider's API told of it."""
    events: list[int]
    """All that reported it, oldest first; of very many the latest."""
    sources: list[str]
    """Whose events these are."""
    flags: list[str]
    """What one of these events has: `conflict`, `text_conflict`, …"""
    outcome: str
    """`notified` or `nobody`."""
    because: str
    told: list[Told]
    """Oldest first."""
    acknowledged: list[Acknowledgement]
    """Oldest first."""
    owed: Owed | None
    """What it asks for; null of a change that is not, and was not, in the queue."""
    escalations: list[Escalation]
    """Who hears of it again, by name."""


@described
class CaseWithChanges(Case):
    """A case with its latest changes, newest first."""

    changes: list[ChangeOfCase]
    earlier_changes: bool
    """Whether there are more, which are left out."""


class CaseReading:
    """The verbs.

    Args:
        people: returns who can be told by name.
        waits: says of the row of an alert until when it waits for hours.
        paged: whether an answer has at most a page, and says in `next` where it goes on.
    """

    def __init__(
        self,
        *,
        store: Store,
        people: Callable[[], People] = dict,
        waits: Waits = lambda _: None,
        paged: bool = True,
    ) -> None:
        self._store = store
        self._people = people
        self._waits = waits
        self._paged = paged

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"list_cases": self.list_cases, "find_case": self.find_case}

    async def list_cases(
        self, *, limit: int, cursor: str | None = None, actor: Actor, **filters: str | None
    ) -> Listing:
        """The cases of which something was received; that with the newest change first.

        Args:
            filters: `receipt`, `status`, `owner` and `team` in any spelling, `confidential`
                as `true` or `false`; with `unlisted` as `true` those that the firm has not named;
                with `silent` the others that it has named, of which nothing was received, by
                receipt number.

        Raises:
            BadArgument: a filter cannot be understood.
        """
        owners = partial(written_as, people=self._people())
        where = case_filter(filters, actor=actor, owners=owners)
        async with self._store.read() as connection:
            page = await page_for(connection, where, limit=limit, cursor=cursor, paged=self._paged)
            present = await Present.of(connection, page.rows, people=self._people())
        return await listing_of(page, present.case)

    async def find_case(self, *, receipt: str, actor: Actor) -> CaseWithChanges:
        """The case of a receipt number in any spelling, with its changes and who was told.

        Raises:
            BadArgument: it is no receipt number.
            NotFound: there is no such case that the actor may see.
        """
        number = receipt_number(receipt)
        async with self._store.read() as connection:
            row = await cases.find(connection, number, seen_by=actor)
            if row is None:
                raise no_such_case()
            return await _with_changes(connection, row, self._people(), self._waits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Present:
    """What is known of the present changes of some cases."""

    followed: Followed
    #: By change, the date that a person typed.
    due: Mapping[int, str]

    @classmethod
    async def of(cls, connection: Connection, rows: Sequence[Any], *, people: People) -> Self:
        """Read it of the rows of cases."""
        numbers = [row.change_id for row in rows if row.change_id is not None]
        return cls(
            followed=await Followed.of(connection, numbers, people=people),
            due=await queue_list.due_of(connection, numbers),
        )

    def case(self, row: Any) -> Case:
        """A case; what the firm did not say of it is null."""
        return {
            "receipt": row.receipt,
            "label": row.label or None,
            "matter": row.matter or None,
            "owner": row.owner or None,
            "owner_email": row.owner_email or None,
            "team": row.team or None,
            "form": row.form or None,
            "confidential": bool(row.confidential),
            "status": row.status,
            "since": iso_or_none(row.since),
            "change": row.change_id,
            "tags": [] if row.tags is None else row.tags.split(),
            "due": self.due.get(row.change_id),
            "acknowledged_by": self.followed.acknowledged_by(row.change_id),
            "acknowledged_at": self.followed.acknowledged_at(row.change_id),
            "updated_at": iso(row.updated_at),
        }


def no_such_case() -> NotFound:
    """Of a receipt number without a case, and of a case that one may not see."""
    return NotFound(
        "There is no case of this receipt number.",
        hint="`casebell cases list` shows those with the newest changes.",
    )


async def _with_changes(
    connection: Connection, row: Any, people: People, waits: Waits
) -> CaseWithChanges:
    found = await cases.changes_of(connection, row.receipt, limit=MAX_CHANGES + 1)
    shown = found[:MAX_CHANGES]
    numbers = [one.id for one in shown]
    reports = await cases.events_of(connection, numbers, limit=MAX_EVENTS)
    sent = await cases.alerts_of(connection, numbers, limit=MAX_ALERTS)
    seen = await acknowledgements.of_changes(connection, numbers)
    asked = {one.change_id: one for one in await queue_list.asked_of(connection, row.receipt)}
    present = await Present.of(connection, [row], people=people)
    escalated = await escalations.of_changes(connection, numbers)
    return {
        **present.case(row),
        "changes": [
            _change(
                one,
                [report for report in reversed(reports) if report.change_id == one.id],
                [alert for alert in sent if alert.change_id == one.id],
                seen=[acknowledgement(said, people) for said in seen if said.change_id == one.id],
                asked=owed(asked[one.id], people) if one.id in asked else None,
                escalated=[again for again in escalated if again.change_id == one.id],
                people=people,
                waits=waits,
            )
            for one in shown
        ],
        "earlier_changes": len(found) > len(shown),
    }


def _change(
    row: Any,
    reports: Sequence[Any],
    alerts: Sequence[Any],
    *,
    seen: list[Acknowledgement],
    asked: Owed | None,
    escalated: Sequence[Any],
    people: People,
    waits: Waits,
) -> ChangeOfCase:
    decision = json.loads(row.decision)
    return {
        "id": row.id,
        "status": row.status,
        "tags": row.tags.split(),
        "text": row.text,
        "at": iso(row.at),
        "late": bool(row.late),
        "decided_at": iso(row.decided_at),
        "event": row.event_id,
        "origin": row.origin,
        "events": [report.id for report in reports],
        "sources": sorted({report.source for report in reports}),
        "flags": sorted({flag for report in reports for flag in report.flags.split()}),
        "outcome": decision["outcome"],
        "because": decision["because"],
        "told": [_told(alert, meant_for(told(alert), people), waits(alert)) for alert in alerts],
        "acknowledged": seen,
        "owed": asked,
        "escalations": list(map(escalation, escalated)),
    }


def _told(row: Any, whom: str | None, waits: str | None) -> Told:
    return {
        "alert": row.id,
        "kind": row.kind,
        "channel": row.channel,
        "target": row.target,
        "person": row.person,
        "meant_for": whom,
        "urgent": row.priority == 0,
        "state": row.state,
        "reason": row.reason,
        "created_at": iso(row.created_at),
        "sent_at": iso_or_none(row.sent_at),
        "deferred_until": iso(row.not_before) if row.state == AlertState.DEFERRED else None,
        "waits": waits,
        "dismissed_at": iso_or_none(row.dismissed_at),
    }
