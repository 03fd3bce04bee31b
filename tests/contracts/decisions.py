"""Decisions for tests of the store: later than the event, or in its transaction."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from casebell.alerts import Decided, DecisionOutcome, NewAlert
from casebell.events import CaseEvent, Change, ClassifiedEvent, Micros, Status, Tag, Undecided
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, append_events
from casebell.store.statements import Driver
from casebell.store.unit_of_work import UnitOfWork, read_undecided
from contracts.case_events import OCCURRED_AT, RECEIVED_AT, classified, json_content

DECISION = {"outcome": "nobody", "notify": [], "rules": [], "because": "no rule «matched»"}


def decide_nothing(_unit: UnitOfWork) -> Sequence[Decided]:
    """Leave every event without a decision, as if deciding had failed."""
    return []


def make_decision(
    one: Undecided,
    *,
    change: int,
    known: bool = False,
    status: Status = Status.RFE_ISSUED,
    tags: frozenset[Tag] = frozenset({Tag.DEADLINE}),
    alerts: Sequence[NewAlert] = (),
    **fields: Any,
) -> Decided:
    """A decision that founds a change, or reports a known one."""
    flags = one.event.flags | fields.pop("flags", frozenset())
    event = classified(replace(one.event, flags=flags), status=status, tags=tags)
    at, seen_until = fields.pop("at", OCCURRED_AT), fields.pop("seen_until", OCCURRED_AT)
    return Decided(
        **{
            "id": one.id,
            "event": event,
            "outcome": DecisionOutcome.SAME_CHANGE if known else DecisionOutcome.NOBODY,
            "change": Change(
                id=change,
                receipt=event.receipt,
                status=status,
                tags=tags,
                text_key="request for evidence",
                at=at,
                seen_until=seen_until,
            ),
            "decision": None if known else DECISION,
            "at": at,
            "late": False,
            "current": False,
            "reason": "same status" if known else "first change",
            "alerts": tuple(alerts),
            **fields,
        }
    )


async def decide_later(
    store: Store,
    event_id: int,
    *,
    change: int | None = None,
    now: Micros = RECEIVED_AT,
    **fields: Any,
) -> int:
    """Decide about an event that is stored without a decision; the number of its change.

    Args:
        change: a known one that it reports; by default it founds one.
    """

    async def piece(connection: Connection) -> int:
        found, _ = await read_undecided(connection, after=event_id - 1, limit=1)
        unit = UnitOfWork(await Driver.of(connection))
        await unit.load([one.event for one in found])
        number = unit.next_change if change is None else change
        one = make_decision(found[0], change=number, known=change is not None, **fields)
        unit.decide(one, now=now)
        await unit.write()
        return number

    return await store.transact(piece)


async def append_undecided(connection: Connection, batch: Sequence[CaseEvent]) -> list[Appended]:
    """Append events inside the caller's transaction, without deciding about them."""
    return await append_events(connection, batch, content_of=json_content, decide=decide_nothing)


def decide_as_classified(unit: UnitOfWork) -> list[Decided]:
    """Let each event begin a change with the status that it was made with."""
    made = []
    for one in unit.undecided:
        assert isinstance(one.event, ClassifiedEvent)
        event = one.event
        made.append(
            make_decision(one, change=unit.next_change, status=event.status, tags=event.tags)
        )
        unit.decide(made[-1], now=RECEIVED_AT)
    return made


async def append_classified(
    connection: Connection, batch: Sequence[ClassifiedEvent]
) -> list[Appended]:
    """Append events inside the caller's transaction; each founds a change with its status."""
    return await append_events(
        connection, batch, content_of=json_content, decide=decide_as_classified
    )
