"""One answer, whether a server runs or not: what reads and what writes."""

import json
import re
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from casebell.cli.local_service import this_user
from casebell.cli.service_client import ServiceClient
from casebell.store.lists import HeldFilter
from casebell.store.walk import MAX_PAGE_TEXT
from cli.installation import Installation, casebell, serving
from e2e.server import environment

READING = [
    ("events", "list"),
    ("events", "show", "evt_rfe"),
    ("events", "export"),
    ("why", "evt_rfe"),
    ("alerts", "list"),
    ("held", "list"),
    ("refused", "list"),
]

#: Every way to read and every way to fail to, and what changes nothing.
ALIKE = [
    *READING,
    ("events", "list", "--json"),
    ("events", "list", "--limit", "2"),
    ("events", "list", "--receipt", "lin-229-005-4321", "--since", "2001-01-01"),
    ("events", "list", "--status", "denied", "--tag", "adverse", "--json"),
    ("events", "list", "--text", "Año", "--json"),
    ("events", "list", "--until", "2001-01-01T09:30"),
    ("events", "list", "--since", "yesterday"),
    ("events", "list", "--receipt", "A123456789"),
    ("events", "show", "evt_hostile", "--json"),
    ("events", "show", "nothing"),
    ("why", "evt_hostile", "--json"),
    ("why", "nothing"),
    ("alerts", "list", "--state", "failed", "--json"),
    ("held", "list", "--state", "discarded"),
    ("held", "list", "--json"),
    ("refused", "list", "--error", "signature_mismatch"),
    ("alerts", "retry", "77"),
    ("held", "release", "77"),
    ("held", "discard", "77"),
    ("refused", "readmit", "77"),
    ("refused", "readmit", "--all"),
    ("channels", "test", "nobody"),
]


#: In the last line of an export: when it began.
BEGUN_AT = re.compile(r'(?<=,)"at":"[^"]+",(?="version")')


@pytest.mark.slow
def test_the_same_answers_with_and_without_a_server(installation: Installation) -> None:
    """The same words and the same exit code, to the byte."""
    # Its loops would send what waits meanwhile: nothing does.

    def asked() -> dict[tuple[str, ...], tuple[int, str, str]]:
        ran = {arguments: installation(*arguments) for arguments in ALIKE}
        return {one: (it.code, BEGUN_AT.sub("", it.out), it.err) for one, it in ran.items()}

    without = asked()
    with serving(installation):
        through = asked()
    assert without == through
    assert {code for code, _, _ in without.values()} == {0, 1, 2}


def test_a_server_is_asked_where_one_runs(served: Installation) -> None:
    """The command does not open the database: it may be a file that this command cannot read."""
    served("send", "--sample", "parley-rfe")
    hidden = served.database.rename(served.directory / "hidden.db")
    ran = served("events", "list", "--json")
    hidden.rename(served.database)
    assert (ran.code, len(ran.lines())) == (0, 1)


