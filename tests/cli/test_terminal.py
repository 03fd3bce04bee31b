"""Nothing stored acts on a terminal, and everything else is shown as it is."""

import os
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.cli.terminal import (
    MAX_CELL,
    Columns,
    OutputFailed,
    ReaderGone,
    output_errors,
    plain,
    print_error,
    print_json,
    print_line,
    print_rows,
    print_to_stderr,
)
from casebell.errors import ConfigError, NotFound, Problem
from casebell.times import local_time
from cli.installation import HOSTILE, Installation, run_on_terminal

ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING)
def test_plain_text_is_one_line_that_does_nothing(text: str) -> None:
    """Whatever comes in: no control, format or surrogate character and no line end is left."""
    shown = plain(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1


@given(st.text(st.characters(categories=("L", "M", "N", "P", "S"), include_characters=" \xa0")))
def test_everything_else_is_verbatim(text: str) -> None:
    """Markup, mentions, other scripts and no-break blanks are nothing to a terminal."""
    assert plain(text) == text


def test_a_line_end_separates_words() -> None:
    """Two lines become one with a blank between them, and an escape sequence loses its escape."""
    assert plain("one\r\ntwo\u2028three\tfour") == "one two three four"
    assert plain("\x1b[31mred\x1b[0m \u202etxt.exe\u200b <b> @all") == "[31mred[0m txt.exe <b> @all"


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Stored text cannot begin a line of its own, and has an end."""
    print_line("text: " + HOSTILE)
    assert capsys.readouterr().out.count("\n") == 1
    print_line("x" * 300_000)
    assert len(capsys.readouterr().out) == 200_001


COLUMNS: Columns = {"ID": "id", "TEXT": lambda item: item["text"]}


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Headings, then a row for each item, in columns; nothing is a dash, lists are words."""
    items: list[dict[str, Any]] = [
        {"id": 10, "text": ["a", "b"]},
        {"id": 9, "text": None},
        {"id": 8, "text": ""},
    ]
    print_rows(items, COLUMNS, as_json=False, empty="Nothing.")
    assert capsys.readouterr().out.splitlines() == ["ID  TEXT", "10  a b", "9   -", "8   -"]


def test_a_hostile_cell_stays_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends, escapes and direction marks of a stored text stay out of the table."""
    print_rows([{"id": 1, "text": HOSTILE}], COLUMNS, as_json=False, empty="")
    heading, row = capsys.readouterr().out.splitlines()
    assert heading == "ID  TEXT"
    assert row == "1   [2J]0;ownedeviltxt.exe Told Nothing to see here <b>@all"


def test_a_long_cell_is_cut_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A text of megabytes does not fill a mail or a log; `whole` shows it."""
    items = [{"id": 1, "text": "x" * 1000}]
    print_rows(items, COLUMNS, as_json=False, empty="")
    assert capsys.readouterr().out.splitlines()[1] == "1   " + "x" * (MAX_CELL - 1) + "…"
    print_rows(items, COLUMNS, as_json=False, empty="", whole=True)
    assert capsys.readouterr().out.splitlines()[1] == "1   " + "x" * 1000


def test_an_empty_listing_says_so_to_people_only(capsys: pytest.CaptureFixture[str]) -> None:
    """People read a sentence; a program reads no line at all."""
    print_rows([], COLUMNS, as_json=False, empty="Nothing is held.")
    print_rows([], COLUMNS, as_json=True, empty="Nothing is held.")
    assert capsys.readouterr().out == "Nothing is held.\n"


def test_the_last_column_ends_with_the_terminal(installation: Installation) -> None:
    """On a terminal no row of a listing is broken in two for the sake of a long text."""
    narrow = run_on_terminal("events", "list", "--config", str(installation.config), columns=120)
    assert max(map(len, narrow.splitlines())) <= 120
    assert "[2J]0;owned" in narrow
    assert "…" in narrow
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in narrow.replace("\n", ""))


def test_times_are_the_firms() -> None:
    """Stamps are shown in the configured zone, daylight saving included; other text as it is."""
    assert local_time("2025-10-14T19:22:03.000000Z", "America/New_York") == (
        "2025-10-14 15:22:03 EDT"
    )
    assert local_time("2025-12-14T19:22:03.000000Z", "America/New_York") == (
        "2025-12-14 14:22:03 EST"
    )
    assert local_time("last Tuesday", "America/New_York") == "last Tuesday"
    assert local_time(None, "America/New_York") == "-"


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize(
    "stamp",
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2024-01-20",
        "20240120",
        "2024-01-20T10:00:00",
    ],
)
def test_a_time_that_is_none_stays_as_it_came(stamp: str, zone: str) -> None:
    """No calendar has it in some zone, or it has no zone itself; nothing fails."""
    shown = local_time(stamp, zone)
    assert shown == stamp or shown.startswith(("0001-01-01", "9999-12-31"))


def test_an_error_is_a_sentence_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, made harmless; the exit code is the error's own."""
    assert print_error(NotFound("There is no\x1b[2J such thing.", hint="Look\nelsewhere.")) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Error: There is no[2J such thing.\n  Look elsewhere.\n")
    print_to_stderr("Alone.")
    assert capsys.readouterr().err == "Alone.\n"


def test_every_problem_of_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its file, its key and its hint, then how many there are."""
    problems = [
        Problem(key="a.b", message="This is wrong.", hint="Mend it.", where="/etc/c.toml"),
        Problem(key="", message="That is missing."),
    ]
    assert print_error(ConfigError(problems)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["/etc/c.toml: a.b: This is wrong.", "  Mend it.", "That is missing."]
    assert lines[3].startswith("2 problems. ")


def test_output_that_cannot_be_written_is_not_the_storages_fault() -> None:
    """A full disk and a reader that went away are told as what they are."""
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OutputFailed, match="cannot be written: No space left"), output_errors():
        os.write(full, b"x")
    os.close(full)
    reads, writes = os.pipe()
    os.close(reads)
    with pytest.raises(ReaderGone), output_errors():
        os.write(writes, b"x")
    os.close(writes)


def test_standard_output_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `>&-` there is no standard output: what is printed is lost, and nothing breaks."""
    monkeypatch.setattr(sys, "stdout", None)
    print_line("lost")
    print_json({"lost": True})
