"""What can be done to what is stored where deliveries are understood and alerts sent."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from casebell.actors import Actor
from casebell.clock import Clock
from casebell.errors import NotFound
from casebell.events import HeldReason
from casebell.notify.dispatcher import Dispatcher
from casebell.receive import release
from casebell.receive.readmit import Readmissions, choose
from casebell.service import Verb
from casebell.service.done import ChannelTested, Readmitted, Released
from casebell.service.filters import word
from casebell.service.on_record import OnRecord
from casebell.settings import Settings
from casebell.settings.values import nearest
from casebell.store import journal
from casebell.store.engine import Store
from casebell.store.event_log import EventLog


class Operations(OnRecord):
    """The verbs on record, and those that understand deliveries or send."""

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
        def has_target(row: Any) -> bool:
            # Of the channels in force then: a reload replaces them.
            return dispatcher.channels.has(row)

        super().__init__(
            store=store,
            settings=settings,
            has_target=has_target,
            clock=clock,
            changed=changed,
        )
        self._dispatcher = dispatcher
        self._event_log = event_log

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            **super().verbs(),
            "release_held": self.release_held,
            "readmit_refused": self.readmit_refused,
            "test_channel": self.test_channel,
        }

    async def release_held(
        self, *, ids: Sequence[int] = (), reason: str | None = None, actor: Actor
    ) -> Released:
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

    async def readmit_refused(
        self, *, ids: Sequence[int] = (), source: str | None = None, actor: Actor
    ) -> Readmitted:
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

    async def test_channel(self, *, name: str, actor: Actor) -> ChannelTested:
        """Send a marked test message by the real path to each target of a channel."""
        if name not in self._settings().channels:
            raise NotFound(
                "There is no channel of this name.",
                hint=nearest(name, self._settings().channels)
                or "`casebell check` lists the channels.",
            )
        test_id = uuid.uuid4().hex
        asked = journal.Entry.of(
            actor,
            at=self._clock.now(),
            kind="channel.tested",
            subject=f"channel:{name}",
            data={"test": test_id},
        )
        await self._store.transact(journal.append, [asked])
        results = await self._dispatcher.test(name, test_id=test_id)
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
