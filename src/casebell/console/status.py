"""Is it alive, is it ready, how is it doing: `/health`, `/ready` and `/metrics`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from casebell.console.answers import error_response
from casebell.errors import NotThere, StorageUnavailable
from casebell.receive.address import Network, within
from casebell.store import queries
from casebell.store.engine import Store
from casebell.telemetry import Metrics

#: A named check: raises or returns False when the part is not ready.
Check = Callable[[], Awaitable[bool]]


class StatusPages:
    """The three pages.

    Args:
        checks: by name, what `/ready` asks.
        metrics_from: networks that may read `/metrics`; to others it does not exist.
    """

    def __init__(
        self,
        *,
        store: Store,
        checks: Mapping[str, Check],
        metrics: Metrics,
        metrics_from: Sequence[Network],
    ) -> None:
        self._store = store
        self._checks = checks
        self._metrics = metrics
        self._metrics_from = metrics_from

    async def health(self, _request: Request) -> Response:
        """The process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Whether a delivery sent now would be taken: 200 or 503, with named checks and no data."""
        results = {}
        for name, check in self._checks.items():
            try:
                results[name] = "ok" if await check() else "failing"
            except StorageUnavailable:
                results[name] = "failing"
        ready = all(result == "ok" for result in results.values())
        return JSONResponse(
            {"status": "ready" if ready else "not_ready", "checks": results},
            status_code=200 if ready else 503,
            headers={} if ready else {"Retry-After": "5"},
        )

    async def metrics(self, request: Request) -> Response:
        """Prometheus text, for the configured addresses only."""
        peer = request.client.host if request.client else ""
        if not within(peer, self._metrics_from):
            return error_response(NotThere())
        try:
            async with self._store.read() as connection:
                waiting = await queries.backlog(connection)
            for what, count in waiting.items():
                self._metrics.waiting.labels(what).set(count)
        except StorageUnavailable:
            # The counters are worth showing all the more; only the gauges stay as they were.
            self._metrics.storage_errors.labels("metrics").inc()
        return Response(
            generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
