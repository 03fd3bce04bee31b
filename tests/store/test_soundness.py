"""The tables are as Casebell made them, and what was decided is in the outbox."""

from pathlib import Path

from sqlalchemy import text

from casebell.store import soundness
from casebell.store.backup import make_backup
from casebell.store.engine import Store
from casebell.store.restore import restore_backup
from casebell.store.schema import journal
from contracts.case_events import classified_event
from contracts.stores import store_classified

SWALLOW = {
    "sqlite": ("CREATE TRIGGER quiet BEFORE INSERT ON alerts BEGIN SELECT RAISE(IGNORE); END",),
    "postgresql": (
        "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
        "CREATE TRIGGER quiet BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION quiet()",
    ),
}


async def alter(url: str, *statements: str) -> list[str]:
    """Have somebody alter a database of ours, and open it again; what differs."""
    async with Store(url) as store, store._transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    async with Store(url) as store:
        return list(store.differences)


async def test_nothing_differs(bare_url: str) -> None:
    """In a database that was made now, by the migrations, nor after another start."""
    assert await alter(bare_url) == []


async def test_a_trigger(bare_url: str) -> None:
    """It is named with its table."""
    kind = "sqlite" if bare_url.startswith("sqlite") else "postgresql"
    assert await alter(bare_url, *SWALLOW[kind]) == ["trigger quiet on alerts"]


#: What somebody may do, and what is said of it.
ALTERED = {
    "DROP INDEX ix_alerts_waiting": "index ix_alerts_waiting is missing",
    "CREATE UNIQUE INDEX one_each ON alerts (kind)": "index one_each on alerts is not ours",
    "ALTER TABLE held ADD COLUMN mine TEXT": "column held.mine is not ours",
    "ALTER TABLE attempts RENAME TO gone_too": "table attempts is missing",
    "ALTER TABLE failed_attempts RENAME TO gone": "table failed_attempts is missing",
    "CREATE UNIQUE INDEX one_role ON tokens (role)": "index one_role on tokens is not ours",
    "ALTER TABLE accounts ADD COLUMN mine TEXT": "column accounts.mine is not ours",
}


async def test_what_else_somebody_may_do(bare_url: str) -> None:
    """Each is told by its name."""
    assert set(await alter(bare_url, *ALTERED)) >= set(ALTERED.values())


async def test_what_acts_on_postgresql_besides(bare_postgresql_url: str) -> None:
    """Rules and row security, which have no counterpart in SQLite."""
    found = await alter(
        bare_postgresql_url,
        "CREATE RULE quiet AS ON INSERT TO alerts DO INSTEAD NOTHING",
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY",
    )
    assert found == ["row security events on events", "rule quiet on alerts"]


async def test_a_copy_has_it_too(sqlite_path: Path, tmp_path: Path) -> None:
    """A backup is made all the same, since it has what else there is; it says what it has."""
    await alter(f"sqlite:///{sqlite_path}", *SWALLOW["sqlite"])
    copied = make_backup(sqlite_path, tmp_path / "backup.db")
    assert copied.differences == ("trigger quiet on alerts",)
    assert restore_backup(tmp_path / "backup.db", tmp_path / "restored.db") == copied


async def test_what_stands_beside_is_nobodys_business(bare_url: str) -> None:
    """Tables of others in the same database, and what acts on them alone."""
    assert await alter(bare_url, "CREATE TABLE theirs (id INTEGER UNIQUE)") == []


async def test_decided_and_never_told(bare_url: str) -> None:
    """A change that names a target has an alert for it, whatever became of that."""

    async def untold(store: Store) -> list[int]:
        async with store.read() as connection:
            return list(await soundness.untold(connection))

    async with Store(bare_url) as store:
        assert await untold(store) == []
        await store_classified(store, classified_event("evt_1"), classified_event("evt_2"))
        async with store._transaction() as connection:
            await connection.execute(
                journal.insert().values(
                    seq=1_000,
                    at=0,
                    kind="decision.made",
                    actor="router",
                    subject="change:7",
                    data='{"outcome":"notified","notify":[{"channel":"team","target":"json"}]}',
                    leaf=b"",
                )
            )
        assert await untold(store) == [7]
