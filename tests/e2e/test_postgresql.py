"""The server on PostgreSQL: at work, killed, and left alone by a database that dies."""

import asyncio
import random
import time
import uuid

import pytest

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from e2e.consistency import configuration
from e2e.cutting_line import CuttingLine
from e2e.databases import Postgres, PostgresDatabase
from e2e.kill_run import KillRun
from e2e.sender import Wire, document, encoded, post, request
from e2e.server import SOURCES, MakeServer, Server
from raw_admin import ask
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def new_database(postgres: Postgres) -> PostgresDatabase:
    """A database of a test's own."""
    return await postgres.database(f"casebell_{uuid.uuid4().hex[:8]}")


async def ready(server: Server) -> tuple[int, dict[str, str]]:
    """Status and checks of /ready."""
    async with Wire(server) as wire:
        await wire.say(request(b"", {}, path="/ready", method="GET"))
        answer = await wire.hear()
    return answer.status, answer.json()["checks"]


async def acknowledged(run: KillRun) -> float:
    """Wait until one more delivery is acknowledged; the seconds it took."""
    began, before = time.monotonic(), run.load.acknowledged
    await until(lambda: run.load.acknowledged > before, "another acknowledgement", within=30)
    return time.monotonic() - began


def told(server: Server, topic: str) -> int:
    """How often operations were told of that, past the storage."""
    return sum(line["topic"] == topic for line in server.events("storage.told"))


async def test_it_works(make_server: MakeServer, postgres: Postgres) -> None:
    """A delivery is stored, decided and told; all is kept."""
    database = await new_database(postgres)
    async with HttpSink() as first, HttpSink() as second:
        server = make_server(SOURCES + configuration(first, second), storage=database.url)
        run = KillRun(server, database, first, second)
        await server.start()
        assert await ready(server) == (200, {"storage": "ok", "loops": "ok", "settings": "ok"})
        sent = encoded(document())
        assert (await post(server, sent)).json()["status"] == "stored"
        await run.settled(seconds=20)
        assert [len(hook.requests) for hook in (first, second)] == [1, 1]
        assert await server.stop() == 0
        await server.start()
        assert (await post(server, sent)).json()["status"] == "duplicate"
        ran = await server.run("events", "list", "--json")
        assert [line["deliveries"] for line in ran.lines()] == [2]
        await run.check.journal()
        assert "Traceback" not in server.text()


@pytest.mark.slow
async def test_commits_are_cut_off(make_server: MakeServer, postgres: Postgres) -> None:
    """A line that breaks around a COMMIT costs no acknowledged event, and repeats no alert."""
    database = await new_database(postgres)
    chance = random.Random(8)
    async with (
        CuttingLine(postgres.folder, share=0.0, chance=chance) as line,
        HttpSink() as first,
        HttpSink() as second,
    ):
        server = make_server(
            SOURCES + configuration(first, second), storage=line.url(database.name)
        )
        run = KillRun(server, database, first, second)
        await server.start()
        line.share = 0.15
        run.send()
        await until(
            lambda: min(line.lost, line.untold) >= 10 and run.load.acknowledged > 100,
            "ten cuts of each kind",
        )
        line.share = 0.0
        await acknowledged(run)
        await run.sent(cancel=True)
        await run.settled(seconds=30)
        figures = await run.check.everything(run.load, run.received)
        print(f"lost={line.lost} untold={line.untold} {figures}")  # noqa: T201 - figures
        # Nobody died, so nothing is in doubt.
        assert (figures["in_flight"], figures["repeated"]) == (0, 0)
        assert "Traceback" not in server.text()


