"""Fetches an address of somebody who watches Casebell, as long as everything works.

Whoever runs that address tells when it was not fetched for too long: so a machine that is off, a
server that hangs and a network that is cut are noticed, of which Casebell itself can tell nobody.
Each server that shares a database fetches it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import SecretStr

from casebell.alerts import FailureReason
from casebell.clock import Clock, iso_or_none
from casebell.events import Micros
from casebell.loops import Loop
from casebell.notify import http_client, outward
from casebell.notify.apprise_warnings import mute_loggers
from casebell.notify.reasons import result_of
from casebell.settings.models import Ops
from casebell.telemetry import Log, Metrics

#: Seconds for one time.
TIMEOUT: Final = 8.0
#: Most seconds until the next time where the last one failed, or was not made.
RETRY_WITHIN: Final = 60.0

_TIMED_OUT: Final = (FailureReason.TIMEOUT, FailureReason.CONNECT_TIMEOUT)


class Heartbeat(Loop):
    """Fetches `ops.heartbeat` every `ops.heartbeat_every`; start it with `async with`.

    The address is a secret, and stands in no log, answer or error.

    Args:
        ops: returns the settings in force.
        failing: returns the names of the checks of `/ready` that fail now.
    """

    def __init__(
        self,
        *,
        ops: Callable[[], Ops],
        failing: Callable[[], Awaitable[list[str]]],
        clock: Clock,
        metrics: Metrics,
        log: Log,
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__(self.beat, name="heartbeat", at_once=True, clock=clock, log=log)
        mute_loggers()
        self._ops = ops
        self._failing = failing
        self._metrics = metrics
        self._timeout = timeout
        #: Of which the rest is said.
        self._address: SecretStr | None = None
        self._forget()

    def _forget(self) -> None:
        self._last_ok_at: Micros | None = None
        #: Since when it fails (monotonic seconds), and why.
        self._failing_since: float | None = None
        self._detail = ""
        #: The checks for which it was not fetched.
        self._withheld: list[str] = []

    def _rest(self) -> float | None:
        ops = self._ops()
        if ops.heartbeat is None:
            return None
        if self._failing_since is None and not self._withheld:
            return ops.heartbeat_every
        return min(ops.heartbeat_every, RETRY_WITHIN)

    async def beat(self) -> None:
        """Fetch the address, unless something fails."""
        address = self._ops().heartbeat
        if address != self._address:
            self._address = address
            self._forget()
        if address is None:
            return
        failing = await self._failing()
        if failing and failing != self._withheld:
            self._log.warning("heartbeat.withheld", checks=failing)
        self._withheld = failing
        if failing:
            self._metrics.heartbeats.labels("withheld").inc()
            return
        if detail := await self._fetch(address.get_secret_value()):
            self._failed(detail)
        else:
            self._worked()

    async def state(self) -> Mapping[str, Any]:
        """How it stands, for operators."""
        since = self._failing_since
        return {
            "configured": self._ops().heartbeat is not None,
            "last_ok_at": iso_or_none(self._last_ok_at),
            "failing": since is not None,
            "seconds": 0 if since is None else round(self._clock.monotonic() - since),
            "detail": self._detail,
            "withheld": self._withheld,
        }

    async def _fetch(self, url: str) -> str:
        """Why it could not be fetched, in words without the address; "" where it was."""
        if not http_client.is_usable(url):
            return "its host can be no name"
        try:
            context = await asyncio.to_thread(outward.tls_context)
        except OSError:
            return f"{outward.authorities()} cannot be read"
        exchange = await http_client.exchange("GET", url, within=self._timeout, context=context)
        result = result_of(
            delivered=exchange.status is not None and 200 <= exchange.status < 300,
            exchanges=[exchange],
            service="heartbeat",
            watched=True,
            now=self._clock.now(),
        )
        if result.delivered:
            return ""
        if exchange.error and result.reason in _TIMED_OUT:
            return f"no answer within {self._timeout:g} s"
        return result.detail

    def _failed(self, detail: str) -> None:
        self._metrics.heartbeats.labels("failed").inc()
        if self._failing_since is None or detail != self._detail:
            self._log.warning("heartbeat.failed", detail=detail)
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
        self._detail = detail

    def _worked(self) -> None:
        self._metrics.heartbeats.labels("ok").inc()
        if self._failing_since is not None:
            self._log.info("heartbeat.works")
        self._failing_since, self._detail = None, ""
        self._last_ok_at = self._clock.now()
