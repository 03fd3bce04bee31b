"""A flood of forged deliveries: the authentic go through, and nothing grows beyond its bounds.

As many a second as the load generator reaches (tests/bench/loadgen.c, which needs gcc); the soak
form floods for a minute. The figures are in docs/hostile-input.md.
"""

import asyncio
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bench.corpus import write_corpus
from casebell.store.refused import PROVEN_BOUNDS
from e2e.answers import events
from e2e.paced_sender import send_paced
from e2e.process_stats import MB, peak, processor_seconds, reset_peak
from e2e.sender import document, encoded, post, signed
from e2e.server import SOURCES, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

BENCH = Path(__file__).parents[1] / "bench"
#: Where the load generator sends from.
STRANGER = "127.0.0.1"
#: Entries a flood may make in the journal one by one, in an hour. Then one a minute counts.
ITEMISED = 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One with the settings a firm has."""
    running = await Server(tmp_path_factory.mktemp("forged"), SOURCES + COMPACT).start()
    await asyncio.gather(*(post(running, encoded(document())) for _ in range(64)))
    yield running
    await running.gone()


#: A source that takes a signature over the compact form of a body.
COMPACT = """
[sources.compact]
kind = "parley"
signed_body = "compact-json"
secrets = ["${PARLEY_WEBHOOK_SECRET}"]
"""
#: 230 KB of what takes longest to write as JavaScript does: 0.1 s of processor time.
COSTLY = b'{"a": [%b]}' % b", ".join([b"1.5e-7"] * 28_000)


@pytest.fixture(scope="module")
def loadgen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator, with deliveries that somebody signed who does not know the secret."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    directory = tmp_path_factory.mktemp("loadgen")
    subprocess.run(
        ["gcc", "-O2", "-o", directory / "loadgen", BENCH / "loadgen.c"], check=True, timeout=60
    )
    write_corpus(directory / "forged.tsv", secret="not the secret of the source", count=20_000)
    return directory / "loadgen"


async def flood(server: Server, loadgen: Path, *, seconds: float) -> dict[str, Any]:
    """Post forged deliveries over 64 connections; the load generator's report."""
    process = await asyncio.create_subprocess_exec(
        *(loadgen, "--port", str(server.port), "--corpus", loadgen.parent / "forged.tsv"),
        *("-c", "64", "-d", str(seconds), "--wrap"),
        *("--header", "Authorization: Parley-Signature=t={t},v1={sig}"),
        *("--header", "Idempotency-Key: {key}"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(out)
    return report


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(5, marks=pytest.mark.slow), pytest.param(60, marks=pytest.mark.soak)],
)
@pytest.mark.timeout(300)
async def test_forged_deliveries_shut_nobody_out(
    server: Server, loadgen: Path, seconds: int
) -> None:
    """From elsewhere and from the flood's own address the authentic are all stored meanwhile."""
    memory, cpu, stored = reset_peak(server), processor_seconds(server), events(server)
    log, database = server.log.stat().st_size, files(server)
    entries = (
        "SELECT count(*) FROM journal WHERE kind IN ('delivery.refused', 'deliveries.refused')"
    )
    ((journalled,),) = server.rows(entries)
    report, elsewhere, beside = await asyncio.gather(
        flood(server, loadgen, seconds=seconds),
        send_paced(server, seconds=seconds - 1, gap=0.05),
        send_paced(server, seconds=seconds - 1, gap=0.05, address=STRANGER),
    )
    cpu = processor_seconds(server) - cpu
    grown, database = peak(server) - memory, files(server) - database
    answered = sum(report["status"].values())
    print(  # noqa: T201 - figures
        f"forged: {answered / seconds:,.0f}/s for {seconds} s, answered {report['status']}, "
        f"{cpu / seconds * 100:.0f} % of a core, {cpu / answered * 1e6:.0f} us each, "
        f"{grown / MB:.1f} MB, database {database / MB:.1f} MB, "
        f"log {(server.log.stat().st_size - log) / MB:.1f} MB\n"
        f"from elsewhere: {elsewhere}\nfrom the same address: {beside}"
    )
    assert set(report["status"]) == {"401", "429"}
    assert report["status"]["401"] < 1_000 < report["status"]["429"]
    assert elsewhere.all_stored
    assert beside.all_stored
    sent = elsewhere.statuses["200"] + beside.statuses["200"]
    assert events(server) - stored == sent
    ((rows, bodies),) = server.rows("SELECT count(*), coalesce(sum(length(body)), 0) FROM refused")
    assert rows <= PROVEN_BOUNDS.count
    assert bodies <= PROVEN_BOUNDS.size
    assert server.rows(entries)[0][0] - journalled <= ITEMISED + seconds // 60 + 2
    assert grown < 32 * MB
    # Nearly all of it is the write-ahead log, which takes 8,000 pages before it begins anew.
    assert database < 48 * MB


def files(server: Server) -> int:
    """Bytes of the database and what lies beside it."""
    return sum(one.stat().st_size for one in server.directory.glob("casebell.db*"))


@pytest.mark.slow
async def test_forged_deliveries_that_cost_much_shut_nobody_out(server: Server) -> None:
    """Six a second that need compaction: undecided is 503, and the authentic are all answered."""
    seconds = 4.0
    forged: Counter[int] = Counter()
    compact: Counter[int] = Counter()

    async def forge() -> None:
        headers = signed(COSTLY, secret="not the secret of the source")
        answer = await post(server, COSTLY, headers, source="compact", address="127.0.0.5")
        forged[answer.status_code] += 1
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["error"] == "authentication_busy"

    async def deliver() -> None:
        content = document()
        headers = signed(json.dumps(content, separators=(",", ":")).encode())
        answer = await post(server, encoded(content), headers, source="compact")
        compact[answer.status_code] += 1

    async def each(do: Callable[[], Coroutine[Any, Any, None]], *, a_second: float) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(int(seconds * a_second)):
                group.create_task(do())
                await asyncio.sleep(1 / a_second)

    processor = processor_seconds(server)
    raw, _, _ = await asyncio.gather(
        send_paced(server, seconds=seconds, gap=0.05),
        each(forge, a_second=6),
        each(deliver, a_second=5),
    )
    spent = (processor_seconds(server) - processor) / seconds
    print(f"forged {forged}, compact {compact}, {spent * 100:.0f} % of a core; {raw}")  # noqa: T201
    assert raw.all_stored
    assert set(compact) == {200}
    assert set(forged) == {401, 503}
    assert forged[401] < forged[503]
