"""A database that an earlier release left is migrated at the start, and nothing in it changes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from casebell.sandbox.http_sink import HttpSink
from casebell.store import journal, migrations
from e2e.office import Hook
from e2e.releases.make import WAITS, config
from e2e.sender import deliver
from e2e.server import MakeServer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

RELEASES = Path(__file__).parent / "releases"
#: By the version of their tables; `releases/make.py` says how they came about.
VERSIONS = sorted(path.name.removesuffix(".db.gz") for path in RELEASES.glob("*.db.gz"))


def exported(text: str) -> list[dict[str, Any]]:
    """An export's events."""
    return [json.loads(line) for line in text.splitlines()]


def of_a_case(message: str) -> bool:
    """Whether a message is none to operations."""
    return "Casebell operations" not in message


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


async def test_each_version_has_a_database() -> None:
    """A release that changes the tables adds a database of its own to those tried here."""
    scripts = ScriptDirectory.from_config(migrations.config())
    assert sorted(one.revision for one in scripts.walk_revisions()) == VERSIONS


@pytest.mark.parametrize(
    "version",
    [
        *(pytest.param(version, marks=pytest.mark.slow) for version in VERSIONS[:-1]),
        pytest.param(VERSIONS[-1], marks=pytest.mark.soak),
    ],
)
async def test_an_earlier_releases_database(make_server: MakeServer, version: str) -> None:
    """It starts, keeps a copy where it migrates, exports the same events, and goes on."""
    async with Hook() as room, HttpSink() as mended:
        server = make_server(config(room.port, mended.port))
        left = gzip.decompress((RELEASES / f"{version}.db.gz").read_bytes())
        server.database.write_bytes(left)
        assert server.rows("SELECT version_num FROM alembic_version") == [(version,)]
        before = check_journal(server)
        await server.start()
        ((now,),) = server.rows("SELECT version_num FROM alembic_version")
        assert now == VERSIONS[-1]

        kept = server.database.with_name(f"casebell.db.before-{now}")
        assert kept.exists() is (version != now)
        if kept.exists():
            (line,) = server.events("store.backed_up")
            assert line["file"] == kept.name
            copy = make_server()
            copy.database = kept
            assert copy.rows("SELECT version_num FROM alembic_version") == [(version,)]
            assert check_journal(copy) == before

        # Of a later release's export, what the earlier one told of.
        expected = exported((RELEASES / f"{version}.jsonl").read_text())
        ran = await server.run("events", "export", "--format", "jsonl")
        assert ran.code == 0, ran.err
        found = [
            {name: event[name] for name in old}
            for event, old in zip(exported(ran.out), expected, strict=True)
        ]
        assert found == expected

        await server.settled()
        assert check_journal(server)[: len(before)] == before
        # Of cases only what waited is told now.
        ((waited,),) = server.rows("SELECT id FROM events WHERE receipt = ?", WAITS)
        (message,) = [json.loads(one.body)["message"] for one in mended.requests]
        assert f", event {waited}\n" in message
        assert not room.about(of_a_case)
        assert (await deliver(server))["row"] == len(expected) + 1
        await server.settled()
        assert len(room.about(of_a_case)) == 1
        assert server.rows("PRAGMA integrity_check") == [("ok",)]
        assert server.rows("PRAGMA foreign_key_check") == []
