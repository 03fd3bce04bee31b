"""What can be done to what is stored by the database alone: no secret is needed for it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from casebell.actors import Actor
from casebell.clock import Clock, iso
from casebell.errors import BadArgument, Refusal
from casebell.service import Verb
from casebell.service.done import AlertsDone, HeldDiscarded
from casebell.service.filters import Given, alert_filter
from casebell.service.names import must_be_known
from casebell.settings import Settings
from casebell.store import failed, held, journal, marks
from casebell.store.engine import Connection, Store

#: Alerts that one transaction changes.
AT_A_TIME = 500


class OnRecord:
    """Verbs that the database suffices for; the journal names the actor of each.

    Args:
        settings: those in force.
        has_target: whether the configuration has whom the row of an alert is for.
        changed: called after something was done that the loops should look at.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        has_target: Callable[[Any], bool],
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._has_target = has_target
        self._clock = clock
        self._changed = changed

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "retry_alerts": self.retry_alerts,
            "dismiss_alerts": self.dismiss_alerts,
            "discard_held": self.discard_held,
            "record_backup": self.record_backup,
            "record_export": self.record_export,
        }

    async def retry_alerts(
        self,
        *,
        ids: Sequence[int] = (),
        note: str | None = None,
        actor: Actor,
        **filters: str | None,
    ) -> AlertsDone:
        """Send failed alerts again.

        Args:
            ids: those meant; () means all that are outstanding and match the filters. Of all, those
                stay failed whose channel or target the configuration no longer has.
            note: why, for the journal.

        Raises:
            BadArgument: a filter cannot be understood.
            NotFound: one of `ids` is no alert's; nothing is done then.
            Refusal: one is not failed, or has nobody to go to; nothing is done then.
        """
        return await self._each_failed(
            failed.retry, ids, filters, actor=actor, note=note, may=self._has_target
        )

    async def dismiss_alerts(
        self,
        *,
        ids: Sequence[int] = (),
        note: str | None = None,
        actor: Actor,
        **filters: str | None,
    ) -> AlertsDone:
        """Say of failed alerts that nothing remains to be done; chosen as for `retry_alerts`.

        Raises:
            BadArgument, NotFound, Refusal: as there; a dismissed one is refused, too.
        """
        return await self._each_failed(failed.dismiss, ids, filters, actor=actor, note=note)

    async def _each_failed(
        self,
        do: Callable[..., Awaitable[None]],
        ids: Sequence[int],
        filters: Given,
        *,
        actor: Actor,
        note: str | None,
        may: Callable[[Any], bool] = lambda _: True,
    ) -> AlertsDone:
        """Do something to failed alerts, a few hundred at a time; deliveries come in between.

        Args:
            may: whether it may be done to this one.
        """
        do = partial(do, actor=actor, note=note)
        now, settings = self._clock.now(), self._settings()
        where = alert_filter(filters, actor=actor, outstanding=True, settings=settings, now=now)
        chosen = list(dict.fromkeys(ids))

        async def named(connection: Connection) -> None:
            for start in range(0, len(chosen), AT_A_TIME):
                some = chosen[start : start + AT_A_TIME]
                await do(connection, some, now=now)
                for row in await failed.addressees(connection, some):
                    if not may(row):
                        raise _nobody_to_go_to(row)

        async def matching(connection: Connection, after: int) -> Sequence[Any]:
            rows = await failed.next_outstanding(connection, where, after=after, limit=AT_A_TIME)
            await do(connection, [row.id for row in rows if may(row)], now=now)
            return rows

        done: list[int] = []
        left: list[int] = []
        if ids:
            await self._store.transact(named)
            done = chosen
        else:
            await self._must_be_known(filters)
            after = 0
            while rows := await self._store.transact(matching, after):
                done += [row.id for row in rows if may(row)]
                left += [row.id for row in rows if not may(row)]
                after = rows[-1].id
        if done:
            self._changed()
        return {"alerts": done, "left": left}

    async def _must_be_known(self, given: Given) -> None:
        async with self._store.read() as connection:
            await must_be_known(connection, given, self._settings())

    async def discard_held(self, *, held_id: int, actor: Actor) -> HeldDiscarded:
        """Close a held delivery without acting on it; its body is kept."""
        await self._store.transact(held.discard, held_id, now=self._clock.now(), actor=actor)
        return {"held": held_id, "status": "discarded"}

    async def record_backup(self, *, events: int, entries: int, actor: Actor) -> Mapping[str, Any]:
        """Record that a backup was made."""
        now = self._clock.now()
        await self._store.transact(
            marks.record_backup, now=now, events=events, entries=entries, actor=actor
        )
        return {"at": iso(now)}

    async def record_export(
        self, *, kind: str, subject: str, data: Mapping[str, Any], actor: Actor
    ) -> Mapping[str, Any]:
        """Record that somebody exports on the store itself, or has."""
        now = self._clock.now()
        if kind not in ("export.started", "export.ended"):
            raise BadArgument("This is no record of an export.")
        entry = journal.Entry.of(actor, at=now, kind=kind, subject=subject, data=data)
        await self._store.transact(journal.append, [entry])
        return {"at": iso(now)}


def _nobody_to_go_to(row: Any) -> Refusal:
    return Refusal(
        f"Alert {row.id} has nobody to go to: the configuration no longer has its channel "
        f"“{row.channel}”, or no longer the target “{row.target}” in it.",
        hint=f"Bring it back and retry, or `casebell alerts dismiss {row.id}`.",
    )
