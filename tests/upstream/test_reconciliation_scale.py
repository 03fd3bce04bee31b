"""A firm with many cases: within a day's budget, and with the memory of a firm with few."""

import resource
import time
from pathlib import Path

import pytest

from casebell.store.schema import cases, events
from contracts.stores import read_table
from contracts.writing import writing
from upstream.reconciling_firm import RFE, Reconciling, ago, reconciling, sqlite

pytestmark = pytest.mark.slow


async def known(firm: Reconciling, number: int) -> None:
    """So many cases, all received."""
    rows = [{"receipt": f"IOE{n:010d}", "updated_at": 0, "listed_at": 1} for n in range(number)]
    async with writing(firm.store) as connection:
        await connection.execute(cases.insert(), rows)
    series = {"first": "IOE0000000000", "count": number, "status": "received", "at": ago(days=90)}
    answer = await firm.api.post("/control/cases", {"series": series})
    assert answer.status_code == 200, answer.text


async def unlimited(firm: Reconciling, api: str) -> None:
    """What the simulator takes in a minute and a day is no matter here."""
    limits = {"api": api, "per_minute": 10**6, "per_day": 10**8}
    answer = await firm.api.post("/control/limits", limits)
    assert answer.status_code == 200, answer.text


async def piece_by_piece(firm: Reconciling) -> tuple[int, float, list[int]]:
    """Reconcile; the requests that it took, its seconds, and the memory after each tenth (KiB)."""
    before, began = firm.api.simulator.asked.total(), time.monotonic()
    memory: list[int] = []
    upstream = firm.upstream
    stand = await firm.runtime.reconciler.go_on(
        upstream,
        seconds=10.0**6,
        by=firm.by,
        progress=lambda: memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
    )
    assert stand.done, stand
    return firm.api.simulator.asked.total() - before, time.monotonic() - began, memory


async def test_ten_thousand_on_torch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two hundred requests a day; the highest memory is that of the first tenth."""
    url = sqlite(tmp_path)
    async with reconciling(url, tmp_path, kind="torch", per_day=5_000) as firm:
        await unlimited(firm, "torch")
        await known(firm, 10_000)
        first, took, memory = await piece_by_piece(firm)
        assert first == 200
        assert len(await read_table(firm.store, events)) == 10_000
        firm.clock.advance(86_400)
        for n in range(0, 10_000, 100):
            await firm.api.move("rfe_issued", f"IOE{n:010d}", at=ago(hours=-5), text=RFE)
        again, took_again, later = await piece_by_piece(firm)
        assert again == 200
        assert len(await read_table(firm.store, events)) == 10_100
    grown = (later[-1] - memory[len(memory) // 10]) / 1024
    with capsys.disabled():
        print(  # noqa: T201 - figures
            f"\n10,000 cases on Torch: {first} requests, {took:.1f} s at the first look; "
            f"{again} requests, {took_again:.1f} s with 100 changes; memory grew by {grown:.1f} MiB"
        )
    assert grown < 32


async def test_requests_of_parley(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One for a case that is as it was; of one that changed its history, too."""
    url = sqlite(tmp_path)
    async with reconciling(url, tmp_path, per_day=50_000) as firm:
        await unlimited(firm, "parley")
        await known(firm, 1_000)
        first, took, _ = await piece_by_piece(firm)
        firm.clock.advance(86_400)
        unchanged, took_unchanged, _ = await piece_by_piece(firm)
        firm.clock.advance(86_400)
        for n in range(100):
            await firm.api.move("rfe_issued", f"IOE{n:010d}", at=ago(hours=-30), text=RFE)
        again, took_again, _ = await piece_by_piece(firm)
    with capsys.disabled():
        print(  # noqa: T201 - figures
            f"\n1,000 cases on Parley: {first} requests, {took:.1f} s at the first look; "
            f"{unchanged} requests, {took_unchanged:.1f} s without changes; "
            f"{again} requests, {took_again:.1f} s with 100"
        )
    assert first <= 3_000
    assert unchanged == 1_000
    assert 1_100 <= again <= 1_200
