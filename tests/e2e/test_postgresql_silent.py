"""Beside a PostgreSQL that neither answers nor refuses: it is frozen, or the line to it dead."""

import random
import time
import uuid

import psutil
import pytest

from casebell.sandbox.http_sink import HttpSink
from casebell.store.circuit_breaker import USE_TIMEOUT
from e2e.consistency import configuration
from e2e.cutting_line import CuttingLine
from e2e.databases import Postgres, frozen
from e2e.kill_run import KillRun
from e2e.sender import Wire, document, encoded, post, request
from e2e.server import SOURCES, MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Seconds that a busy machine may add to anything.
ROOM = 8.0
#: Connections of a server: one that writes, four that read, one that shows that it lives.
CONNECTIONS = 6


async def refused(server: Server) -> float:
    """Deliver, and be told to come again; the seconds it took."""
    began = time.monotonic()
    answer = await post(server, encoded(document()))
    took = time.monotonic() - began
    assert (answer.status_code, answer.json()["error"]) == (503, "storage_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert took < USE_TIMEOUT + ROOM
    return took


async def ready(server: Server) -> int:
    """Status of /ready."""
    async with Wire(server) as wire:
        await wire.say(request(b"", {}, path="/ready", method="GET"))
        return (await wire.hear()).status


async def recovered(run: KillRun) -> float:
    """Wait until a delivery is acknowledged and the server says it is ready; the seconds."""
    began, before = time.monotonic(), run.load.acknowledged
    await until(lambda: run.load.acknowledged > before, "another acknowledgement")
    seconds = time.monotonic() - began

    async def is_ready() -> bool:
        return await ready(run.server) == 200

    await until(is_ready, "200 from /ready")
    return seconds


async def whole(run: KillRun) -> dict[str, int]:
    """See that the silence cost and doubled nothing."""
    await until(lambda: run.server.events("storage.works"), "storage.works in the log")
    await run.sent(cancel=True)
    await run.settled(seconds=30)
    figures = await run.check.everything(run.load, run.received)
    # The server lives, so nothing is in doubt.
    assert (figures["in_flight"], figures["repeated"]) == (0, 0)
    assert "Traceback" not in run.server.text()
    return figures


@pytest.mark.slow
async def test_frozen(make_server: MakeServer, postgres: Postgres) -> None:
    """503 in time while it lasts, operations told once, no restart after, nothing lost or doubled.

    Frozen again, it holds up neither the end of the server nor the start of another.
    """
    database = await postgres.database(f"silent_{uuid.uuid4().hex[:8]}")
    async with HttpSink() as first, HttpSink() as second:
        config = SOURCES + configuration(first, second)
        server = make_server(config, storage=database.url)
        run = KillRun(server, database, first, second)
        await server.start()
        run.send()
        await until(lambda: run.load.acknowledged > 50, "fifty acknowledgements")
        with frozen(postgres.folder):
            longest = await refused(server)
            before = run.load.acknowledged
            later = max([await refused(server) for _ in range(20)])
            assert await ready(server) == 503
            await server.logged("storage.told")
            assert (run.load.acknowledged, run.load.answers["503"] > 0) == (before, True)
        back = await recovered(run)
        print(f"503 after {longest:.1f}, then {later:.3f} s; back after {back:.1f} s")  # noqa: T201
        print({**run.load.answers, **await whole(run)})  # noqa: T201 - figures
        assert run.received.other == {
            "Casebell operations: Casebell cannot store deliveries": 1,
            "Casebell operations: Casebell stores deliveries again": 1,
        }
        sessions = (
            "SELECT count(*)::int FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await database.rows(sessions) <= [(CONNECTIONS,)]
        before = run.load.acknowledged
        run.send()
        await until(lambda: run.load.acknowledged > before, "another acknowledgement")
        with frozen(postgres.folder):
            other = make_server(config, storage=database.url)
            await other.launch()
            began = time.monotonic()
            assert await server.stop() == 0
            ended = time.monotonic() - began
            await run.sent()
            await other.start_up()
            assert await ready(other) == 503
        assert ended < 10
        (line,) = await other.logged("storage.fails")
        assert "the database does not answer (PostgreSQL at" in line["reason"]
        await other.logged("server.took_up")

        async def other_is_ready() -> bool:
            return await ready(other) == 200

        await until(other_is_ready, "200 from the other's /ready")
        print(f"ended after {ended:.1f} s")  # noqa: T201 - a figure


@pytest.mark.slow
async def test_swallowed(make_server: MakeServer, postgres: Postgres) -> None:
    """The same where the line is dead: what was connected stays so, and is not waited for."""
    database = await postgres.database(f"silent_{uuid.uuid4().hex[:8]}")
    async with (
        CuttingLine(postgres.folder, share=0.0, chance=random.Random(3)) as line,
        HttpSink() as first,
        HttpSink() as second,
    ):
        server = make_server(
            SOURCES + configuration(first, second), storage=line.url(database.name)
        )
        run = KillRun(server, database, first, second)
        await server.start()
        run.send()
        await until(lambda: run.load.acknowledged > 50, "fifty acknowledgements")
        with line.swallowing():
            longest = await refused(server)
        back = await recovered(run)
        print(f"503 after {longest:.1f} s; back after {back:.1f} s")  # noqa: T201 - figures
        print({**run.load.answers, **await whole(run)})  # noqa: T201 - figures
        connections = psutil.Process(server.process.pid).net_connections("tcp")
        to_database = [one for one in connections if one.raddr and one.raddr.port == line.port]
        assert len(to_database) <= CONNECTIONS
