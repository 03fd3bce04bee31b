"""Deliveries after the first of their event: a hundred one by one, then counted in one row.

Whoever has a delivery can post it without end. It must not fill the disk, and each is counted.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace
from sqlalchemy import Select, bindparam, func, select

from casebell.clock import MINUTE
from casebell.events import AppendOutcome, CaseEvent
from casebell.store.rows import DeliveryRow, RepeatsRow, StoredEvent, TallyRow, encode_set
from casebell.store.schema import deliveries
from casebell.store.statements import Driver, Query, Write, among, insert

#: Repeats of an event that have a row and a journal entry each. Those after them share a row, and
#: an entry a minute.
ITEMISED_REPEATS = 100

_NEW_DELIVERIES = insert(deliveries, DeliveryRow)


def _repeats(backend: str) -> Select[Any]:
    of_event = deliveries.c.event_id
    counted = (
        select(of_event, func.count().label("rows"), func.max(deliveries.c.id).label("last"))
        .where(among(of_event, backend))
        .group_by(of_event)
        .subquery()
    )
    return select(counted, deliveries.c.at, deliveries.c.times).join(
        deliveries, deliveries.c.id == counted.c.last
    )


_REPEATS = Query(RepeatsRow, _repeats)
_TALLIES = Write(
    TallyRow,
    lambda _: (
        deliveries.update()
        .where(deliveries.c.id == bindparam("of_delivery"))
        .values(
            {name: bindparam(name) for name in TallyRow.__struct_fields__ if name != "of_delivery"}
        )
    ),
)
#: Of an event that came once.
_NO_REPEATS = RepeatsRow(event_id=0, rows=0, last=0, at=0, times=0)


class Repeat(NamedTuple):
    """A delivery after the first of its event."""

    #: How many there are, this one included.
    number: int
    #: Whether it is one of those that are counted in one row.
    counted: bool
    #: Whether it gets a journal entry.
    noted: bool


class Repeats:
    """Those of one transaction: `load`, `add`, `write`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        #: By event; including the deliveries of this transaction.
        self._known: dict[int, RepeatsRow] = {}
        self._itemised: list[DeliveryRow] = []
        self._new_tallies: dict[int, DeliveryRow] = {}
        self._tallies: dict[int, TallyRow] = {}

    async def load(self, event_ids: Iterable[int]) -> None:
        """Read how often these events came."""
        if ids := sorted(set(event_ids)):
            found = await self._driver.fetch(_REPEATS, among=ids)
            self._known = {row.event_id: row for row in found}

    def add(self, event: CaseEvent, *, of: StoredEvent, outcome: AppendOutcome) -> Repeat:
        """Add a delivery after the first of its event."""
        row = DeliveryRow(
            event_id=of.id,
            at=event.received_at,
            outcome=outcome._value_,
            idempotency_key=event.idempotency_key,
            address=event.address,
            secret_label=event.secret_label,
            request_id=event.request_id,
            flags=encode_set(event.flags),
            body_sha256=event.body_sha256,
            body=None if event.body_sha256 == of.body_sha256 else event.body,
        )
        before = self._known.get(of.id) or _NO_REPEATS
        if before.rows <= ITEMISED_REPEATS:
            after = replace(before, rows=before.rows + 1, last=0, at=row.at, times=1)
        else:
            after = replace(before, at=row.at, times=before.times + 1)
        counted = after.rows > ITEMISED_REPEATS
        if not counted:
            self._itemised.append(row)
        elif after.last:
            self._tallies[after.last] = _tally_row(row, after)
        else:
            # The row that counts is a new one itself. Written last, it has the highest id.
            self._new_tallies[of.id] = replace(row, times=after.times)
        self._known[of.id] = after
        return Repeat(
            number=after.rows - 1 + after.times,
            counted=counted,
            noted=after.rows > before.rows or row.at // MINUTE != before.at // MINUTE,
        )

    async def write(self) -> None:
        """Write all of them."""
        await self._driver.run(_NEW_DELIVERIES, [*self._itemised, *self._new_tallies.values()])
        await self._driver.run(_TALLIES, list(self._tallies.values()))


def _tally_row(row: DeliveryRow, after: RepeatsRow) -> TallyRow:
    return TallyRow(
        of_delivery=after.last,
        at=row.at,
        idempotency_key=row.idempotency_key,
        address=row.address,
        secret_label=row.secret_label,
        request_id=row.request_id,
        flags=row.flags,
        body_sha256=row.body_sha256,
        body=row.body,
        times=after.times,
    )
