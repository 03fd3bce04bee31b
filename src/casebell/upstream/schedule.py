"""Reconciles by itself, as often as each API's `reconcile` says; one server at a time does."""

from collections.abc import Callable

from casebell.actors import SERVER
from casebell.clock import SECOND, Clock
from casebell.events import Micros
from casebell.loops import Loop
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings
from casebell.store import reconciliations
from casebell.store.engine import Store
from casebell.store.reconciliations import Run
from casebell.telemetry import Log, Metrics
from casebell.upstream.reconcile import Reconciler

#: Seconds between two looks at what is due. No interval is shorter than a minute.
EVERY = 30.0
#: Seconds that one API is asked before others have their turn.
TURN = 120.0


class Schedule(Loop):
    """Looks for reconciliations that are due; start it with `async with`.

    Args:
        settings: returns those in force.
    """

    def __init__(
        self,
        *,
        store: Store,
        reconciler: Reconciler,
        settings: Callable[[], Settings],
        clock: Clock,
        metrics: Metrics,
        log: Log,
    ) -> None:
        super().__init__(
            self._go_on,
            name="reconciliation",
            every=EVERY,
            at_once=True,
            clock=clock,
            log=log,
            storage_fails=metrics.storage_errors.labels("upstream").inc,
        )
        self._store = store
        self._reconciler = reconciler
        self._settings = settings

    def _rest(self) -> float | None:
        """Seconds until the next look; none where nothing is asked by itself."""
        if any(one.reconcile is not None for one in self._settings().upstream.values()):
            return super()._rest()
        return None

    async def _go_on(self) -> None:
        """Work on what is due, in turns, until nothing is."""
        due = list(self._settings().upstream)
        while due and not self.finishing:
            due = [name for name in due if await self._turn(name)]

    async def _turn(self, name: str) -> bool:
        """Work on one API for a while, if it is due; returns whether it goes on at once."""
        upstream = self._settings().upstream.get(name)
        if upstream is None or self.finishing or not await self._is_due(upstream):
            return False
        stand = await self._reconciler.go_on(
            upstream,
            seconds=TURN,
            by=SERVER,
            stop=lambda: self.finishing,
            progress=self.progress,
            wait=False,
        )
        self.progress()
        return not stand.done and stand.waits is None and not stand.elsewhere

    async def _is_due(self, upstream: UpstreamSettings) -> bool:
        async with self._store.read() as connection:
            run = await reconciliations.latest(connection, upstream.name)
        return is_due(run, upstream, now=self._clock.now())


def is_due(run: Run | None, upstream: UpstreamSettings, *, now: Micros) -> bool:
    """Whether an API is to be asked now by itself.

    A run that somebody began by hand is not left half done.

    Args:
        run: its latest.
    """
    if upstream.reconcile is None:
        return False
    if run is not None and run.ended_at is None:
        return run.waits_until is None or run.waits_until <= now
    # A clock that was ahead must not put it off.
    return run is None or not 0 <= now - run.began_at < round(upstream.reconcile * SECOND)
