"""New secrets, channels and rules for a server that runs, without losing a request.

read → prepare → journal → swap       config.reloaded
  └───────┴ cannot → journal, alert   config.rejected; nothing changed
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from casebell.actors import Actor, Role
from casebell.clock import Clock
from casebell.errors import CasebellError, ConfigError, StorageUnavailable
from casebell.loops import Loop
from casebell.notify.dispatcher import Dispatcher
from casebell.ops_messages import ConfigRejected, OpsMessage
from casebell.service.done import Reloaded
from casebell.settings import Settings, fingerprint
from casebell.settings.changes import changes, waiting_for_restart
from casebell.store import journal
from casebell.store.engine import Connection, Store
from casebell.store.ops import notify
from casebell.telemetry import Log, Metrics
from casebell.wiring import Wiring

#: Whoever may send a signal may do what the command line can.
_SIGNAL = Actor(name="signal", role=Role.ADMIN, watched=False)


class Reloader(Loop):
    """Reads the configuration anew when it is asked to, once at a time; start it with `async with`.

    At its end a configuration that is half read is not used.

    Args:
        in_force: the settings in force; at first what the server started with.
        read: reads the file; blocks, raises ConfigError.
        prepare: what follows from new settings; blocks, raises ConfigError.
        swap: puts that to use; neither waits nor fails.
        dispatcher: its running channels tell operations of a configuration that cannot be used.
        hangup: set by a signal to ask for a reload; several before it begins are one.
    """

    def __init__(
        self,
        *,
        in_force: Callable[[], Settings],
        read: Callable[[], Settings],
        prepare: Callable[[Settings], Wiring],
        swap: Callable[[Wiring], None],
        store: Store,
        dispatcher: Dispatcher,
        hangup: asyncio.Event,
        clock: Clock,
        metrics: Metrics,
        log: Log,
    ) -> None:
        super().__init__(self._reload, name="reloader", wakeup=hangup, clock=clock, log=log)
        self._started_with = in_force()
        self._in_force = in_force
        self._read = read
        self._prepare = prepare
        self._swap = swap
        self._store = store
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._turn = asyncio.Lock()

    async def reload(self, *, actor: Actor) -> Reloaded:
        """Use the file as it is now, or change nothing.

        Args:
            actor: who is named in the journal.

        Returns:
            What changed, by name, and what waits for a restart.

        Raises:
            ConfigError: it cannot be used; the server goes on with what it had.
            StorageUnavailable: it could not be journalled, and is not used.
        """
        async with self._turn:
            # In a thread: requests are answered meanwhile.
            sha256, found = await asyncio.to_thread(self._look)
            if isinstance(found, ConfigError):
                await self._reject(sha256, found, actor)
                raise found
            settings = found.settings
            changed = changes(self._in_force(), settings)
            waiting = waiting_for_restart(self._started_with, settings)
            try:
                await self._write_down(
                    "config.reloaded", actor, {"config_sha256": sha256, "changed": changed}
                )
            except StorageUnavailable as error:
                problems = [{"key": "", "message": error.message}]
                self._log.error("config.rejected", config_sha256=sha256, problems=problems)
                self._metrics.storage_errors.labels("reload").inc()
                raise
            self._swap(found)
        self._log.info("config.reloaded", config_sha256=sha256, changed=changed)
        if waiting:
            self._log.warning("config.needs_restart", keys=waiting)
        for warning in found.warnings:
            self._log.warning("config.warning", message=warning)
        return {
            "config_sha256": sha256,
            "changed": changed,
            "needs_restart": waiting,
            "warnings": list(found.warnings),
        }

    async def _reload(self) -> None:
        # What is wrong with it is told by then.
        with contextlib.suppress(CasebellError):
            await self.reload(actor=_SIGNAL)

    def _look(self) -> tuple[str, ConfigError | Wiring]:
        """The file's hash, and what it came to. Blocks."""
        sha256 = fingerprint(self._in_force().path)
        try:
            settings = self._read()
            return settings.sha256, self._prepare(settings)
        except ConfigError as error:
            return sha256, error

    async def _reject(self, sha256: str, error: ConfigError, actor: Actor) -> None:
        """Say why nothing changed: in the log, in the journal, and to operations."""
        problems = [{"key": one.key, "message": one.message} for one in error.problems]
        self._log.error("config.rejected", config_sha256=sha256, problems=problems)
        data = {"config_sha256": sha256, "problems": problems}
        try:
            await self._write_down("config.rejected", actor, data, _message(sha256, problems))
        except StorageUnavailable:
            # The log and whoever asked know; there is nothing to undo.
            self._metrics.storage_errors.labels("reload").inc()
        self._dispatcher.wake()

    async def _write_down(
        self, kind: str, actor: Actor, data: Mapping[str, Any], message: OpsMessage | None = None
    ) -> None:
        now = self._clock.now()
        entry = journal.Entry.of(actor, at=now, kind=kind, subject="server", data=data)

        async def write(connection: Connection) -> None:
            await journal.append(connection, [entry])
            if message is not None:
                # Through the channels that run.
                await notify(connection, message, to=self._dispatcher.channels.ops, now=now)

        await self._store.transact(write)


def _message(sha256: str, problems: Sequence[Mapping[str, str]]) -> ConfigRejected:
    """To operations, once for each state of the file.

    What is wrong may lie in the environment as well, so it is a part of the state.
    """
    lines = [f"{one['key']}: {one['message']}" for one in problems]
    state = hashlib.sha256("\n".join([sha256, *lines]).encode()).hexdigest()
    return ConfigRejected(
        config_sha256=sha256, state=state, problems=len(problems), first_problem=lines[0]
    )
