"""Writes what looks at cases came to: what is news is stored and decided, as if it was delivered.

A transaction finds out what is news, stores it, and says that the case was checked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from casebell.clock import SECOND, Clock
from casebell.errors import StorageUnavailable
from casebell.events import CaseEvent, Flag, Micros, Tag, is_first_look
from casebell.receive.parts import Part, appended_of, write_parts
from casebell.route.fold import is_placeholder
from casebell.settings.upstream import UpstreamSettings
from casebell.store import queries, reconciliations, tracked
from casebell.store.engine import Connection, Store
from casebell.store.event_log import Appended, EventLog
from casebell.store.reconciliations import Run
from casebell.store.tracked import Checked, Tracked
from casebell.telemetry import Log
from casebell.upstream.looks import Look
from casebell.upstream.news import Classified, Known, digest, in_order, news_of
from casebell.uscis.receipts import mask_in_log

#: Seconds for which a run is one server's, from its last write. What is asked between two writes
#: takes less, unless the API hangs; then another may go on with the run.
LEASE: Final = 180.0
#: Events of one transaction: deliveries wait for it.
MOST_EVENTS: Final = 64


class NotOurs(Exception):
    """The run is this server's no more."""


@dataclass(kw_only=True, slots=True)
class Written:
    """What a transaction came to."""

    appended: list[Appended] = field(default_factory=list)
    completed: int = 0
    found: int = 0
    first_looks: int = 0
    failed: int = 0
    newly_failed: int = 0
    holds: bool = False


class Writing:
    """Writes looks.

    Args:
        classified: an event with the status that counts and its tags, by the rules in force.
        owner: this process, in leases.
        held_back: called after something was held, so that operations hear of it.
    """

    def __init__(
        self,
        *,
        store: Store,
        event_log: EventLog,
        classified: Classified,
        owner: str,
        clock: Clock,
        log: Log,
        held_back: Callable[[], None],
    ) -> None:
        self._store = store
        self._event_log = event_log
        self._classified = classified
        self._owner = owner
        self._clock = clock
        self._log = log
        self._held_back = held_back

    async def write(
        self, upstream: UpstreamSettings, looks: Sequence[Look], *, run: Run | None
    ) -> Written:
        """Write what looks came to, in as many transactions as it takes.

        Raises:
            NotOurs: another server works on the run; it will find what was not written.
        """
        total = Written()
        left = list(looks)
        while left:
            try:
                written = await self._store.transact(self._put, upstream, left, run)
            except (StorageUnavailable, NotOurs):
                raise
            except Exception:  # noqa: BLE001 - of any kind: of one case, and others go on
                written = await self._put_singly(upstream, left[0], run)
            self._committed(written)
            left = left[written.completed :]
            total.found += written.found
            total.first_looks += written.first_looks
            total.failed += written.failed
        return total

    async def _put_singly(self, upstream: UpstreamSettings, look: Look, run: Run | None) -> Written:
        """The same of the first alone; a case that cannot be written fails by itself."""
        try:
            return await self._store.transact(self._put, upstream, [look], run)
        except (StorageUnavailable, NotOurs):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._log.error("reconcile.defect", receipt=mask_in_log(look.row.receipt), error=error)
            problem = f"A defect of Casebell: {type(error).__name__}. The log says where."
        failed = Look(row=look.row, problem=problem)
        return await self._store.transact(self._put, upstream, [failed], run)

    async def _put(
        self,
        connection: Connection,
        upstream: UpstreamSettings,
        looks: Sequence[Look],
        run: Run | None,
    ) -> Written:
        """Write what the first looks came to, as many as fit."""
        name, now = upstream.name, self._clock.now()
        dated = upstream.kind != "torch"
        receipts = [look.row.receipt for look in looks]
        rows = await tracked.rows_of(connection, name, receipts)
        present = await tracked.present(connection, receipts)
        changed = {
            look.row.receipt
            for look in looks
            if look.present is not None
            and not _is_as_before(
                look, rows[look.row.receipt], present[look.row.receipt].change_id, dated=dated
            )
        }
        events = await tracked.known_events(connection, changed) if changed else {}
        first = {receipt for receipt in changed if rows[receipt].first_told_at is None}
        since = await tracked.told_since(connection, first) if first else {}
        parts: list[Part] = []
        completed: list[Look] = []
        for look in looks:
            receipt = look.row.receipt
            new = [*look.held]
            if receipt in changed:
                known = Known(
                    row=rows[receipt],
                    present=present[receipt].change_id,
                    status=present[receipt].status,
                    events=events[receipt],
                    told_since=since.get(receipt),
                )
                new += _news(look, known, classified=self._classified)
            room = MOST_EVENTS - len(parts)
            if len(new) > room and parts:
                break
            parts += new[:room]
            if len(new) > room:
                # The rest of it follows in the next transaction, which knows these.
                break
            completed.append(look)
        written = Written(completed=len(completed))
        if parts:
            await queries.keep_last_delivery(connection, upstream.source)
            taken = await write_parts(connection, parts, event_log=self._event_log)
            written.appended = appended_of(taken)
            written.holds = len(written.appended) < len(taken)
            present = await tracked.present(connection, receipts)
        written.found = sum(map(_is_missed, written.appended))
        checked_at = now if run is None else max(now, run.takes_before)
        checked = []
        for look in completed:
            row = rows[look.row.receipt]
            if look.problem is not None:
                written.failed += 1
                written.newly_failed += look.problem != row.problem
            if look.present is not None and row.first_told_at is None:
                written.first_looks += 1
            checked.append(
                _checked(look, row, present[row.receipt].change_id, now=checked_at, dated=dated)
            )
        await tracked.put_checked(connection, checked)
        await tracked.note_asked(connection, name, _asked(written.appended))
        if run is not None and not await reconciliations.extend(
            connection,
            run.id,
            owner=self._owner,
            until=now + round(LEASE * SECOND),
            checked=len(completed),
            found=written.found,
            first_looks=written.first_looks,
            failed=written.failed,
            newly_failed=written.newly_failed,
        ):
            raise NotOurs
        return written

    def _committed(self, written: Written) -> None:
        if written.appended:
            self._event_log.committed(written.appended)
        if written.holds:
            self._held_back()


