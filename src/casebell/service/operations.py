"""What an operator can do to what is stored: one place for the running server and for the CLI."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from casebell.clock import Clock, iso
from casebell.errors import NotFound, Refusal
from casebell.events import HeldReason
from casebell.notify.dispatcher import Dispatcher
from casebell.receive import release
from casebell.receive.readmit import Readmissions, choose
from casebell.service import Verb
from casebell.service.filters import Given, alert_filter, word
from casebell.service.names import must_be_known
from casebell.settings import Settings
from casebell.settings.values import nearest
from casebell.store import failed, held, marks
from casebell.store.engine import Connection, Store
from casebell.store.event_log import EventLog

#: Alerts that one transaction changes.
AT_A_TIME = 500


class Operations:
    """The operator's verbs; `actor` is who is named in the journal.

    Args:
        settings: those in force.
        changed: called after something was done that the loops should look at.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        dispatcher: Dispatcher,
        event_log: EventLog,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._dispatcher = dispatcher
        self._event_log = event_log
        self._clock = clock
        self._changed = changed

    def verbs(self, *, actor: str) -> Mapping[str, Verb]:
        """What may be asked for by name, in somebody's name."""
        return {
            "retry_alerts": partial(self.retry_alerts, actor=actor),
            "dismiss_alerts": partial(self.dismiss_alerts, actor=actor),
            "release_held": partial(self.release_held, actor=actor),
            "discard_held": partial(self.discard_held, actor=actor),
            "readmit_refused": partial(self.readmit_refused, actor=actor),
            "record_backup": partial(self.record_backup, actor=actor),
            "test_channel": self.test_channel,
        }

    async def retry_alerts(
        self,
        *,
        ids: Sequence[int] = (),
        note: str | None = None,
        actor: str,
        **filters: str | None,
    ) -> Mapping[str, Any]:
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
            failed.retry, ids, filters, actor=actor, note=note, may=self._can_be_sent
        )

    async def dismiss_alerts(
        self,
        *,
        ids: Sequence[int] = (),
        note: str | None = None,
        actor: str,
        **filters: str | None,
    ) -> Mapping[str, Any]:
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
        actor: str,
        note: str | None,
        may: Callable[[Any], bool] = lambda _: True,
    ) -> Mapping[str, Any]:
        """Do something to failed alerts, a few hundred at a time; deliveries come in between.

        Args:
            may: whether it may be done to this one.
        """
        do = partial(do, actor=actor, note=note)
        now = self._clock.now()
        zone = self._settings().server.timezone
        where = alert_filter(filters, outstanding=True, timezone=zone, now=now)
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

    def _can_be_sent(self, row: Any) -> bool:
        """Whether the configuration has the channel and the target of an alert."""
        channel = self._dispatcher.channels.by_name.get(row.channel)
        return channel is not None and row.target in channel.targets

    async def release_held(
        self, *, ids: Sequence[int] = (), reason: str | None = None, actor: str
    ) -> Mapping[str, Any]:
        """Try again to understand held deliveries, with today's configuration.

        Args:
            ids: those meant; () means all that are held.
            reason: of all, only those held for this reason.

        Raises:
            NotFound, Refusal: one of `ids` is not held; those before it may be released.
        """
        chosen = await release.choose(
            self._store,
            ids,
            reason=None if reason is None else word(HeldReason, reason, noun="reason"),
        )
        releases = release.Releases(
            store=self._store,
            settings=self._settings(),
            event_log=self._event_log,
            clock=self._clock,
            actor=actor,
        )
        results = await releases.release(chosen)
        if any(one.status != "still_held" for one in results):
            self._changed()
        return {
            "held": [
                {
                    "held": one.held_id,
                    "status": one.status,
                    "event": one.event_id,
                    "part": one.part,
                    "problem": one.problem,
                    "hint": one.hint,
                }
                for one in results
            ],
        }

    async def discard_held(self, *, held_id: int, actor: str) -> Mapping[str, Any]:
        """Close a held delivery without acting on it; its body is kept."""
        await self._store.transact(held.discard, held_id, now=self._clock.now(), actor=actor)
        return {"held": held_id, "status": "discarded"}

    async def readmit_refused(
        self, *, ids: Sequence[int] = (), source: str | None = None, actor: str
    ) -> Mapping[str, Any]:
        """Check refused deliveries again with today's secrets.

        Args:
            ids: those meant; () means all that brought something that can be checked.
            source: of all, only those of this source.

        Raises:
            NotFound: one of `ids` is not remembered; nothing is checked then.
            BadArgument: nothing has the name of this source.
        """
        await self._must_be_known({"source": source})
        chosen = await choose(self._store, ids, source=source)
        readmissions = Readmissions(
            store=self._store,
            settings=self._settings(),
            event_log=self._event_log,
            clock=self._clock,
            actor=actor,
        )
        results = await readmissions.readmit(chosen)
        readmitted = sum(one.is_in for one in results)
        if readmitted:
            self._changed()
        return {
            "readmitted": readmitted,
            "refused": [
                {
                    "refused": one.refused_id,
                    "source": one.source,
                    "status": one.status,
                    "error": one.error,
                    "event": one.event_id,
                    "held": one.held_id,
                }
                for one in results
            ],
        }

    async def record_backup(self, *, events: int, entries: int, actor: str) -> Mapping[str, Any]:
        """Record that a backup was made."""
        now = self._clock.now()
        await self._store.transact(
            marks.record_backup, now=now, events=events, entries=entries, actor=actor
        )
        return {"at": iso(now)}

    async def test_channel(self, *, name: str) -> Mapping[str, Any]:
        """Send a marked test message by the real path to each target of a channel."""
        if name not in self._settings().channels:
            raise NotFound(
                "There is no channel of this name.",
                hint=nearest(name, self._settings().channels)
                or "`casebell check` lists the channels.",
            )
        results = await self._dispatcher.test(name, test_id=uuid.uuid4().hex)
        return {
            "channel": name,
            "targets": [
                {
                    "target": target,
                    "outcome": result.outcome,
                    "reason": result.reason,
                    "detail": result.detail,
                    "delivered": result.delivered,
                }
                for target, result in results
            ],
        }


def _nobody_to_go_to(row: Any) -> Refusal:
    return Refusal(
        f"Alert {row.id} has nobody to go to: the configuration no longer has its channel "
        f"“{row.channel}”, or no longer the target “{row.target}” in it.",
        hint=f"Bring it back and retry, or `casebell alerts dismiss {row.id}`.",
    )
