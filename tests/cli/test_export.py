"""`casebell events export`: everything, once, oldest first, and never over anything."""

import asyncio
import contextlib
import csv
import hashlib
import io
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casebell import __version__
from casebell.files import user_name
from casebell.store.engine import Store
from casebell.store.lock import hold, lock_path
from cli.installation import HOSTILE, Installation, casebell, run_on_terminal
from cli.test_events import FIELDS
from contracts.case_events import case_event
from contracts.decisions import append_undecided
from contracts.writing import writing
from e2e.server import PROCESS_TIMEOUT, environment

#: More than one page of the database, and more than a pipe holds.
MANY = 1_203


def add_many(installation: Installation) -> None:
    """Events beside those that were received."""

    async def add() -> None:
        async with (
            Store(f"sqlite:///{installation.database}") as store,
            writing(store) as connection,
        ):
            for start in range(0, MANY, 100):
                numbers = range(start, min(start + 100, MANY))
                events = [case_event(f"evt_many_{number}") for number in numbers]
                await append_undecided(connection, events)

    asyncio.run(add())


def rows_of(text: str) -> list[dict[str, Any]]:
    """The rows of an export as JSON lines, without its last line."""
    *rows, last = map(json.loads, text.splitlines())
    assert last["export"]["rows"] == len(rows)
    return rows


def test_json_lines(installation: Installation) -> None:
    """The default: an object a line, with the fields of docs/contract.md, oldest first."""
    ran = installation("events", "export")
    assert (ran.code, ran.err) == (0, "")
    assert [list(event) for event in rows_of(ran.out)] == [FIELDS] * 5
    assert rows_of(ran.out) == list(reversed(installation("events", "list", "--json").lines()))
    assert ran.out.replace("\n", "").isprintable()
    assert "Año, “sí”" in ran.out


def test_everything(installation: Installation) -> None:
    """It is no listing: there is no limit, and nothing is skipped or told twice."""
    add_many(installation)
    out = installation.directory / "all.jsonl"
    assert installation("events", "export", "--out", str(out)).code == 0
    with out.open(encoding="utf-8") as lines:
        numbers = [event["id"] for event in rows_of(lines.read())]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 5 + MANY


def test_alerts(installation: Installation) -> None:
    """Who was alerted: the same rows as in the list, oldest first, in both formats."""
    listed = installation("alerts", "list", "--json", "--channel", "team").lines()
    ran = installation("alerts", "export", "--channel", "team", "--since", "1h")
    assert (ran.code, ran.err, rows_of(ran.out)) == (0, "", listed[::-1])
    out = installation.directory / "alerts.csv"
    asked = ["--format", "csv", "--out", str(out), "--state", "failed"]
    assert installation("alerts", "export", *asked).code == 0
    (row,) = read_csv(out.read_bytes().decode("utf-8"))
    assert list(row) == [*listed[0], "apostrophes_in"]
    assert (row["event"], row["event_key"], row["channel"]) == ("2", "evt_rfe", "broken")
    assert rows_of(installation("alerts", "export", "--until", "1h").out) == []
    ran = installation("alerts", "export", "--receipt", "A12", "--out", f"{out}.2")
    assert (ran.code, ran.out) == (2, "")
    assert not out.with_name("alerts.csv.2").exists()


def read_csv(text: str) -> list[dict[str, str]]:
    """Rows by the names in the first one, without the last one, which sums them up."""
    *rows, last = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    assert last["id"] == "# export"
    return rows


def test_csv(installation: Installation) -> None:
    """The same fields as columns; text comes back as it was, line ends included."""
    out = installation.directory / "all.csv"
    assert installation("events", "export", "--format", "csv", "--out", str(out)).code == 0
    rows = read_csv(out.read_bytes().decode("utf-8"))
    assert list(rows[0]) == [*FIELDS, "apostrophes_in"]
    assert [row["apostrophes_in"] for row in rows] == ["", "", "", "", "text"]
    assert [row["key"] for row in rows] == [
        "evt_received", "evt_rfe", "obs_rfe", "evt_hostile", "evt_formula",
    ]  # fmt: skip
    assert rows[3]["text"] == HOSTILE
    assert rows[3]["tags"] == "adverse decision"
    assert json.loads(rows[3]["decision"])["outcome"] == "notified"
    assert rows[0]["deliveries"] == "2"


def test_an_event_that_waits_to_be_routed(installation: Installation) -> None:
    """Its status is null, and an empty cell: no word that a reader could take for a status."""
    installation.undecide(2)
    exported = rows_of(installation("events", "export").out)[1]
    assert (exported["id"], exported["status"], exported["tags"]) == (2, None, [])
    row = read_csv(installation("events", "export", "--format", "csv").out)[1]
    assert (row["id"], row["status"], row["tags"], row["decision"]) == ("2", "", "", "")


