"""How a test waits: until a condition holds, never for a fixed time."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

#: Seconds; far more than anything here needs, for a machine that is busy with other things.
TIMEOUT = 20.0
#: Seconds between two looks.
_LOOK_EVERY = 0.01


async def until(holds: Callable[[], Any], what: str, *, within: float = TIMEOUT) -> Any:
    """Look again and again until there is something, and return it.

    Args:
        holds: a function, perhaps a coroutine's.
        what: what is waited for, for the failure's message.
        within: seconds after which the test fails.
    """
    end = time.monotonic() + within
    while True:
        # Before the look: one that took long may still have found it.
        over = time.monotonic() > end
        found = holds()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert not over, _in_vain(what, within)
        await asyncio.sleep(_LOOK_EVERY)


def until_sync(holds: Callable[[], Any], what: str, *, within: float = TIMEOUT) -> Any:
    """Do the same where no loop runs."""
    end = time.monotonic() + within
    while True:
        over = time.monotonic() > end
        if found := holds():
            return found
        assert not over, _in_vain(what, within)
        time.sleep(_LOOK_EVERY)


def _in_vain(what: str, within: float) -> str:
    return f"waited {within:g} s in vain for {what}"
