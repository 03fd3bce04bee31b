"""What runs in the background: the same step again and again, until the server ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.telemetry import Log

#: Seconds without progress after which a step counts as stuck. The longest that a step may rightly
#: take at once is the import of a firm's list of cases.
STUCK_AFTER = 600.0


class Loop:
    """Takes a step whenever it is woken, or after a while; start it with `async with`.

    A step that fails is taken again at the next occasion: a defect of ours is logged, a failure of
    the storage is counted by `storage_fails`. A step that does many things, one after the other,
    says so by `progress`: otherwise it is taken for stuck.

    Args:
        name: of the task, and of the loop in the log.
        every: seconds after a step until the next one; without it only `wake` leads to one.
        at_once: take the first step at the start, and not only at the first occasion.
        wakeup: what `wake` sets, where somebody had to be able to set it before.
    """

    def __init__(
        self,
        step: Callable[[], Awaitable[object]],
        *,
        name: str,
        clock: Clock,
        log: Log,
        every: float | None = None,
        at_once: bool = False,
        wakeup: asyncio.Event | None = None,
        storage_fails: Callable[[], object] = lambda: None,
    ) -> None:
        self._step = step
        self._name = name
        self._clock = clock
        self._log = log
        self._every = every
        self._at_once = at_once
        self._wakeup = wakeup or asyncio.Event()
        self._storage_fails = storage_fails
        #: Whether this step is the last.
        self.finishing = False
        self._task: asyncio.Task[None] | None = None
        #: When the step that is being taken last got on, on the monotonic clock; None between two.
        self._progressed_at: float | None = None

    def start(self) -> None:
        """Begin; somebody has to `finish` it or leave its block."""
        if self._at_once:
            self._wakeup.set()
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End at once, in the middle of a step too."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._task is not None and not self._task.done()

    @property
    def stuck_after(self) -> float:
        """Seconds without progress after which a step counts as stuck."""
        return STUCK_AFTER

    @property
    def turns(self) -> bool:
        """Whether it runs, and is not stuck in a step."""
        since = self._progressed_at
        return self.alive and (since is None or self._clock.monotonic() - since < self.stuck_after)

    def progress(self) -> None:
        """Note that the step that is being taken gets on."""
        if self._progressed_at is not None:
            self._progressed_at = self._clock.monotonic()

    def wake(self) -> None:
        """Say that there is something to do."""
        self._wakeup.set()

    async def finish(self) -> None:
        """Let the step that is being taken end, and take no other."""
        self.finishing = True
        self._wakeup.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self._occasion()
            if self.finishing:
                return
            # Before the step: what is said meanwhile leads to another.
            self._wakeup.clear()
            self._progressed_at = self._clock.monotonic()
            try:
                await self._step()
            except StorageUnavailable:
                self._storage_fails()
            except Exception as error:  # noqa: BLE001 - a defect must not end the loop
                self._log.error("loop.defect", loop=self._name, error=error)
            finally:
                self._progressed_at = None

    async def _occasion(self) -> None:
        """Wait until it is woken, or has rested long enough."""
        timer, rest = None, self._rest()
        if rest is not None and not self._wakeup.is_set():
            # Not wait_for: on Python 3.11 it can swallow a cancellation that comes with a wake-up.
            timer = asyncio.create_task(self._wake_after(rest), name=self._name)
        try:
            await self._wakeup.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _rest(self) -> float | None:
        """Seconds until the next step."""
        return self._every

    async def _wake_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._wakeup.set()