def test_a_spreadsheet_runs_nothing(installation: Installation) -> None:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    starts = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"]
    texts = [f"{start}cmd|' /C calc'!A0" for start in starts]

    async def add() -> None:
        async with (
            Store(f"sqlite:///{installation.database}") as store,
            writing(store) as connection,
        ):
            sent = [case_event(one, text=one, type=one, delivered_status=one) for one in texts]
            await append_undecided(connection, sent)

    asyncio.run(add())
    rows = read_csv(installation("events", "export", "--format", "csv").out)
    for row, text in zip(rows[-len(texts) :], texts, strict=True):
        for field in ("key", "type", "delivered_status", "text"):
            assert row[field] == f"'{text}", field
        assert all(not value.startswith(("=", "+", "-", "@")) for value in row.values())
        assert row["apostrophes_in"] == "key type delivered_status text"


def test_filters_are_those_of_the_list(installation: Installation) -> None:
    """The same options find the same events."""
    for options in (
        ("--tag", "deadline"),
        ("--source", "torch"),
        ("--since", "1h"),
        ("--text", "x"),
    ):
        listed = installation("events", "list", "--json", *options).lines()
        assert rows_of(installation("events", "export", *options).out) == listed[::-1]


def test_it_never_overwrites(installation: Installation) -> None:
    """A file that is there stays as it is, and so does what a link names."""
    there, link = installation.directory / "there", installation.directory / "link"
    there.write_text("mine")
    link.symlink_to(installation.directory / "nowhere")
    for out in (there, link, installation.directory):
        ran = installation("events", "export", "--out", str(out))
        assert (ran.code, ran.out) == (1, "")
        assert f"{out} exists already; nothing was written." in ran.err
    assert there.read_text() == "mine"
    assert not (installation.directory / "nowhere").exists()


def test_a_file_that_cannot_be_made(installation: Installation) -> None:
    """Told in a sentence."""
    ran = installation("events", "export", "--out", str(installation.directory / "no" / "file"))
    assert (ran.code, ran.out) == (1, "")
    assert "No such file or directory" in ran.err


