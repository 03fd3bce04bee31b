"""`/health`, `/ready` and `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_network

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from casebell.errors import StorageUnavailable
from casebell.http.health import CHECKS_CACHED, StatusPages
from casebell.store import streaks
from casebell.store.engine import Store
from casebell.telemetry import Metrics
from contracts.case_events import case_event
from contracts.clock_and_log import ManualClock
from contracts.stores import disk_failure, failing_statements, store_undecided
from contracts.writing import writing
from waiting import until

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.9.0.0/16"))


class Pages:
    """The pages, and what is behind them."""

    def __init__(
        self, store: Store, checks: Mapping[str, Callable[[], Awaitable[bool]]] | None = None
    ) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        pages = StatusPages(
            store=store,
            checks=checks or {},
            metrics=self.metrics,
            metrics_from=lambda: LOOPBACK,
            clock=self.clock,
            sources=lambda: ["parley", "torch"],
        )
        self._app = Starlette(
            routes=[
                Route("/health", pages.health),
                Route("/ready", pages.ready),
                Route("/metrics", pages.metrics),
            ]
        )

    async def get(
        self,
        address: str,
        *,
        peer: str | None = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
        http_version: str = "1.1",
    ) -> httpx2.Response:
        """What a peer reads there."""
        seen = {"client": (peer, 1) if peer else None, "http_version": http_version}

        async def app(scope: dict[str, object], receive: object, send: object) -> None:
            # Not every server knows its peer: on a local socket there is none.
            await self._app(scope | seen, receive, send)  # type: ignore[arg-type]

        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),  # type: ignore[arg-type]
            base_url="http://127.0.0.1:8080",
        ) as client:
            return await client.get(address, headers=headers)


async def good() -> bool:
    """A check that is content."""
    return True


async def bad() -> bool:
    """A check that is not."""
    return False


async def without_storage() -> bool:
    """A check that cannot ask."""
    raise StorageUnavailable("The storage failed: disk I/O error.")


async def test_health(store: Store) -> None:
    """The process lives, whatever else does not."""
    answer = await Pages(store, {"storage": bad}).get("/health", peer="203.0.113.7")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


class TestReady:
    """Whether a delivery sent now would be taken."""

    async def test_all_is_well(self, store: Store) -> None:
        """Every check that is content is named."""
        answer = await Pages(store, {"storage": good, "loops": good}).get("/ready")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ready", "checks": {"storage": "ok", "loops": "ok"}}
        assert "retry-after" not in answer.headers

    @pytest.mark.parametrize("failing", [bad, without_storage])
    async def test_something_is_not(
        self, store: Store, failing: Callable[[], Awaitable[bool]]
    ) -> None:
        """One failing check is enough for 503; it is named, and nothing is said of why."""
        answer = await Pages(store, {"storage": failing, "loops": good}).get("/ready")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.json() == {
            "status": "not_ready",
            "checks": {"storage": "failing", "loops": "ok"},
        }

    async def test_asking_often_costs_little(self, store: Store) -> None:
        """What was found is told again for a second, to everybody at once, then looked at anew."""
        asked = looked = 0

        async def look() -> bool:
            nonlocal looked
            looked += 1
            await until(lambda: asked == 10, "everybody to ask")
            return looked < 2

        pages = Pages(store, {"storage": look})

        async def ask() -> httpx2.Response:
            nonlocal asked
            asked += 1
            return await pages.get("/ready")

        answers = await asyncio.gather(*(ask() for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert looked == 1
        pages.clock.advance(CHECKS_CACHED)
        assert (await pages.get("/ready")).status_code == 503
        assert looked == 2


class TestMetrics:
    """Prometheus text, for those who may read it."""

    async def test_what_waits(self, store: Store) -> None:
        """The gauges say what waits at the moment of asking."""
        await store_undecided(store, case_event("evt_1"), case_event("evt_2"))
        pages = Pages(store)
        answer = await pages.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert 'casebell_waiting{what="unrouted"} 2.0' in answer.text
        assert 'casebell_waiting{what="failed"} 0.0' in answer.text
        assert "IOE" not in answer.text

    async def test_what_is_refused_in_a_row(self, store: Store) -> None:
        """Each source and error is there from the start, and gone where a reload takes it away."""
        pages = Pages(store)
        first = (await pages.get("/metrics")).text
        shown = 'casebell_refused_since_authentic{{error="{}",source="{}"}} {}.0'
        for source in ("parley", "torch", "unknown"):
            for error in ("signature_missing", "secret_mismatch", "body_too_slow", "bad_request"):
                assert shown.format(error, source, 0) in first
        assert "bad_argument" not in first
        noted = streaks.Noted()
        for _ in range(40):
            noted.refuse("signature_missing", at=0)
        async with writing(store) as connection:
            await streaks.record(connection, {"parley": noted, "gone": noted})
        then = (await pages.get("/metrics")).text
        assert shown.format("signature_missing", "parley", 40) in then
        assert shown.format("secret_mismatch", "parley", 0) in then
        assert "gone" not in then

    @pytest.mark.parametrize(
        ("peer", "status"),
        [
            ("127.0.0.1", 200),
            ("::1", 200),
            ("::ffff:127.0.0.1", 200),
            ("10.9.0.4", 200),
            ("203.0.113.7", 404),
            (None, 404),
        ],
    )
    async def test_who_may_read(self, store: Store, peer: str | None, status: int) -> None:
        """Only configured addresses; to others it does not exist."""
        answer = await Pages(store).get("/metrics", peer=peer)
        assert answer.status_code == status
        if status == 404:
            assert answer.json()["error"] == "not_found"

    @pytest.mark.parametrize(
        ("headers", "http_version"),
        [
            ({"X-Forwarded-For": "203.0.113.7"}, "1.1"),
            ({"X-Forwarded-For": "127.0.0.1"}, "1.1"),
            ({"X-Forwarded-For": ""}, "1.1"),
            ({"X-Forwarded-Proto": "https"}, "1.1"),
            ({"Forwarded": "for=127.0.0.1"}, "1.1"),
            ({"X-Real-IP": "127.0.0.1"}, "1.1"),
            ({"Via": "1.1 proxy"}, "1.1"),
            pytest.param({}, "1.0", id="nginx with nothing but proxy_pass"),
            pytest.param({"Host": "casebell.example-firm.com"}, "1.1", id="HAProxy as it comes"),
            pytest.param({"Host": "[2001:db8::1]:8080"}, "1.1", id="by a public address"),
        ],
    )
    async def test_a_proxy_on_this_machine_may_not_read(
        self, store: Store, headers: Mapping[str, str], http_version: str
    ) -> None:
        """It asks for the whole world, whatever it says of whom it asks for."""
        answer = await Pages(store).get("/metrics", headers=headers, http_version=http_version)
        assert answer.status_code == 404

    @pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "127.0.1.1"])
    async def test_this_machine_may_read(self, store: Store, host: str) -> None:
        """By each of the names that it has for itself."""
        assert (await Pages(store).get("/metrics", headers={"Host": host})).status_code == 200

    async def test_another_machine_may_use_any_name(self, store: Store) -> None:
        """Prometheus in a network of containers asks for http://casebell:8080."""
        answer = await Pages(store).get("/metrics", peer="10.9.0.4", headers={"Host": "casebell"})
        assert answer.status_code == 200

    async def test_without_storage(self, store: Store) -> None:
        """When the storage does not answer, the counters are shown all the same."""
        pages = Pages(store)
        pages.metrics.deliveries.labels("parley", "stored").inc()
        with failing_statements(store, lambda _statement: disk_failure(), writer=False):
            answer = await pages.get("/metrics")
        assert answer.status_code == 200
        assert 'casebell_deliveries_total{outcome="stored",source="parley"} 1.0' in answer.text
        assert 'casebell_storage_errors_total{stage="metrics"} 1.0' in answer.text
