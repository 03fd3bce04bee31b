"""What an operator can do to what is stored: one place for the running server and for the CLI."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from casebell.clock import Clock
from casebell.errors import NotFound
from casebell.notify.dispatcher import Dispatcher
from casebell.receive.readmit import Readmissions, choose
from casebell.receive.release import release
from casebell.service import Verb
from casebell.settings import Settings
from casebell.store import held, outbox
from casebell.store.engine import Store
from casebell.store.event_log import EventLog


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
            "retry_alert": partial(self.retry_alert, actor=actor),
            "release_held": partial(self.release_held, actor=actor),
            "discard_held": partial(self.discard_held, actor=actor),
            "readmit_refused": partial(self.readmit_refused, actor=actor),
            "test_channel": self.test_channel,
        }

    async def retry_alert(self, *, alert_id: int, actor: str) -> Mapping[str, Any]:
        """Send a failed alert again."""
        await self._store.transact(outbox.retry, alert_id, now=self._clock.now(), actor=actor)
        self._changed()
        return {"alert": alert_id, "state": "pending"}

    async def release_held(self, *, held_id: int, actor: str) -> Mapping[str, Any]:
        """Try again to understand a held delivery, with today's configuration.

        Raises:
            StillHeld: it still cannot be understood; it stays held.
        """
        appended = await self._store.transact(
            release,
            held_id,
            settings=self._settings(),
            event_log=self._event_log,
            now=self._clock.now(),
            actor=actor,
        )
        self._event_log.committed([appended])
        self._changed()
        return {"held": held_id, "status": appended.outcome, "event": appended.event_id}

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
        """
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

    async def test_channel(self, *, name: str) -> Mapping[str, Any]:
        """Send a marked test message by the real path to each target of a channel."""
        if name not in self._settings().channels:
            raise NotFound(
                "There is no channel of this name.", hint="`casebell check` lists the channels."
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
