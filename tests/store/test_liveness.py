"""Who lives on PostgreSQL: a session that ends is a server that died; all others are left alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from casebell.actors import Actor, Role
from casebell.alerts import AlertKind, NewAlert
from casebell.store import leases, liveness, outbox, reconciliations, servers
from casebell.store.engine import Store
from casebell.store.liveness import CHECK_EVERY, MISSED_FOR, Liveness
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.writing import writing
from e2e.databases import frozen
from waiting import until

#: Microseconds; nothing here waits for a lease to run out.
LEASE = 3_600_000_000


class LivenessHarness:
    """One server's liveness, with what it said."""

    def __init__(self, store: Store, owner: str, clock: ManualClock) -> None:
        self.store = store
        self.owner = owner
        self.clock = clock
        self.recording = RecordingLog()
        self.changed = 0
        self.channels = {"slack"}
        self.settings = {"rules": "one", "ops": "one"}

        def count() -> None:
            self.changed += 1

        self.liveness = Liveness(
            store=store,
            owner=owner,
            clock=clock,
            log=self.recording.log,
            channels=lambda: self.channels,
            settings=lambda: self.settings,
            changed=count,
        )

    async def is_seen(self) -> bool:
        """Whether its lock is held."""
        async with self.store.read() as connection:
            found = await connection.execute(liveness._PRESENT, {"space": liveness.SPACE})
        return liveness.number(self.owner) in set(found.scalars())

    async def is_missed(self) -> bool:
        """Whether it is not."""
        return not await self.is_seen()

    async def looks(self, seconds: float) -> None:
        """Let that much time pass, with its looks."""
        for _ in range(round(seconds / CHECK_EVERY)):
            await until(lambda: self.clock.asleep, "a loop that waits")
            self.clock.advance(CHECK_EVERY)
        await until(lambda: self.clock.asleep, "a loop that waits")


@asynccontextmanager
async def present(store: Store, owner: str) -> AsyncIterator[LivenessHarness]:
    """A server that is there, and has said by which settings it works."""
    watch = LivenessHarness(store, owner, ManualClock())
    async with watch.liveness:
        await until(watch.is_seen, "the session to be seen")
        await until(lambda: watch.clock.asleep, "its first look")
        yield watch


async def claim(store: Store, owner: str) -> None:
    """Give an owner something to send."""
    alert = NewAlert(
        kind=AlertKind.OPS,
        subject=f"s:{owner}",
        channel="slack",
        target="general",
        urgent=False,
    )
    async with writing(store) as connection:
        await outbox.add_claimed(connection, alert, owner=owner, now=1, lease=LEASE)


async def held(store: Store) -> set[str]:
    """Whose leases run."""
    async with store.read() as connection:
        return await leases.holders(connection)


@pytest.fixture
async def postgresql(postgresql_url: str) -> AsyncIterator[Store]:
    """An open store on PostgreSQL."""
    async with Store(postgresql_url) as opened:
        yield opened


async def test_the_dead_lose_their_leases(postgresql: Store) -> None:
    """Who has no session for a while gives up what it was sending; the living keep theirs."""
    async with present(postgresql, "alive"), present(postgresql, "me") as watch:
        for owner in ("dead", "alive", "me"):
            await claim(postgresql, owner)
        await watch.looks(MISSED_FOR - CHECK_EVERY)
        assert await held(postgresql) == {"dead", "alive", "me"}
        changed = watch.changed
        await watch.looks(3 * CHECK_EVERY)
        assert await held(postgresql) == {"alive", "me"}
        assert watch.changed == changed + 1
        (line,) = watch.recording.named("server.took_over")
        assert line["interrupted"] == 1


async def test_the_dead_leave_their_reconciliations(postgresql: Store) -> None:
    """Another server goes on with the run of a dead one at once, and with nobody else's."""
    by = Actor(name="ana", role=Role.ADMIN)
    hour: Any = {"now": 1, "until": 1 + LEASE, "alone": False}
    async with present(postgresql, "alive"), present(postgresql, "me") as watch:
        runs = {}
        async with writing(postgresql) as connection:
            for owner in ("dead", "alive"):
                run = await reconciliations.begin(
                    connection, f"api-{owner}", takes_before=1, now=1, by=by
                )
                assert await reconciliations.take(connection, run.id, owner=owner, **hour)
                runs[owner] = run.id
        await claim(postgresql, "dead")
        await watch.looks(MISSED_FOR + 2 * CHECK_EVERY)
        async with writing(postgresql) as connection:
            taken = {
                owner: await reconciliations.take(connection, run, owner="me", **hour)
                for owner, run in runs.items()
            }
    assert taken == {"dead": True, "alive": False}