def _is_as_before(look: Look, row: Tracked, present: int | None, *, dated: bool) -> bool:
    """Whether a case is as at the last look, so that there is nothing to compare.

    Of an API without a history it counts, too, what webhooks brought since: it may be so again.
    """
    if look.present is None or row.first_told_at is None:
        return False
    if digest(look.present, dated=dated) != row.last_state:
        return False
    return look.history is None and (dated or present == row.last_change)


def _news(look: Look, known: Known, *, classified: Classified) -> list[Part]:
    """What is news of what was told of a case, oldest first."""
    if look.present is None or look.verified is None:
        return []
    history = [one.said for one in look.history or () if isinstance(one.said, CaseEvent)]
    new = news_of(in_order(history, look.present), known, classified=classified)
    return [Part(look.verified, one) for one in new]


def _is_missed(one: Appended) -> bool:
    """Whether it is a change that no webhook had delivered."""
    decided = one.decided
    if decided is None or decided.decision is None or is_first_look(decided.event.flags):
        return False
    event = decided.event
    return Tag.TEST not in event.tags and not is_placeholder(event.status, event.tags)


def _asked(appended: Sequence[Appended]) -> dict[str, int]:
    """By receipt, the change of a first look that asks for something."""
    return {
        one.event.receipt: one.decided.change.id
        for one in appended
        if one.decided is not None
        and one.decided.asked is not None
        and Flag.BASELINE in one.decided.event.flags
    }


def _checked(look: Look, row: Tracked, present: int | None, *, now: Micros, dated: bool) -> Checked:
    told = look.present is not None
    state = row.last_state
    if look.present is not None and not look.partial:
        state = digest(look.present, dated=dated)
    return Checked(
        upstream=row.upstream,
        receipt=row.receipt,
        checked_at=max(now, row.checked_at),
        first_told_at=row.first_told_at or (now if told else None),
        last_state=state,
        last_change=present if told else row.last_change,
        problem=look.problem,
    )
