"""The heartbeat, against a real server that answers, refuses, hangs and redirects."""

import asyncio

import pytest
from pydantic import SecretStr

from casebell.notify.heartbeat import RETRY_WITHIN, Heartbeat
from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from casebell.settings.models import Ops
from casebell.telemetry import Metrics
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.leaks import LeakWatch
from waiting import until

EVERY = 300.0
#: Of the address; as secret as a password.
SECRET = "ping-4711-s3cret"


class HeartbeatHarness:
    """A heartbeat to some address, and what it is told."""

    def __init__(self, url: str | None, *, timeout: float = 5.0) -> None:
        self.clock = ManualClock()
        self.recording = RecordingLog()
        self.metrics = Metrics()
        self.failing: list[str] = []
        self.use(url)
        self.heartbeat = Heartbeat(
            ops=lambda: self.ops,
            failing=self._failing,
            clock=self.clock,
            metrics=self.metrics,
            log=self.recording.log,
            timeout=timeout,
        )

    def use(self, url: str | None) -> None:
        """Another configuration."""
        address = None if url is None else SecretStr(f"{url}/{SECRET}")
        self.ops = Ops(heartbeat=address, heartbeat_every=EVERY)

    async def _failing(self) -> list[str]:
        return self.failing

    def counted(self, outcome: str) -> float:
        """How many times ended so."""
        found = self.metrics.registry.get_sample_value(
            "casebell_heartbeats_total", {"outcome": outcome}
        )
        return found or 0.0


async def test_it_is_fetched_again_and_again(sink: HttpSink) -> None:
    """A GET at the start, and then every `heartbeat_every`; that of its path as it stands."""
    harness = HeartbeatHarness(sink.url)
    async with harness.heartbeat:
        for count in (1, 2, 3):
            await sink.received(count)
            await until(lambda: harness.clock.asleep == [EVERY], "it to rest")
            harness.clock.advance(EVERY)
    assert {(one.method, one.path) for one in sink.requests} == {("GET", f"/{SECRET}")}
    assert harness.counted("failed") == 0
    assert (await harness.heartbeat.state())["last_ok_at"] is not None


async def test_not_while_something_fails(sink: HttpSink) -> None:
    """Nothing is fetched; it is logged once, and looked at sooner."""
    harness = HeartbeatHarness(sink.url)
    harness.failing = ["storage"]
    async with harness.heartbeat:
        for _ in range(2):
            await until(lambda: harness.clock.asleep == [RETRY_WITHIN], "it to rest")
            harness.clock.advance(RETRY_WITHIN)
        await until(lambda: harness.counted("withheld") == 3, "the third time")
        assert not sink.requests
        assert (await harness.heartbeat.state())["withheld"] == ["storage"]
        harness.failing = []
        await until(lambda: harness.clock.asleep == [RETRY_WITHIN], "it to rest")
        harness.clock.advance(RETRY_WITHIN)
        await sink.received(1)
    assert harness.recording.named("heartbeat.withheld") == [{"checks": ["storage"]}]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (HttpAnswer(status=500), "HTTP 500"),
        (HttpAnswer(status=404), "HTTP 404"),
        (
            HttpAnswer(status=302, headers=(("Location", "/elsewhere"),)),
            "HTTP 302: redirects are not followed",
        ),
        (HttpAnswer(ending=Ending.RESET), "ReadError"),
    ],
)
async def test_one_that_fails(
    sink: HttpSink, leaks: LeakWatch, answer: HttpAnswer, detail: str
) -> None:
    """It is counted, logged once, and shown with its reason until it works.

    No redirect is followed, and its address is nowhere.
    """
    harness = HeartbeatHarness(sink.url)
    sink.answer(answer, answer, HttpAnswer())
    for _ in range(2):
        await harness.heartbeat.beat()
    harness.clock.advance(90)
    state = await harness.heartbeat.state()
    assert (state["failing"], state["seconds"], state["detail"]) == (True, 90, detail)
    assert harness.recording.named("heartbeat.failed") == [{"detail": detail}]
    assert harness.counted("failed") == 2
    await harness.heartbeat.beat()
    state = await harness.heartbeat.state()
    assert (state["failing"], state["detail"]) == (False, "")
    assert harness.recording.named("heartbeat.works") == [{}]
    assert [one.path for one in sink.requests] == [f"/{SECRET}"] * 3
    leaks.assert_none([SECRET], shown=[state, harness.recording.lines, harness.heartbeat])


async def test_one_that_hangs(sink: HttpSink) -> None:
    """It ends in time, and the next is tried sooner."""
    harness = HeartbeatHarness(sink.url, timeout=0.2)
    sink.answer(HttpAnswer(after=asyncio.Event()))
    async with harness.heartbeat:
        await until(lambda: harness.clock.asleep == [RETRY_WITHIN], "it to rest")
        state = await harness.heartbeat.state()
    assert state["detail"] == "no answer within 0.2 s"


async def test_where_nobody_listens() -> None:
    """As where the machine that watches is off."""
    async with HttpSink() as gone:
        url = gone.url
    harness = HeartbeatHarness(url)
    await harness.heartbeat.beat()
    assert (await harness.heartbeat.state())["failing"]


async def test_a_new_address_begins_anew(sink: HttpSink, other: HttpSink) -> None:
    """What was said of the one before is not said of it; without one nothing is fetched."""
    harness = HeartbeatHarness(None)
    async with harness.heartbeat:
        await until(lambda: harness.heartbeat.alive and not harness.clock.asleep, "it to rest")
        assert not (await harness.heartbeat.state())["configured"]
        sink.answer(HttpAnswer(status=500))
        harness.use(sink.url)
        harness.heartbeat.wake()
        await until(lambda: harness.clock.asleep == [RETRY_WITHIN], "it to rest")
        harness.use(other.url)
        harness.heartbeat.wake()
        await other.received(1)
        await until(lambda: harness.clock.asleep == [EVERY], "it to rest")
        assert not (await harness.heartbeat.state())["failing"]
        harness.use(None)
        harness.clock.advance(EVERY)
        await until(lambda: not harness.clock.asleep, "it to rest for good")
    assert len(other.requests) == 1