async def test_an_end_is_seen(postgresql: Store) -> None:
    """A server that ended is no longer present, without anybody's help."""
    async with present(postgresql, "one") as watch:
        pass
    # It does not wait for PostgreSQL to see that its session has gone.
    await until(watch.is_missed, "the session to be missed")


async def test_a_session_that_was_cut_is_made_again(postgresql: Store) -> None:
    """After the database was started again a server shows itself anew, and nobody misses it."""
    async with present(postgresql, "other") as other, present(postgresql, "me") as watch:
        await claim(postgresql, "other")
        async with writing(postgresql) as connection:
            await connection.execute(
                text("SELECT pg_terminate_backend(pid, 9999) FROM pg_locks WHERE classid = :space"),
                {"space": liveness.SPACE},
            )
        assert not await other.is_seen()
        for one in (other, watch):
            await one.looks(2 * CHECK_EVERY)
            await until(one.is_seen, "the session to be seen")
        await watch.looks(2 * MISSED_FOR)
        assert await held(postgresql) == {"other"}
        assert other.recording.named("loop.defect") == []


async def test_a_silent_session_is_given_up(
    postgresql: Store, postgresql_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose session says nothing makes another; nobody was missed meanwhile."""
    async with present(postgresql, "other") as other, present(postgresql, "me") as watch:
        await claim(postgresql, "other")
        monkeypatch.setattr(liveness, "USE_TIMEOUT", 0.3)
        with frozen(postgresql_folder):
            for one in (other, watch):
                await one.looks(CHECK_EVERY)
        monkeypatch.undo()
        for one in (other, watch):
            await one.looks(2 * CHECK_EVERY)
            await until(one.is_seen, "the session to be seen")
        await watch.looks(2 * MISSED_FOR)
        assert await held(postgresql) == {"other"}
        assert other.recording.named("loop.defect") == []


async def test_each_knows_the_channels_of_the_living(postgresql: Store) -> None:
    """Also after a reload of theirs; of a server that died they are forgotten."""
    async with present(postgresql, "me") as watch:
        async with present(postgresql, "other") as other:
            await watch.looks(CHECK_EVERY)
            assert watch.liveness.channels_elsewhere() == {"slack"}
            assert not watch.liveness.settings_differ()
            other.channels = {"slack", "pager"}
            other.settings = {"rules": "two", "ops": "one"}
            await other.looks(CHECK_EVERY)
            await watch.looks(CHECK_EVERY)
            assert watch.liveness.channels_elsewhere() == {"slack", "pager"}
            assert watch.liveness.settings_differ()
            here, there = watch.liveness.living()
            assert (here.server.name, here.this_one, here.differs) == ("me", True, ())
            assert (there.server.name, there.this_one, there.differs) == (
                "other",
                False,
                ["rules"],
            )
            assert there.server.channels == {"slack", "pager"}
            (line,) = watch.recording.named("settings.differ")
            assert line["servers"] == ["other"]
            changed = watch.changed
        await until(other.is_missed, "the session to be missed")
        await watch.looks(CHECK_EVERY)
        assert watch.liveness.channels_elsewhere() == set()
        assert [one.server.name for one in watch.liveness.living()] == ["me"]
        assert watch.changed == changed + 1
        await watch.looks(MISSED_FOR + CHECK_EVERY)
        async with postgresql.read() as connection:
            assert [one.name for one in await servers.known(connection)] == ["me"]


async def test_a_server_of_an_earlier_release_may_have_any_channel(postgresql: Store) -> None:
    """It shows that it lives, and does not say by which settings."""
    async with present(postgresql, "me") as watch, postgresql.session() as session:
        await session.execute(
            text("SELECT pg_advisory_lock_shared(:space, 7)"), {"space": liveness.SPACE}
        )
        await watch.looks(CHECK_EVERY)
        assert watch.liveness.channels_elsewhere() is None
        assert not watch.liveness.settings_differ()
        assert [one.server.name for one in watch.liveness.living()] == ["me"]


async def test_nothing_is_known_before_the_first_look(postgresql: Store) -> None:
    """A channel may be another server's as long as nobody was asked."""
    watch = LivenessHarness(postgresql, "me", ManualClock())
    assert watch.liveness.channels_elsewhere() is None


async def test_sqlite_needs_none(sqlite_store: Store) -> None:
    """The lock on the file says it already."""
    watch = LivenessHarness(sqlite_store, "me", ManualClock())
    async with watch.liveness:
        assert not watch.liveness._loop.alive
        assert watch.liveness.channels_elsewhere() == set()
        assert [one.server.name for one in watch.liveness.living()] == ["me"]
