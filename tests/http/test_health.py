"""`/health`, `/ready` and `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

import casebell
from casebell.alerts import AlertKind, DecisionOutcome, NewAlert
from casebell.clock import HOUR
from casebell.errors import StorageUnavailable
from casebell.http.health import CHECKS_CACHED, Check, StatusPages
from casebell.settings import ChannelSettings, Settings
from casebell.store import marks, outbox, pushed_out, streaks
from casebell.store.engine import Store
from casebell.store.schema import alerts
from casebell.telemetry import STAGES, Metrics
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, case_event
from contracts.clock_and_log import ManualClock
from contracts.stores import disk_failure, failing_statements, store_undecided
from contracts.writing import writing
from receive.builders import make_source, make_torch
from waiting import until

SETTINGS = Settings(
    sources={"parley": make_source(), "torch": make_torch()},
    channels={"slack": ChannelSettings(name="slack", url=SecretStr("json://127.0.0.1:9/"))},
    path=Path("/config.toml"),
    base_dir=Path("/"),
    sha256="",
)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.9.0.0/16"))


#: How the names of a family's samples end, by its type.
SUFFIXES = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}


def strictly(text: str) -> dict[str, float]:
    """The values of a page, by name and labels; an error where promtool would find one."""
    found: dict[str, float] = {}
    families: list[str] = []
    for family in text_string_to_metric_families(text):
        families.append(family.name)
        assert family.type in ("counter", "gauge", "histogram"), family
        assert family.documentation.endswith("."), family
        for sample in family.samples:
            suffix = sample.name.removeprefix(family.name)
            assert suffix in SUFFIXES[family.type], sample
            labels = ",".join(f'{name}="{sample.labels[name]}"' for name in sorted(sample.labels))
            series = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert series not in found
            found[series] = sample.value
    assert len(families) == len(set(families))
    return found


class Pages:
    """The pages, and what is behind them."""

    def __init__(self, store: Store, checks: Mapping[str, Check] | None = None) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.came: dict[str, int] = {}
        pages = StatusPages(
            store=store,
            checks=checks or {},
            metrics=self.metrics,
            metrics_from=lambda: LOOPBACK,
            settings=lambda: SETTINGS,
            came=self.came,
            clock=self.clock,
        )
        self._app = Starlette(
            routes=[
                Route("/health", pages.health),
                Route("/ready", pages.ready),
                Route("/metrics", pages.metrics),
            ]
        )

    async def scrape(self) -> dict[str, float]:
        """What Prometheus reads: the values by name and labels, each once."""
        return strictly((await self.get("/metrics")).text)

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

    async def test_what_a_person_should_see_to(self, store: Store) -> None:
        """A check that names something else keeps no delivery out, and so is no 503."""

        async def differs() -> str:
            return "differs"

        answer = await Pages(store, {"storage": good, "settings": differs}).get("/ready")
        assert answer.status_code == 200
        assert answer.json()["checks"] == {"storage": "ok", "settings": "differs"}

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

    async def test_what_a_flood_pushed_out(self, store: Store) -> None:
        """Of each source, from the start; of the latest flood, until a week after it."""
        pages = Pages(store)
        shown = 'casebell_refused_pushed_out{{source="{}"}} {}.0'
        assert shown.format("parley", 0) in (await pages.get("/metrics")).text
        now = pages.clock.now()
        for at, number in ((now - 8 * 24 * HOUR, 3), (now - 6 * 24 * HOUR, 4), (now, 5)):
            async with writing(store) as connection:
                await pushed_out.record(connection, {"parley": number}, now=at)
            after = (await pages.get("/metrics")).text
            expected = {3: 0, 4: 7, 5: 12}[number]
            assert shown.format("parley", expected) in after
            assert shown.format("torch", 0) in after

    async def test_what_is_refused_in_a_row(self, store: Store) -> None:
        """Each source and error is there from the start, and gone where a reload takes it away."""
        pages = Pages(store)
        first = (await pages.get("/metrics")).text
        shown = 'casebell_refused_since_authentic{{error="{}",source="{}"}} {}.0'
        for source in ("parley", "torch", "unknown", "noise"):
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
        assert 'source="gone"' not in then

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

    async def test_there_from_the_start(self, store: Store) -> None:
        """Before anything happened each series is there: what is absent cannot be seen to rise."""
        found = await Pages(store).scrape()
        assert found[f'casebell_build_info{{version="{casebell.__version__}"}}'] == 1
        zero = {
            *(f'casebell_deliveries_total{{outcome="{o}",source="parley"}}' for o in (
                "stored", "duplicate", "conflict", "held", "signature_missing", "body_too_large",
                "secret_mismatch", "storage_unavailable", "queue_full", "too_many_refusals",
            )),
            'casebell_deliveries_total{outcome="unknown_source",source="unknown"}',
            *(f'casebell_decisions_total{{outcome="{o}"}}' for o in DecisionOutcome),
            *(f'casebell_storage_errors_total{{stage="{stage}"}}' for stage in STAGES),
            *(
                f'casebell_alert_attempts_total{{channel="slack",outcome="{o}",reason="{r}"}}'
                for o, r in (
                    ("sent", ""), ("accepted", ""), ("auth", "auth_failed"),
                    ("retryable", "connection_refused"), ("ambiguous", "timeout"),
                    ("permanent", "target_gone"), ("rate_limited", "rate_limited"),
                )
            ),
            *(f'casebell_waiting{{what="{w}"}}' for w in ("unrouted", "alerts", "failed", "held")),
            'casebell_last_delivery_timestamp_seconds{source="parley"}',
            'casebell_oldest_waiting_alert_seconds{channel="slack"}',
            "casebell_delivery_seconds_count",
            "casebell_alert_seconds_count",
        }  # fmt: skip
        if store.is_sqlite:
            zero.add("casebell_last_backup_timestamp_seconds")
        assert {name: found.get(name) for name in zero} == dict.fromkeys(zero, 0.0)
        assert ("casebell_last_backup_timestamp_seconds" in found) is store.is_sqlite

    async def test_when_a_source_last_delivered(self, store: Store) -> None:
        """What came before the server started is known; what comes while it runs counts at once."""
        name = 'casebell_last_delivery_timestamp_seconds{source="parley"}'
        await store_undecided(store, case_event("evt_1"), case_event("evt_2"))
        pages = Pages(store)
        assert (await pages.scrape())[name] == RECEIVED_AT / 1_000_000
        # One that a reload has removed meanwhile is not awaited for ever.
        pages.metrics.last_delivery.labels("removed").set(1)
        assert 'casebell_last_delivery_timestamp_seconds{source="removed"}' not in (
            await pages.scrape()
        )
        pages.came["parley"] = RECEIVED_AT + 5_000_000
        assert (await pages.scrape())[name] == RECEIVED_AT / 1_000_000 + 5

    async def test_how_long_an_alert_waits(self, store: Store) -> None:
        """For each channel, a removed one as well as one for which nothing waits."""
        pages = Pages(store)
        now = pages.clock.now()
        async with writing(store) as connection:
            for number, (channel, age) in enumerate([("pager", 9), ("pager", 60), ("email", 5)]):
                new = NewAlert(
                    kind=AlertKind.OPS,
                    subject=str(number),
                    channel=channel,
                    target="t",
                    urgent=number == 0,
                )
                await outbox.add(connection, [new], now=now - age * 1_000_000)

        def waiting(found: Mapping[str, float]) -> dict[str, float]:
            prefix = "casebell_oldest_waiting_alert_seconds"
            return {name: at for name, at in found.items() if name.startswith(prefix)}

        prefix = "casebell_oldest_waiting_alert_seconds"
        assert waiting(await pages.scrape()) == {
            f'{prefix}{{channel="slack"}}': 0,
            f'{prefix}{{channel="pager"}}': 60,
            f'{prefix}{{channel="email"}}': 5,
        }
        async with writing(store) as connection:
            await connection.execute(alerts.update().values(state="sent"))
        assert waiting(await pages.scrape()) == {f'{prefix}{{channel="slack"}}': 0}

    async def test_when_a_backup_was_made(self, sqlite_store: Store) -> None:
        """The last one counts."""
        async with writing(sqlite_store) as connection:
            for at in (RECEIVED_AT, RECEIVED_AT + 7_000_000):
                await marks.record_backup(connection, now=at, events=1, entries=2, actor=ADMIN)
        found = await Pages(sqlite_store).scrape()
        assert found["casebell_last_backup_timestamp_seconds"] == RECEIVED_AT / 1_000_000 + 7

    async def test_without_storage(self, store: Store) -> None:
        """When the storage does not answer, the counters are shown all the same."""
        pages = Pages(store)
        pages.metrics.deliveries.labels("parley", "stored").inc()
        with failing_statements(store, lambda _statement: disk_failure(), writer=False):
            answer = await pages.get("/metrics")
        assert answer.status_code == 200
        assert 'casebell_deliveries_total{outcome="stored",source="parley"} 1.0' in answer.text
        assert 'casebell_storage_errors_total{stage="metrics"} 1.0' in answer.text
