"""Counts and logs the requests of programs and of people."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Histogram

from casebell.actors import Actor
from casebell.clock import Clock
from casebell.errors import CasebellError, ShuttingDown, StorageUnavailable
from casebell.http.reading import SenderWentAway
from casebell.http.throttle import LogThrottle


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is said of a request."""

    #: The path of its route, since its own may name a case; "" where nothing is there.
    route: str
    method: str
    request_id: str
    #: When it came, on the monotonic clock.
    since: float
    #: Who asked, as far as that became known.
    actor: Actor | None


class RequestLog:
    """What becomes of requests; of failed ones a few lines a minute.

    Args:
        counted: by method, route and status.
        took: seconds.
        storage_fails: called when the storage failed one.
        say: logs a request.
        defect: logs a defect of ours in one.
    """

    def __init__(
        self,
        *,
        counted: Counter,
        took: Histogram,
        storage_fails: Callable[[], None],
        say: Callable[..., None],
        defect: Callable[..., None],
        clock: Clock,
    ) -> None:
        self._counted = counted
        self._took = took
        self._storage_fails = storage_fails
        self._say = say
        self._defect = defect
        self._clock = clock
        self._throttle = LogThrottle(clock)

    def note(self, facts: Facts, *, status: int, outcome: str = "") -> None:
        """Count and log a request.

        Args:
            outcome: the code of its error, or `abandoned`.
        """
        seconds = self._clock.monotonic() - facts.since
        # A method is a label only where there is a route: a stranger can make up any.
        method = facts.method if facts.route else ""
        self._counted.labels(method, facts.route, str(status)).inc()
        self._took.observe(seconds)
        left_out = self._throttle.line(outcome) if outcome else 0
        if left_out is None:
            return
        more: dict[str, Any] = {
            "actor": facts.actor.name if facts.actor else None,
            "outcome": outcome or None,
            "left_out": left_out or None,
        }
        self._say(
            route=facts.route,
            method=method,
            status=status,
            ms=round(seconds * 1000, 3),
            request_id=facts.request_id,
            **{name: value for name, value in more.items() if value is not None},
        )

    async def stream(self, sending: Awaitable[None], facts: Facts) -> None:
        """Send an export, and note it; a failure ends the connection: it is not taken for whole."""
        outcome = ""
        try:
            await sending
        except SenderWentAway:
            outcome = "abandoned"
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see `failure`
            outcome = self.failure(error, facts).code
        self.note(facts, status=200, outcome=outcome)

    def failure(self, error: BaseException, facts: Facts) -> CasebellError:
        """What whoever asked is told of an error; one that is none of ours is logged."""
        if isinstance(error, StorageUnavailable):
            self._storage_fails()
        if isinstance(error, CasebellError):
            return error
        if isinstance(error, asyncio.CancelledError):
            # The server ends, and its time for open requests is over.
            return ShuttingDown()
        self._defect(route=facts.route, request_id=facts.request_id, error=error)
        return CasebellError()
