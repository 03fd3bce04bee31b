"""Killed at random moments under load: nothing acknowledged is lost, nobody is left untold."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from casebell.sandbox.http_sink import HttpSink
from e2e.consistency import configuration
from e2e.databases import Database, Postgres, SqliteFile
from e2e.kill_run import KillRun
from e2e.server import SOURCES, MakeServer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def killed(
    server: Server, database: Database, *hooks: HttpSink, kills: int, longest: float = 0.6
) -> None:
    """Kill a server that often, and look at everything it left; the figures are printed."""
    run = KillRun(server, database, *hooks, seed=kills, longest=longest)
    for _ in range(kills):
        await run.kill_once()
    print(type(database).__name__, await run.finish())  # noqa: T201 - figures
    assert run.load.acknowledged > kills


async def test_killed_again_and_again(make_server: MakeServer) -> None:
    """Each acknowledged key is stored once, each change decided and its alerts sent."""
    async with HttpSink() as first, HttpSink() as second:
        server = make_server(SOURCES + configuration(first, second))
        await killed(server, SqliteFile(server.database), first, second, kills=4)


@pytest.mark.slow
async def test_killed_on_both_backends(make_server: MakeServer, postgres: Postgres) -> None:
    """The same on SQLite and on PostgreSQL, side by side, more often."""
    database = await postgres.database("kills")
    async with HttpSink() as a, HttpSink() as b, HttpSink() as c, HttpSink() as d:
        on_sqlite = make_server(SOURCES + configuration(a, b))
        on_postgresql = make_server(SOURCES + configuration(c, d), storage=database.url)
        async with asyncio.TaskGroup() as both:
            file = SqliteFile(on_sqlite.database)
            both.create_task(killed(on_sqlite, file, a, b, kills=13))
            # A server on PostgreSQL needs a moment more to get under way.
            both.create_task(killed(on_postgresql, database, c, d, kills=12, longest=1.2))


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_a_thousand_kills(
    backend: str, make_server: MakeServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same for as long as it takes.

    CASEBELL_SOAK_LOG names a file for the figures, CASEBELL_SOAK_KILLS another number.
    """
    kills = int(os.environ.get("CASEBELL_SOAK_KILLS", "1000"))
    log = Path(os.environ.get("CASEBELL_SOAK_LOG", os.devnull))
    database: Database = SqliteFile(tmp_path / "casebell.db")
    if backend == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        database = await postgres.database("a_thousand_kills")
    began = time.monotonic()
    async with HttpSink() as first, HttpSink() as second:
        server = make_server(SOURCES + configuration(first, second), storage=database.url)
        run = KillRun(server, database, first, second)

        def say(line: str) -> None:
            with log.open("a") as file:
                file.write(f"{backend} {time.monotonic() - began:6.0f} s  {line}\n")

        for count in range(1, kills + 1):
            await run.kill_once()
            if count % 50 == 0:
                keys = len(run.load.stored) + len(run.load.conflicts)
                told = sum(map(len, run.received.about.values()))
                say(
                    f"kills={count} acknowledged={run.load.acknowledged} keys={keys} "
                    f"messages={told} lost=0"
                )
        line = await run.finish(seconds=600)
        say(line)
        print(line, dict(run.kills))  # noqa: T201 - figures
