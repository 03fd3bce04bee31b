"""A background loop is woken, rests, outlives what goes wrong in a step, and ends."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from casebell.errors import StorageUnavailable
from casebell.loops import STUCK_AFTER, Loop
from contracts.clock_and_log import ManualClock, RecordingLog
from waiting import until

EVERY = 5.0


class LoopHarness:
    """A loop that counts its steps, and what it is told."""

    def __init__(
        self,
        step: Callable[[], Awaitable[object]] | None = None,
        *,
        every: float | None = EVERY,
        at_once: bool = False,
        wakeup: asyncio.Event | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.recording = RecordingLog()
        self.steps = 0
        self.failures = 0
        self._step = step
        self.loop = Loop(
            self.step,
            name="watch",
            clock=self.clock,
            log=self.recording.log,
            every=every,
            at_once=at_once,
            wakeup=wakeup,
            storage_fails=self.fail,
        )

    async def step(self) -> None:
        """Count, and do what the test wants."""
        self.steps += 1
        if self._step is not None:
            await self._step()

    def fail(self) -> None:
        """Count a failure of the storage."""
        self.failures += 1

    async def took(self, steps: int) -> None:
        """Wait for so many steps, and for the rest that follows."""
        await until(lambda: self.steps == steps, f"step {steps}")
        await until(lambda: self.clock.asleep == [EVERY], "the loop to rest")


async def test_it_rests_before_the_first_step() -> None:
    """A watch has nothing to see at the start; each rest has the same length."""
    harness = LoopHarness()
    async with harness.loop:
        await harness.took(0)
        for number in (1, 2):
            harness.clock.advance(EVERY)
            await harness.took(number)


async def test_what_was_left_over_is_looked_at_at_once() -> None:
    """The first step is taken at the start where that was asked for."""
    harness = LoopHarness(at_once=True)
    async with harness.loop:
        await harness.took(1)


async def test_woken_it_takes_a_step_and_rests_anew() -> None:
    """Several calls before the step are one; the rest begins after it."""
    harness = LoopHarness()
    async with harness.loop:
        await harness.took(0)
        harness.clock.advance(EVERY - 1)
        harness.loop.wake()
        harness.loop.wake()
        await harness.took(1)


async def test_woken_in_a_step_it_takes_another() -> None:
    """What came while it looked is not passed over."""

    async def step() -> None:
        if harness.steps == 1:
            harness.loop.wake()

    harness = LoopHarness(step)
    async with harness.loop:
        harness.loop.wake()
        await harness.took(2)


async def test_without_a_rest_it_waits_to_be_woken() -> None:
    """By whoever has the event, which may be older than the loop."""
    wakeup = asyncio.Event()
    wakeup.set()
    harness = LoopHarness(every=None, wakeup=wakeup)
    async with harness.loop:
        await until(lambda: harness.steps == 1, "the first step")
        assert harness.clock.asleep == []
        wakeup.set()
        await until(lambda: harness.steps == 2, "the second step")


async def test_a_defect_is_logged_and_no_end() -> None:
    """The next step is taken as if nothing had been."""

    async def step() -> None:
        raise ZeroDivisionError

    harness = LoopHarness(step, at_once=True)
    async with harness.loop:
        await harness.took(1)
        harness.clock.advance(EVERY)
        await harness.took(2)
        assert harness.loop.alive
    lines = harness.recording.named("loop.defect")
    assert [line["loop"] for line in lines] == ["watch", "watch"]
    assert all(isinstance(line["error"], ZeroDivisionError) for line in lines)
    assert harness.failures == 0


async def test_a_failing_storage_is_no_defect() -> None:
    """It is counted, and the step is tried again."""

    async def step() -> None:
        raise StorageUnavailable

    harness = LoopHarness(step, at_once=True)
    async with harness.loop:
        await harness.took(1)
        harness.clock.advance(EVERY)
        await harness.took(2)
        assert harness.loop.alive
    assert harness.failures == 2
    assert harness.recording.lines == []


async def test_it_ends_in_the_middle_of_a_step() -> None:
    """Nobody waits for a step that hangs."""
    harness = LoopHarness(asyncio.Event().wait, at_once=True)
    async with harness.loop:
        await until(lambda: harness.steps == 1, "the step that hangs")
    assert not harness.loop.alive


@pytest.mark.parametrize("ticks", range(5))
async def test_an_end_that_comes_with_a_wake_up(ticks: int) -> None:
    """Neither keeps it from ending."""
    harness = LoopHarness()
    async with asyncio.timeout(10):
        async with harness.loop:
            await harness.took(0)
            harness.loop.wake()
            # So many turns of the event loop: each is another moment to end in.
            for _ in range(ticks):
                await asyncio.sleep(0)
    assert not harness.loop.alive
    assert harness.clock.asleep == []


async def test_it_finishes_the_step_in_hand() -> None:
    """And takes no other, though it was woken."""
    go_on = asyncio.Event()
    harness = LoopHarness(go_on.wait, at_once=True)
    async with harness.loop:
        await until(lambda: harness.steps == 1, "the step in hand")
        finishing = asyncio.create_task(harness.loop.finish())
        harness.loop.wake()
        await asyncio.sleep(0)
        assert not finishing.done()
        go_on.set()
        await finishing
        assert not harness.loop.alive
    assert harness.steps == 1


async def test_one_that_never_began_ends() -> None:
    """A server that fails to start closes what it has not started."""
    harness = LoopHarness()
    assert not harness.loop.alive
    await harness.loop.finish()
    await harness.loop.__aexit__()


async def test_a_step_without_progress_is_stuck() -> None:
    """A loop that hangs is told from one that rests, however long, and from one that gets on."""
    go_on = asyncio.Event()
    harness = LoopHarness(go_on.wait, at_once=True)
    turned = [harness.loop.turns]
    async with harness.loop:
        await until(lambda: harness.steps == 1, "the step that hangs")
        for seconds in (STUCK_AFTER - 1, STUCK_AFTER - 1, 1):
            harness.clock.advance(seconds)
            turned.append(harness.loop.turns)
            if len(turned) == 2:
                harness.loop.progress()
        assert harness.loop.alive
        go_on.set()
        await until(lambda: harness.loop.turns, "the step to end")
    assert turned == [False, True, True, False]


async def test_a_rest_is_not_stuck() -> None:
    """A loop may wait for days to be woken; what calls itself progress then is none."""
    harness = LoopHarness(every=None)
    async with harness.loop:
        harness.loop.progress()
        harness.clock.advance(100 * STUCK_AFTER)
        assert harness.loop.turns