@pytest.mark.slow
async def test_the_database_dies(make_server: MakeServer, postgres: Postgres) -> None:
    """Killed and stopped under load: 503 while it lasts, no restart after, operations told once."""
    database = await new_database(postgres)
    async with HttpSink() as first, HttpSink() as second:
        server = make_server(SOURCES + configuration(first, second), storage=database.url)
        run = KillRun(server, database, first, second)
        await server.start()
        run.send()
        await acknowledged(run)
        await run.sent(cancel=True)
        # The server is killed below: what it was sending then would be in doubt.
        await run.settled(seconds=30)
        await postgres.stop()
        # Nobody sends anything.
        began = time.monotonic()
        await until(lambda: told(server, "storage_fails") == 1, "the outage to be told")
        print(f"told after {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure
        # A server that starts meanwhile waits for the database.
        await server.kill()
        await server.start()
        assert (await ready(server))[0] == 503
        await until(lambda: told(server, "storage_fails") == 1, "the outage to be told again")
        await postgres.start()
        await server.logged("server.took_up")
        run.send()
        await acknowledged(run)
        for _ in range(3):
            # A moment like any other, from kill to kill another one.
            await asyncio.sleep(run.chance.uniform(0.1, 0.5))
            await postgres.kill()
            await postgres.start()
            print(f"recovered after {await acknowledged(run):.1f} s")  # noqa: T201 - a figure
        # On a busy machine one of these may have lasted long enough to be told, too.
        await until(
            lambda: told(server, "storage_works") == told(server, "storage_fails"),
            "the last outage to be over",
        )
        outages = told(server, "storage_fails") + 1
        await postgres.stop()
        before = run.load.acknowledged
        assert (await ready(server))[0] == 503
        refused = run.load.answers["503"]
        await until(lambda: told(server, "storage_fails") == outages, "the outage to be told")
        assert run.load.answers["503"] > refused
        assert run.load.acknowledged == before
        await postgres.start()
        print(f"recovered after {await acknowledged(run):.1f} s")  # noqa: T201 - a figure
        await until(lambda: told(server, "storage_works") == outages, "its end to be told")
        await run.sent(cancel=True)
        await run.settled(seconds=30)
        figures = await run.check.everything(run.load, run.received)
        print({**run.load.answers, **figures})  # noqa: T201 - figures
        # The server lives, so nothing is in doubt.
        assert (figures["in_flight"], figures["repeated"]) == (0, 0)
        assert run.received.other == {
            "Casebell operations: Casebell cannot store deliveries": outages + 1,
            "Casebell operations: Casebell stores deliveries again": outages,
        }
        assert (await ready(server))[0] == 200
        assert "Traceback" not in server.text()


@pytest.mark.slow
async def test_killed_between_two_steps(make_server: MakeServer, postgres: Postgres) -> None:
    """Whatever had been committed is taken up by another server; what may have gone out says so."""
    database = await new_database(postgres)
    async with HttpSink() as hook:
        config = SOURCES + configuration(hook, hook).replace('"hook-0", "hook-1"', '"hook-0"')
        server = await make_server(config, storage=database.url).start()
        for step, stage, before in (
            ("UPDATE OF state ON alerts FOR EACH ROW WHEN (NEW.state = 'sending')", "notify", 0),
            ("INSERT ON attempts FOR EACH ROW", "notify", 1),
        ):
            hook.requests.clear()
            await database.write(
                "CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'fault'; END $$",
                f"CREATE TRIGGER broken BEFORE {step} EXECUTE FUNCTION fault()",
            )
            assert (await post(server, encoded(document()))).json()["status"] == "stored"
            await server.storage_failed(stage)
            assert len(hook.requests) == before
            await server.kill()
            await database.write("DROP FUNCTION fault CASCADE")
            server = await make_server(config, storage=database.url).start()
            await KillRun(server, database, hook).settled(seconds=30)
            says = [b"May repeat" in one.body for one in hook.requests]
            assert says == ([False, True] if before else [False])


@pytest.mark.slow
async def test_a_server_leaves_the_channels_of_another_alone(
    make_server: MakeServer, postgres: Postgres
) -> None:
    """What waits for a channel that only another server has fails once that server is dead.

    Until then both say that their settings differ, and stay ready.
    """
    database = await new_database(postgres)
    async with HttpSink() as own, HttpSink() as shared:
        own.answer(HttpAnswer(delay=60))
        config = SOURCES + configuration(own, shared)
        server = await make_server(config, storage=database.url).start()
        config = config.replace("hook-0", "hook-2")
        other = await make_server(config, storage=database.url).start()
        await post(server, encoded(document()))
        await own.received(1)
        for one in (server, other):
            await one.logged("settings.differ")
            checks = {"storage": "ok", "loops": "ok", "settings": "differs"}
            assert await ready(one) == (200, checks)
        ran = await other.run("doctor")
        assert "works by other settings" in ran.out
        # The first is the one that answers.
        listed = (await ask(other.directory / "casebell.sock", "list_servers"))["value"]
        assert [one["differs"] for one in listed] == [[], ["channels", "rules"]]
        listed = await other.run("alerts", "list", "--json")
        states = {line["channel"]: line["state"] for line in listed.lines()}
        assert states == {"hook-0": "sending", "hook-1": "sent"}
        await server.kill()

        async def failed() -> bool:
            ran = await other.run("alerts", "list", "--state", "failed", "--json")
            return [line["reason"] for line in ran.lines()] == ["target_gone"]

        await until(failed, "the alert of the dead server's channel to fail", within=30)


@pytest.mark.soak
async def test_another_server_takes_over(make_server: MakeServer, postgres: Postgres) -> None:
    """Of two servers on one database one is killed while it sends: the other sends it, soon."""
    database = await new_database(postgres)
    async with HttpSink() as hook:
        hook.answer(HttpAnswer(delay=60), HttpAnswer(delay=8), HttpAnswer())
        config = SOURCES + configuration(hook, hook).replace('"hook-0", "hook-1"', '"hook-0"')
        server = await make_server(config, storage=database.url).start()
        await post(server, encoded(document()))
        await hook.received(1)
        other = await make_server(config, storage=database.url).start()
        await server.kill()
        began = time.monotonic()
        await until(lambda: len(hook.requests) == 2, "the second message")
        print(f"taken over after {time.monotonic() - began:.1f} s")  # noqa: T201 - a figure
        # It takes longer than a server may be missed, and nobody takes it from one that lives.
        await make_server(config, storage=database.url).start()
        await KillRun(other, database, hook).settled(seconds=30)
        assert ["May repeat" in str(one.body) for one in hook.requests] == [False, True]
        (line,) = await other.logged("server.took_over")
        assert line["interrupted"] == 1
