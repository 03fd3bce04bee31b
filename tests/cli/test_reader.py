"""Reading commands: beside a server or without one, and never more than reading."""

import stat

import pytest

from cli.office import Office

READING = [
    ("events", "list"),
    ("events", "show", "evt_rfe"),
    ("events", "export"),
    ("why", "evt_rfe"),
    ("alerts", "list"),
    ("held", "list"),
]


@pytest.mark.parametrize("arguments", READING)
def test_where_nothing_was_received_yet(bare: Office, arguments: tuple[str, ...]) -> None:
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
def test_a_file_that_is_no_database(bare: Office, arguments: tuple[str, ...]) -> None:
    """The storage's trouble is told in a sentence: exit code 3, could not tell."""
    bare.database.write_bytes(b"This is no database." * 500)
    ran = bare(*arguments)
    assert (ran.code, ran.out) == (3, "")
    assert "file is not a database" in ran.err


@pytest.mark.parametrize("arguments", READING)
def test_reading_changes_nothing(office: Office, arguments: tuple[str, ...]) -> None:
    """Database, lock and configuration keep their bytes; SQLite's side files are private."""
    before = office.files()
    assert office(*arguments).code == 0
    assert office.files() == before
    for path in office.directory.glob("casebell.db-*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_in_another_directory(office: Office) -> None:
    """It belongs to the configuration, wherever the command is run."""
    text = office.config.read_text()
    office.config.write_text(f'{text}\n[storage]\nurl = "sqlite:///data/casebell.db"\n')
    assert office("events", "list").code == 3
    (office.directory / "data").mkdir()
    office.database.rename(office.directory / "data" / "casebell.db")
    assert office("events", "list").code == 0
