"""Verbs that write: one answer, whether a server runs or not."""

import json
from pathlib import Path

from cli.office import Office, serving

NOTHING_THERE = [
    (("alerts", "retry", "77"), 1),
    (("held", "release", "77"), 1),
    (("held", "discard", "77"), 1),
    (("channels", "test", "nobody"), 1),
]


def test_the_same_answers_with_and_without_a_server(office: Office) -> None:
    """What is not there is told in the same words with the same exit code."""
    without = [office(*arguments) for arguments, _ in NOTHING_THERE]
    with serving(office):
        through = [office(*arguments) for arguments, _ in NOTHING_THERE]
    assert without == through
    assert [ran.code for ran in without] == [code for _, code in NOTHING_THERE]
    assert all(ran.out == "" and ran.err.startswith("Error: ") for ran in without)


def test_the_log_of_a_verb_is_not_its_answer(office: Office) -> None:
    """Without a server the command does the work itself; no log line stands in what it prints."""
    ran = office("channels", "test", "broken", "--json")
    assert ran.err == ""
    (answer,) = ran.lines()
    assert answer["channel"] == "broken"
    assert len(office("channels", "test", "broken").out.splitlines()) == 1


def test_both_ways_are_journalled(office: Office) -> None:
    """Who did it stands in the journal, either way."""
    assert office("held", "discard", "1").code == 0
    with serving(office):
        assert office("held", "discard", "2").code == 0
    told = office.rows("SELECT subject, actor FROM journal WHERE kind = 'delivery.discarded'")
    assert told == [("held:1", "cli"), ("held:2", "cli")]


def test_a_door_left_behind_opens_nothing(office: Office) -> None:
    """After a crash the old door is still there: without its server the command works by itself."""
    door = office.directory / "casebell.db.door"
    door.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "t"}))
    assert office("held", "discard", "1").code == 0


def test_a_folder_that_cannot_be_written(bare: Office) -> None:
    """Where the database cannot be opened the answer is "could not tell"."""
    Path(bare.directory / "file").write_text("")
    bare.config.write_text(
        f'{bare.config.read_text()}\n[storage]\nurl = "sqlite:///file/casebell.db"\n'
    )
    ran = bare("channels", "test", "team")
    assert (ran.code, ran.out) == (3, "")
