"""An import of a list of cases into a real server: how long it takes, and what it costs deliveries.

    python tests/bench/importing.py                     2,000 cases five times, 100,000 once
    python tests/bench/importing.py --large 20000

Deliveries come at a fixed rate over twenty connections, first alone, then during the large import.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1]))
from e2e.sender import document, encoded, signed
from e2e.server import SOURCES, Server, environment

#: Deliveries a second, and seconds of those that come alone.
_RATE, _ALONE = 100, 10.0
_SMALL, _TIMES = 2_000, 5


def _write(path: Path, cases: int, *, owner: str) -> None:
    """A list as practice software exports it."""
    lines = [
        f'IOE{number:010d},2026-{number},{owner},rfe,"Gomez, Ana and others {number}",I-129,open\n'
        for number in range(cases)
    ]
    heading = "Receipt Number,Matter,Responsible Attorney,Team,Description,Form,Status\n"
    path.write_text(heading + "".join(lines))


async def _import(server: Server, path: Path) -> float:
    """Seconds of `casebell cases import`, its start included."""
    began = time.perf_counter()
    command = server.command("cases", "import", str(path))
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(), stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    return time.perf_counter() - began


async def _deliver(url: str, until: asyncio.Event) -> Sequence[float]:
    """Seconds until the answer of each delivery, in order."""
    took: list[float] = []
    limits = httpx2.Limits(max_connections=20)
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=30) as client:

        async def one(number: int) -> None:
            receipt = f"LIN{number % 9_000:010d}"
            body = encoded(document(id=f"evt_{time.time_ns()}_{number}", receipt_number=receipt))
            began = time.perf_counter()
            answer = await client.post("/webhooks/parley", content=body, headers=signed(body))
            took.append(time.perf_counter() - began)
            assert answer.status_code == 200

        tasks: list[asyncio.Task[None]] = []
        began = time.perf_counter()
        while not until.is_set():
            tasks.append(asyncio.create_task(one(len(tasks))))
            await asyncio.sleep(max(0.0, began + len(tasks) / _RATE - time.perf_counter()))
        await asyncio.gather(*tasks)
    return sorted(took)


def _print(what: str, took: Sequence[float]) -> None:
    p50, p99 = (took[int(len(took) * part)] * 1_000 for part in (0.5, 0.99))
    print(f"{what:<28} p50 {p50:5.1f} ms  p99 {p99:5.1f} ms  of {len(took)} deliveries")


async def _alone(url: str, seconds: float) -> Sequence[float]:
    until = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, until.set)
    return await _deliver(url, until)


async def _run(folder: Path, large: int) -> None:
    server = await Server(folder, SOURCES).start()
    try:
        path = folder / "cases.csv"
        seconds = []
        for run in range(_TIMES):
            _write(path, _SMALL, owner=f"Owner {run}")
            seconds.append(await _import(server, path))
        print(f"{_SMALL:,} cases, the median of {_TIMES}: {statistics.median(seconds):.2f} s")
        await _alone(server.url, 2)
        _print("Deliveries alone", await _alone(server.url, _ALONE))
        _write(path, large, owner="Jia Chan")
        until = asyncio.Event()
        delivering = asyncio.create_task(_deliver(server.url, until))
        took = await _import(server, path)
        until.set()
        _print("Deliveries during an import", await delivering)
        print(f"{large:,} cases meanwhile: {took:.1f} s")
    finally:
        await server.gone()


def main() -> None:
    """Import, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=100_000, metavar="CASES")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(Path(folder), parser.parse_args().large))


if __name__ == "__main__":
    main()