@pytest.mark.slow
def test_a_list_longer_than_a_page(bare: Installation, tmp_path: Path) -> None:
    """What a server gives in pages is one list, as it is without a server."""
    body = tmp_path / "body"
    # So long that no answer has more of them.
    page = 2 * HeldFilter.chunk
    with serving(bare):
        for number in range(page + 2):
            body.write_text(f"{number} " + "x" * (MAX_PAGE_TEXT // page))
            assert bare("send", "--body", str(body)).out.startswith("202")
        paged = bare("held", "list", "--json").lines()
        shorter = bare("held", "list", "--json", "--limit", str(page + 1)).lines()
        first = ServiceClient(bare.config).read("list_held", limit=50)
    assert len(first["items"]) == page
    assert first["next"] is not None
    assert [one["id"] for one in paged] == list(range(page + 2, 0, -1))
    assert shorter == paged[:-1]
    assert bare("held", "list", "--json").lines() == paged


def test_the_log_of_a_verb_is_not_its_answer(installation: Installation) -> None:
    """Without a server the command does the work itself; no log line stands in what it prints."""
    ran = installation("channels", "test", "broken", "--json")
    assert ran.err == ""
    (answer,) = ran.lines()
    assert answer["channel"] == "broken"
    assert len(installation("channels", "test", "broken").out.splitlines()) == 1


def test_both_ways_are_journalled(installation: Installation) -> None:
    """Who did it stands in the journal, either way; beside it who it was, as claimed."""
    assert installation("held", "discard", "1", "--by", "Jia Chan").code == 0
    with serving(installation):
        assert installation("held", "discard", "2", "--by", "Jia Chan").code == 0
        assert installation("reload", "--by", "Jia Chan").code == 0
    claimed = "SELECT data FROM journal WHERE actor LIKE 'cli:%'"
    data = [json.loads(text) for (text,) in installation.rows(claimed)]
    assert [one["by"] for one in data] == ["Jia Chan"] * len(data)
    assert len(data) >= 2
    told = installation.rows("SELECT subject, actor FROM journal WHERE kind = 'delivery.discarded'")
    assert told == [(f"held:{number}", this_user().name) for number in (1, 2)]


def test_a_socket_left_behind_misleads_nobody(installation: Installation) -> None:
    """After a crash the socket file is still there: without its server the command works alone."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(installation.directory / "casebell.db.sock"))
    assert installation("events", "list").code == 0
    assert installation("held", "discard", "1").code == 0


def test_a_server_without_its_socket(served: Installation) -> None:
    """What only reads is read all the same; nothing is written behind a server's back."""
    (served.directory / "casebell.db.sock").unlink()
    assert served("events", "list").code == 0
    ran = served("held", "discard", "1")
    assert (ran.code, ran.out) == (3, "")
    assert "A server holds the database, but none answers at " in ran.err
    assert "casebell.db.sock" in ran.err


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda _: None, id="ends"),
        pytest.param(lambda connection: connection.sendall(b'{"value'), id="ends half-way"),
    ],
)
def test_a_server_that_dies_before_it_answers(
    installation: Installation, answer: Callable[[socket.socket], None]
) -> None:
    """Whether it was done cannot be told: exit code 3. What only reads is read without it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(installation.directory / "casebell.db.sock"))
        listener.listen()

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        ran = installation("held", "discard", "1")
        read = installation("events", "list", "--json")
        thread.join()
    assert (ran.code, ran.out) == (3, "")
    assert "before it answered" in ran.err
    assert (read.code, len(read.lines())) == (0, 5)


def test_a_wrong_configuration_is_told_where_no_server_runs(installation: Installation) -> None:
    """A running server answers with the configuration that it has."""
    with serving(installation):
        text = installation.config.read_text().replace("timezone =", "timezon =")
        installation.config.write_text(text)
        assert installation("events", "list").code == 0
    ran = installation("events", "list")
    assert ran.code == 2
    assert "server.timezon" in ran.err


def test_a_folder_that_cannot_be_written(bare: Installation) -> None:
    """Where the database cannot be opened the answer is "could not tell"."""
    Path(bare.directory / "file").write_text("")
    bare.config.write_text(
        f'{bare.config.read_text()}\n[storage]\nurl = "sqlite:///file/casebell.db"\n'
    )
    ran = bare("channels", "test", "team")
    assert (ran.code, ran.out) == (3, "")


@pytest.mark.parametrize("arguments", READING)
def test_where_nothing_was_received_yet(bare: Installation, arguments: tuple[str, ...]) -> None:
    """Nothing can be told of a database that is not there, and none is made by asking."""
    before = bare.files()
    ran = bare(*arguments)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.splitlines() == [
        "Error: There is no database yet.",
        "  `casebell serve` creates it on its first start.",
    ]
    assert bare.files() == before


@pytest.mark.parametrize("arguments", READING)
def test_a_file_that_is_no_database(bare: Installation, arguments: tuple[str, ...]) -> None:
    """The storage's trouble is told in a sentence: exit code 3, could not tell."""
    bare.database.write_bytes(b"This is no database." * 500)
    ran = bare(*arguments)
    assert (ran.code, ran.out) == (3, "")
    assert "file is not a database" in ran.err


@pytest.mark.parametrize("arguments", READING)
def test_reading_changes_nothing(installation: Installation, arguments: tuple[str, ...]) -> None:
    """Database and configuration keep their bytes; SQLite's side files are private."""
    before = installation.files()
    assert installation(*arguments).code == 0
    after = installation.files()
    # An export goes on record. For that the command holds the lock, and writes so into it.
    assert after.pop("casebell.db.lock")
    assert before.pop("casebell.db.lock")
    assert after == before
    for path in installation.directory.glob("casebell.db-*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_in_another_directory(installation: Installation) -> None:
    """It belongs to the configuration, wherever the command is run."""
    text = installation.config.read_text()
    installation.config.write_text(f'{text}\n[storage]\nurl = "sqlite:///data/casebell.db"\n')
    assert installation("events", "list").code == 3
    (installation.directory / "data").mkdir()
    installation.database.rename(installation.directory / "data" / "casebell.db")
    assert installation("events", "list").code == 0


def test_what_a_command_imports_where_a_server_runs(served: Installation) -> None:
    """Next to nothing: what these packages cost, every command would pay."""
    heavy = (
        "casebell.settings",
        "sqlalchemy",
        "starlette",
        "structlog",
        "asyncio",
        "httpx2",
        "rich",
    )
    told = {**environment(), "PYTHONPROFILEIMPORTTIME": "1"}
    for command, code in (
        (("events", "list"), 0),
        (("why", "1"), 1),
        (("alerts", "list", "--json"), 0),
        (("held", "discard", "1"), 1),
        (("reload",), 0),
    ):
        ran = casebell(*command, "--config", str(served.config), env=told)
        assert ran.returncode == code
        imported = {line.rpartition("|")[2].strip() for line in ran.stderr.decode().splitlines()}
        assert "casebell.cli.service_client" in imported
        assert imported.isdisjoint(heavy), command
