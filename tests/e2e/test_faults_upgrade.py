"""The database of a release is served as it is, or migrated, and nothing that it held changes."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import casebell
from casebell.sandbox.http_sink import HttpSink
from casebell.store import journal, migrations
from e2e.recipients import RecordingSink
from e2e.releases.make import (
    HERE,
    LABEL,
    NEW_TORCH_SECRET,
    REFUSED,
    UNDECIDED,
    WAITS,
    Listings,
    config,
    listings,
    read,
)
from e2e.sender import deliver
from e2e.server import MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Those that have a database here; `releases/make.py` says how they came about.
RELEASES = sorted(path.name.removesuffix(".db.gz") for path in HERE.glob("*.db.gz"))
#: A migration of a release that is still to come.
NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{head}"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("cases", sa.Column("language", sa.Text(), server_default="en", nullable=False))
    op.create_index("ix_cases_language", "cases", ["language"])
    op.execute("UPDATE cases SET team = 'O-1 and EB-1' WHERE team = 'O-1'")
"""


def install_next_release(server: Server) -> None:
    """Have this server run, from its directory, this release's program with one more migration."""
    package = Path(casebell.__file__).parent
    copy = shutil.copytree(package, server.directory / "casebell")
    script = NEXT.format(head=migrations.VERSIONS[-1])
    (copy / "store" / "migrations" / "versions" / "9999_next.py").write_text(script)


def version_of(server: Server) -> str:
    """The version of its tables."""
    ((version,),) = server.rows("SELECT version_num FROM alembic_version")
    return str(version)


def check_journal(server: Server) -> list[str]:
    """Check that the journal has no gap and each entry its hash; returns what it tells of."""
    entries = server.rows("SELECT seq, at, kind, actor, subject, data, leaf FROM journal")
    assert [entry[0] for entry in entries] == list(range(1, len(entries) + 1))
    for seq, at, kind, actor, subject, data, leaf in entries:
        whole = journal.entry_bytes(
            seq=seq, at=at, kind=kind, actor=actor, subject=subject, data=data
        )
        assert journal.leaf_hash(whole) == leaf
    return [entry[2] for entry in entries]


def of_a_case(message: str) -> bool:
    """Whether a message is none to operations."""
    return "Casebell operations" not in message


def over(said: Listings) -> dict[tuple[str, int], dict[str, Any]]:
    """By listing and number, what was listed and does not change any more."""

    def waits(row: Mapping[str, Any]) -> bool:
        undecided = "decision" in row and row["receipt"] == UNDECIDED
        return undecided or row.get("state") == "retrying"

    return {
        (name, row["event"]["id"] if name == "why" else row["id"]): row
        for name, rows in said.items()
        for row in rows
        # What sums an export up is no row of it.
        if not (waits(row) or "export" in row)
    }


def as_told_by(old: Any, new: Any) -> Any:
    """Of what a later release says, what the earlier one told of."""
    if isinstance(old, dict) and isinstance(new, dict):
        if "event_key" in new:
            # An alert's event was called by its key alone.
            new = {**new, "event": new["event_key"]}
        return {name: as_told_by(old[name], new.get(name)) for name in old}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [as_told_by(*pair) for pair in zip(old, new, strict=True)]
    return new


async def test_this_release_has_a_database() -> None:
    """Each release leaves a database of its own to those that are tried here."""
    assert casebell.__version__ in RELEASES


@pytest.mark.parametrize(
    "migrates",
    [
        pytest.param(False, id="as it is"),
        pytest.param(True, id="migrated", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("release", RELEASES)
async def test_a_releases_database(
    make_server: MakeServer, release: str, *, migrates: bool
) -> None:
    """It starts, keeps a copy where it migrates, lists what was there, sends what waited."""
    async with RecordingSink() as room, RecordingSink() as mended, HttpSink() as gone:
        server = make_server(
            config(room.port, mended.port, gone.port),
            secrets={"TORCH_WEBHOOK_SECRET": NEW_TORCH_SECRET},
        )
        left, said = read(release)
        server.database.write_bytes(left)
        before, journalled = version_of(server), check_journal(server)
        if migrates:
            install_next_release(server)
            server.apart = True
        await server.start()
        now = version_of(server)
        assert now == ("9999" if migrates else migrations.VERSIONS[-1])
        kept = server.database.with_name(f"casebell.db.before-{now}")
        assert kept.exists() is (before != now)
        if kept.exists():
            (line,) = server.events("store.backed_up")
            assert line["file"] == kept.name
            copy = make_server()
            copy.database = kept
            assert version_of(copy) == before
            assert check_journal(copy) == journalled

        # What waited: an alert, and an event's decision. Nobody hears of anything else again.
        await server.settled()
        waited = [alert["event"] for alert in said["alerts"] if alert["state"] == "retrying"]
        assert len(waited) == len(mended.messages_of(WAITS)) == len(mended.requests) == 2
        for message in mended.messages_of(WAITS):
            assert LABEL in message["title"] + message["message"]
        assert len(room.messages_of(UNDECIDED)) == len(room.messages_with(of_a_case)) == 1
        assert not gone.requests

        expected, found = over(said), over(await listings(server))
        assert {one: as_told_by(row, found[one]) for one, row in expected.items()} == expected
        if migrates:
            assert server.rows("SELECT team, language FROM cases WHERE receipt = ?", WAITS) == [
                ("O-1 and EB-1", "en")
            ]

        # The refusal that the office's new secret proves to be genuine, and a new delivery.
        ran = await server.run("refused", "readmit", "--all", "--source", "torch")
        assert ran.code == 0, ran.err
        await until(lambda: room.messages_of(REFUSED), "the readmitted delivery's alert")
        await deliver(server)
        await server.settled()
        assert len(room.messages_with(of_a_case)) == 3
        assert check_journal(server)[: len(journalled)] == journalled
        assert server.rows("PRAGMA integrity_check") == [("ok",)]
        assert server.rows("PRAGMA foreign_key_check") == []
