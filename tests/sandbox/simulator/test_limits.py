"""What an API takes in a minute and in a GMT day, with a clock that stands still until moved."""

from casebell.clock import DAY, MINUTE, SECOND
from casebell.sandbox.simulator.limits import Budget, Limits
from contracts.clock_and_log import ManualClock
from sandbox.simulator.firm import BEGAN, RECEIPT, Firm, rehearsing


async def ask(firm: Firm, path: str = "/v1/case-status") -> tuple[int, str | None]:
    answer = await firm.get(path, receipt=RECEIPT)
    return answer.status_code, answer.headers.get("retry-after")


async def limited(firm: Firm, per_minute: int, per_day: int) -> None:
    for api in ("parley", "torch"):
        limits = {"api": api, "per_minute": per_minute, "per_day": per_day}
        assert (await firm.post("/control/limits", limits)).status_code == 200


async def test_a_minute_ends_on_the_clock() -> None:
    """The third request waits for the next minute; Retry-After says how long."""
    clock = ManualClock(now=BEGAN)
    async with rehearsing(clock=clock, speed=1.0) as firm:
        await firm.move("received")
        await limited(firm, 2, 100)
        clock.advance(17.5)
        assert [await ask(firm) for _ in range(3)] == [(200, None), (200, None), (429, "43")]
        # The other API has a budget of its own, and so have the control endpoints.
        assert await ask(firm, "/case-status") == (200, None)
        clock.advance(42.4)
        assert await ask(firm) == (429, "1")
        clock.advance(0.1)
        assert await ask(firm) == (200, None)
        shown = (await firm.get("/control/limits")).json()
        used = shown["parley"]
        assert (used["used_this_minute"], used["used_today"], used["used_in_all"]) == (1, 3, 3)
        assert shown["asked"] == {"GET /case-status": 1, "GET /v1/case-status": 5}


async def test_a_day_ends_at_midnight_gmt() -> None:
    """Then everything is there again."""
    clock = ManualClock(now=BEGAN)
    async with rehearsing(clock=clock, speed=1.0) as firm:
        await firm.move("received")
        await limited(firm, 10, 2)
        clock.advance(23 * 3_600)
        assert [await ask(firm) for _ in range(3)] == [(200, None), (200, None), (429, "3600")]
        clock.advance(3_600)
        assert await ask(firm) == (200, None)


async def test_a_faster_clock_ends_windows_sooner() -> None:
    """Retry-After is in seconds of whoever waits."""
    clock = ManualClock(now=BEGAN)
    async with rehearsing(clock=clock, speed=60.0) as firm:
        await firm.move("received")
        await limited(firm, 1, 100)
        assert [await ask(firm) for _ in range(2)] == [(200, None), (429, "1")]
        clock.advance(1.0)
        assert await ask(firm) == (200, None)


async def test_a_refused_token_uses_nothing() -> None:
    """A stranger cannot use up the budget."""
    async with rehearsing() as firm:
        await firm.client.get("/v1/case-status", headers={"Authorization": "Bearer other"})
        assert (await firm.get("/control/limits")).json()["parley"]["used_in_all"] == 0


def test_a_429_says_when_the_later_of_both_windows_ends() -> None:
    """Where the day is used up, the end of the minute helps nobody."""
    budget = Budget(limits=Limits(per_minute=1, per_day=1))
    assert budget.take(0) is None
    assert budget.take(30 * SECOND) == (DAY - 30 * SECOND) / SECOND
    assert budget.take(MINUTE) == (DAY - MINUTE) / SECOND
    assert budget.take(DAY) is None