def test_what_is_exported_is_the_owners(installation: Installation) -> None:
    """As private as the database it comes from."""
    out = installation.directory / "private"
    before = os.umask(0)
    try:
        installation("events", "export", "--out", str(out))
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_nothing_half_is_left(installation: Installation, bare: Installation) -> None:
    """Without a database no file is made; on a full disk what was written goes; exit code 3."""
    out = installation.directory / "out"
    assert bare("events", "export", "--out", str(out)).code == 3
    assert not out.exists()
    add_many(installation)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ran = casebell(
        "events", "export", "--out", str(out), "--config", str(installation.config),
        preexec_fn=small_files,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (3, b"")
    assert ran.stderr == f"Error: {out} cannot be written: File too large.\n".encode()
    assert not out.exists()


def test_standard_output_that_is_full(installation: Installation) -> None:
    """The output's trouble is not told as the storage's; on record the export is not whole."""
    with Path("/dev/full").open("wb") as full:
        ran = casebell(
            "events", "export", "--config", str(installation.config),
            stdout=full, stderr=subprocess.PIPE, capture_output=False,
        )  # fmt: skip
    assert ran.returncode == 3
    assert ran.stderr == b"Error: Standard output cannot be written: No space left on device.\n"
    started, ended = entries(installation, "export.started", "export.ended")
    assert started["data"] == {"of": "events", "filter": {}}
    assert ended["data"]["cut_off"] is True
    assert "sha256" not in ended["data"]


def test_a_reader_that_has_enough(installation: Installation) -> None:
    """`| head` ends it without a word."""
    add_many(installation)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "casebell",
            "events",
            "export",
            "--config",
            str(installation.config),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out:
        first: dict[str, Any] = json.loads(out.readline())
    assert first["key"] == "evt_received"
    with process.stderr as err:
        assert err.read() == b""
    assert process.wait(PROCESS_TIMEOUT) == 141


@pytest.mark.slow
def test_progress_is_for_who_watches(installation: Installation) -> None:
    """On a terminal it counts, and says at the end how much was written; elsewhere not a byte."""
    add_many(installation)
    out = installation.directory / "watched"
    seen = run_on_terminal(
        "events", "export", "--out", str(out), "--config", str(installation.config)
    )
    assert f"1,000 of {5 + MANY:,} events" in seen
    assert seen.rstrip().endswith(f"Wrote {5 + MANY:,} events.")
    assert out.stat().st_size > 0
    # Counting by a text first would take as long as the export.
    more = ["--text", "", "--out", str(installation.directory / "by-text")]
    assert "\r1,000 events" in run_on_terminal(
        "events", "export", *more, "--config", str(installation.config)
    )
    ran = installation("events", "export", "--out", str(installation.directory / "unwatched"))
    assert (ran.out, ran.err) == ("", "")


def test_on_a_terminal_nothing_acts(installation: Installation) -> None:
    """Printed to a terminal, the CSV has no control characters and no progress between its rows."""
    seen = run_on_terminal(
        "events", "export", "--format", "csv", "--config", str(installation.config)
    )
    assert "[2J]0;ownedeviltxt.exe" in seen
    assert "\x1b" not in seen
    assert "Wrote" not in seen
    # Headings, five events, and the line that sums them up.
    assert len(seen.splitlines()) == 7
    assert seen.splitlines()[-1].startswith("# export,")


class TestLastLine:
    """It sums up an export, so that a file can be checked by itself; a cut off one lacks it."""

    @pytest.mark.parametrize("written", ["jsonl", "csv"])
    def test_the_digest_is_of_all_before_it(self, installation: Installation, written: str) -> None:
        """`head -n -1 FILE | sha256sum` says the same."""
        out = installation.directory / "out"
        asked = ["--status", "denied", "--receipt", "wac-2190054321", "--text", "nothing; =to"]
        for options in ([], asked):
            out.unlink(missing_ok=True)
            ran = installation("events", "export", "--format", written, "--out", str(out), *options)
            assert (ran.code, ran.out, ran.err) == (0, "", "")
            *before, last = out.read_bytes().splitlines(keepends=True)
            if written == "csv":
                *rows, ends = csv.reader(io.StringIO(out.read_bytes().decode(), newline=""))
                assert {len(row) for row in [*rows, ends]} == {len(FIELDS) + 1}
                mark, text, *empty = ends
                assert (mark, set(empty)) == ("# export", {""})
                found = json.loads(text)
                numbers = [int(row[0]) for row in rows[1:]]
            else:
                found = json.loads(last)["export"]
                numbers = [json.loads(line)["id"] for line in before]
            assert found["sha256"] == hashlib.sha256(b"".join(before)).hexdigest()
            assert (found["of"], found["rows"]) == ("events", len(numbers))
            assert found["first"] == (numbers[0] if numbers else None)
            assert found["last"] == (numbers[-1] if numbers else None)
            assert found["version"] == __version__
            assert found["at"].endswith("Z")
            assert found["filter"] == (
                {"status": "denied", "receipt": "WAC2190054321", "text": "nothing; =to"}
                if options
                else {}
            )

    def test_standard_output_has_it_too(self, installation: Installation) -> None:
        """Byte for byte what a file has, but for when it was begun."""
        out = installation.directory / "out"
        installation("alerts", "export", "--out", str(out), "--since", "1h", "--outstanding")
        ran = installation("alerts", "export", "--since", "1h", "--outstanding")
        assert ran.out.splitlines()[:-1] == out.read_text().splitlines()[:-1]
        told = json.loads(ran.out.splitlines()[-1])["export"]
        assert told["filter"]["outstanding"] is True
        # As a time, not as a length that means another one tomorrow.
        assert told["filter"]["since"].endswith("Z")


def entries(installation: Installation, *kinds: str) -> list[dict[str, Any]]:
    """The journal's entries of these kinds, oldest first."""
    ran = installation("journal", "list", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines()
    return [one for one in ran.lines()[::-1] if one["kind"] in kinds]


class TestOnRecord:
    """That somebody exported is in the journal: before the first row, and at the end."""

    def test_by_whom_with_which_filter(self, installation: Installation) -> None:
        """Of words that were looked for only a digest: the journal keeps no official text."""
        asked = ["--text", "RFE", "--receipt", "IOE0912345678", "--by", "Jia Chan"]
        ran = installation("events", "export", *asked)
        last = json.loads(ran.out.splitlines()[-1])["export"]
        started, ended = entries(installation, "export.started", "export.ended")
        assert started["subject"] == ended["subject"]
        for one in (started, ended):
            assert one["actor"] == f"cli:{user_name(os.geteuid())}"
            assert one["by"] == "Jia Chan"
        assert started["data"] == {
            "by": "Jia Chan",
            "of": "events",
            "filter": {
                "receipt": "IOE0912345678",
                "text_sha256": hashlib.sha256(b"RFE").hexdigest(),
            },
        }
        told = {name: last[name] for name in ("of", "rows", "first", "last", "sha256")}
        assert ended["data"] == {"by": "Jia Chan", **told}
        assert told["rows"] == 2

    def test_a_filter_that_is_none_is_not(self, installation: Installation) -> None:
        """Nothing was exported."""
        assert installation("events", "export", "--source", "parlay").code == 2
        assert entries(installation, "export.started", "export.ended") == []

    def test_beside_a_running_server(self, served: Installation) -> None:
        """The server writes it down; the rows are read without it."""
        ran = served("alerts", "export", "--by", "Ana")
        assert (ran.code, ran.err, rows_of(ran.out)) == (0, "", [])
        kinds = [one["kind"] for one in entries(served, "export.started", "export.ended")]
        assert kinds == ["export.started", "export.ended"]

    def test_where_it_cannot_be(self, installation: Installation) -> None:
        """A sentence on standard error, once; the export is whole."""
        with hold_database(installation):
            ran = installation("events", "export")
        assert ran.code == 0
        assert len(rows_of(ran.out)) == 5
        (said,) = ran.err.splitlines()
        assert said.startswith("That this was exported is not wholly on record: A server holds")
        assert entries(installation, "export.started", "export.ended") == []


@contextlib.contextmanager
def hold_database(installation: Installation) -> Iterator[None]:
    """As a server does that does not answer."""
    descriptor = hold(lock_path(installation.database))
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)
