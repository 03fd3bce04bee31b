"""The status pages: `/health`, `/ready` and `/metrics`."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_network

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from casebell.alerts import DecisionOutcome
from casebell.clock import SECOND, Clock
from casebell.errors import (
    NotThere,
    QueueFull,
    ShuttingDown,
    StorageUnavailable,
    Unavailable,
    UnknownSource,
    refusing_codes,
)
from casebell.events import AppendOutcome, Micros
from casebell.http.addresses import Network, within
from casebell.http.answers import error_response
from casebell.notify.reasons import ENDS
from casebell.settings import Settings
from casebell.store import marks, pushed_out, queries, streaks
from casebell.store.engine import Store
from casebell.telemetry import Metrics

#: Seconds for which results of checks are reused: anybody may ask, and a check costs.
CHECKS_CACHED = 1.0
#: What a check comes to that makes the server not ready.
FAILING = "failing"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

#: What a delivery to a known source can come to.
OUTCOMES = (
    *AppendOutcome,
    "held",
    *refusing_codes(),
    *(one.code for one in (Unavailable, StorageUnavailable, QueueFull, ShuttingDown)),
)

#: A check: raises StorageUnavailable or returns False while its part is not ready. A word names
#: something that a person should see to, and that keeps no delivery out.
Check = Callable[[], Awaitable[bool | str]]


class StatusPages:
    """The three pages.

    Args:
        checks: of `/ready`, by name.
        metrics_from: networks that may read `/metrics`; to others it does not exist.
        settings: those in force.
        came: by source, when its last authentic delivery came since the server runs.
    """

    def __init__(
        self,
        *,
        store: Store,
        checks: Mapping[str, Check],
        metrics: Metrics,
        metrics_from: Callable[[], Sequence[Network]],
        settings: Callable[[], Settings],
        came: Mapping[str, Micros],
        clock: Clock,
    ) -> None:
        self._store = store
        if not store.is_sqlite:
            # PostgreSQL's own programs copy it, and we do not hear of it.
            metrics.registry.unregister(metrics.last_backup)
        self._checks = checks
        self._metrics = metrics
        self._metrics_from = metrics_from
        self._settings = settings
        self._came = came
        #: The same before the server started; read when the page is first asked for.
        self._had_come: Mapping[str, Micros] | None = None
        self._clock = clock
        self._lock = asyncio.Lock()
        self._results: dict[str, str] = {}
        #: The store's count of failures when they were made: one that came later is no "ok".
        self._failures = store.failures
        self._checked_at = -math.inf

    async def health(self, _request: Request) -> Response:
        """The process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Whether a delivery would be accepted now: 200 or 503, with the results of checks."""
        results = await self.checks()
        ready = FAILING not in results.values()
        return JSONResponse(
            {"status": "ready" if ready else "not_ready", "checks": results},
            status_code=200 if ready else 503,
            headers={} if ready else {"Retry-After": "5"},
        )

    async def metrics(self, request: Request) -> Response:
        """Prometheus text, for the configured addresses only."""
        if not self._may_read(request):
            return error_response(NotThere())
        self._show_known()
        try:
            await self._show_stored()
        except StorageUnavailable:
            # The counters matter even more now; only the gauges keep their values.
            self._metrics.storage_errors.labels("metrics").inc()
        return Response(
            generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def _show_refused(self, found: Sequence[streaks.Streak]) -> None:
        """What was refused of each source since its last authentic delivery."""
        shown = self._metrics.refused_since_authentic
        shown.clear()
        errors = {one.source: one.errors for one in found}
        for source in (*self._settings().sources, streaks.UNKNOWN, streaks.NOISE):
            for code in refusing_codes():
                shown.labels(source, code).set(errors.get(source, {}).get(code, 0))

    def _show_known(self) -> None:
        """Have every series that the configuration leads to: what is absent cannot rise."""
        metrics, settings = self._metrics, self._settings()
        metrics.deliveries.labels(streaks.UNKNOWN, UnknownSource.code)
        for source in settings.sources:
            metrics.last_delivery.labels(source)
            metrics.refused_pushed_out.labels(source)
            metrics.changes_delivered.labels(source)
            metrics.changes_found.labels(source)
            for outcome in OUTCOMES:
                metrics.deliveries.labels(source, outcome)
        for outcome in DecisionOutcome:
            metrics.decisions.labels(outcome)
        for channel in settings.channels:
            metrics.oldest_waiting.labels(channel)
            for outcome, reason in ENDS:
                metrics.attempts.labels(channel, outcome, reason or "")

    async def _show_stored(self) -> None:
        """Bring the gauges up to date."""
        metrics, settings, now = self._metrics, self._settings(), self._clock.now()
        async with self._store.read() as connection:
            waiting = await queries.backlog(connection)
            oldest = await queries.oldest_waiting(connection)
            self._show_refused(await streaks.read(connection))
            lost = await pushed_out.since(connection, now - pushed_out.OVER_AFTER)
            backed_up = await marks.at(connection, marks.BACKUP)
            if self._had_come is None:
                self._had_come = await queries.last_deliveries(connection, settings.sources)
        if self._store.is_sqlite:
            metrics.last_backup.set((backed_up or 0) / SECOND)
        for what, count in waiting.items():
            metrics.waiting.labels(what).set(count)
        numbers = dict.fromkeys(settings.sources, 0) | {row.source: row.number for row in lost}
        metrics.refused_pushed_out.clear()
        for source, number in numbers.items():
            metrics.refused_pushed_out.labels(source).set(number)
        metrics.oldest_waiting.clear()
        for channel in {*settings.channels, *oldest}:
            # Not negative, if the clock was set back.
            since = max(0, now - oldest.get(channel, now))
            metrics.oldest_waiting.labels(channel).set(since / SECOND)
        # Of a source that was removed nothing is awaited.
        metrics.last_delivery.clear()
        for source in settings.sources:
            last = max(self._came.get(source, 0), self._had_come.get(source, 0))
            metrics.last_delivery.labels(source).set(last / SECOND)

    async def checks(self) -> Mapping[str, str]:
        """The result of each check: "ok", "failing", or its word.

        At most a second old, and made after the last failure of the storage.
        """
        async with self._lock:
            failures = self._store.failures
            old = self._clock.monotonic() - self._checked_at >= CHECKS_CACHED
            if old or failures != self._failures:
                self._failures = failures
                self._results = {name: await _run(check) for name, check in self._checks.items()}
                self._checked_at = self._clock.monotonic()
            return self._results

    async def failing(self) -> list[str]:
        """The names of the checks for which the server is not ready."""
        return [name for name, state in (await self.checks()).items() if state == FAILING]

    def _may_read(self, request: Request) -> bool:
        """Whether the peer is in `metrics_from`, and asks for itself."""
        peer = request.client.host if request.client else ""
        return within(peer, self._metrics_from()) and not _forwarded(request, peer)


def _forwarded(request: Request, peer: str) -> bool:
    """Whether a proxy forwards this request: a proxy on this machine is for the whole world.

    Not every proxy says so. nginx before 1.29 speaks HTTP/1.0, which monitors do not. HAProxy
    leaves the public name in `Host`, which is not how one reaches this machine from itself.
    """
    says_so = any(
        name.startswith("x-forwarded-") or name in ("forwarded", "via", "x-real-ip")
        for name in request.headers
    )
    host = request.url.hostname or ""
    by_public_name = within(peer, LOOPBACK) and host != "localhost" and not within(host, LOOPBACK)
    return says_so or request.scope["http_version"] == "1.0" or by_public_name


async def _run(check: Check) -> str:
    try:
        result = await check()
    except StorageUnavailable:
        return FAILING
    return result if isinstance(result, str) else "ok" if result else FAILING
