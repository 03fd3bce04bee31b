"""The tables, from nothing to this release's."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from casebell.alerts import FailureReason, Outcome, SendResult
from casebell.errors import StorageUnavailable
from casebell.store import migrations, targets
from casebell.store.engine import Store
from casebell.store.schema import alerts, attempts, events, metadata
from casebell.store.schema import targets as targets_table
from contracts.case_events import case_event
from contracts.decisions import append_undecided
from contracts.writing import writing

#: The databases that releases left.
RELEASES = sorted(Path(__file__).parents[1].glob("e2e/releases/*.db.gz"))


def schema_of(connection: Connection) -> Any:
    """Everything the database says of its tables, in a form that can be compared."""
    found = inspect(connection)
    return {
        name: (
            [(column["name"], str(column["type"])) for column in found.get_columns(name)],
            sorted((str(one["name"]), one["column_names"]) for one in found.get_indexes(name)),
        )
        for name in sorted(found.get_table_names())
    }


def revision_of(connection: Connection) -> str | None:
    """The version a database says it is at."""
    return MigrationContext.configure(connection).get_current_revision()


async def test_migrated_is_metadata(bare_url: str) -> None:
    """The migrations make exactly the tables, columns, indexes and constraints of the schema."""

    def differences(connection: Connection) -> list[Any]:
        # Alembic takes SQLite's DEFAULT '' for a change; both backends run one migration.
        defaults = connection.dialect.name == "postgresql"
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": defaults}
        )
        return list(compare_metadata(context, metadata))

    async with Store(bare_url) as store, store.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_partial_indexes(bare_url: str) -> None:
    """The indexes of what waits hold only what waits, which a comparison by name does not see."""
    async with Store(bare_url) as store, store.read() as connection:
        if store.is_sqlite:
            sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"
        else:
            sql = "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'"
            sql += " AND schemaname = 'public'"
        found = set((await connection.execute(text(sql))).scalars())
    assert found == {
        index.name
        for table in metadata.sorted_tables
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    assert {"ix_alerts_waiting", "ix_events_unrouted", "ix_held_unnotified"} <= found


async def test_again(bare_url: str) -> None:
    """A second start finds everything as it was, rows included."""
    async with Store(bare_url) as store:
        async with writing(store) as connection:
            await append_undecided(connection, [case_event()])
        async with store.read() as connection:
            before = await connection.run_sync(schema_of)
    async with Store(bare_url) as store, store.read() as connection:
        assert await connection.run_sync(schema_of) == before
        assert (await connection.execute(select(events.c.key))).scalars().all() == ["evt_1"]


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
async def test_a_releases_tables(sqlite_path: Path, tmp_path: Path, release: Path) -> None:
    """A database that a release left has, once opened, the tables of one that is made now.

    Who changes a migration that is out finds it here.
    """
    left = gzip.decompress(release.read_bytes())  # noqa: ASYNC240 - nothing else runs
    sqlite_path.write_bytes(left)  # noqa: ASYNC240
    found = []
    for path in (sqlite_path, tmp_path / "new.db"):
        async with Store(f"sqlite:///{path}") as store, store.read() as connection:
            made = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'index')"
            found.append({tuple(row) for row in await connection.execute(text(made))})
    assert found[0] == found[1]


async def test_targets_of_a_release(sqlite_path: Path) -> None:
    """Of what a release sent, the migration makes what recording each attempt would have made."""
    (release,) = (one for one in RELEASES if one.name.startswith("0.2.0"))
    left = gzip.decompress(release.read_bytes())
    sqlite_path.write_bytes(left)  # noqa: ASYNC240
    async with Store(f"sqlite:///{sqlite_path}") as store:
        async with store.read() as connection:
            made = [tuple(row) for row in await targets.known(connection)]
            joined = select(attempts, alerts.c.channel, alerts.c.target).join(
                alerts, alerts.c.id == attempts.c.alert_id
            )
            tried = (await connection.execute(joined.order_by(attempts.c.id))).all()
        assert any(row[2] for row in made)
        assert any(row[3] for row in made)
        async with writing(store) as connection:
            await connection.execute(targets_table.delete())
            for one in tried:
                result = SendResult(
                    outcome=Outcome(one.outcome),
                    reason=FailureReason(one.reason) if one.reason else None,
                    detail=one.detail,
                )
                await targets.record(
                    connection,
                    channel=one.channel,
                    target=one.target,
                    result=result,
                    at=one.finished_at,
                )
            assert [tuple(row) for row in await targets.known(connection)] == made


async def test_later_release(bare_url: str) -> None:
    """A database of a later release is refused, by writers and readers, and left as it is."""
    async with Store(bare_url) as store, writing(store) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (Store(bare_url).open, Store(bare_url).open_for_reading):
        with pytest.raises(StorageUnavailable, match="version 9999, which this release") as caught:
            await attempt()
        assert "later" in caught.value.hint


async def test_earlier_release(bare_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader does not guess at the tables of an earlier release, and says what mends them."""
    async with Store(bare_url):
        pass
    monkeypatch.setattr(migrations, "VERSIONS", [*migrations.VERSIONS, "9999"])
    with pytest.raises(StorageUnavailable, match="older than this release") as caught:
        await Store(bare_url).open_for_reading()
    assert "casebell serve" in caught.value.hint


def test_files_are_named_by_their_versions() -> None:
    """What the names of the files say is what Alembic finds in them."""
    scripts = ScriptDirectory.from_config(migrations.config())
    assert [one.revision for one in scripts.walk_revisions()] == migrations.VERSIONS[::-1]
    assert scripts.get_current_head() == migrations.VERSIONS[-1]


async def test_failed_migration(bare_url: str, add_migration: Callable[..., None]) -> None:
    """A migration that fails half-way changes nothing: the earlier release still runs."""
    async with Store(bare_url) as store:
        async with writing(store) as connection:
            await append_undecided(connection, [case_event()])
        async with store.read() as connection:
            before = await connection.run_sync(schema_of)
            version = await connection.run_sync(revision_of)
    add_migration(
        "ALTER TABLE events ADD COLUMN half INTEGER",
        "UPDATE events SET text = 'lost'",
        "SELECT * FROM no_such_table",
    )
    with pytest.raises(StorageUnavailable, match="The storage failed"):
        await Store(bare_url).open()
    after = Store(bare_url)
    # Past the check of versions, which has no right to speak of "older" here.
    after._reader, after.is_open = after._engine(pool_size=1, read_only=True), True
    try:
        async with after.read() as connection:
            assert await connection.run_sync(schema_of) == before
            assert await connection.run_sync(revision_of) == version
            stored = (await connection.execute(select(events.c.text))).scalar_one()
            assert stored == case_event().text
    finally:
        await after.close()
