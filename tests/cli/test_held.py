"""`casebell held`: nothing authentic is lost, and a person decides."""

import unicodedata

from cli.installation import RECEIVED, Installation, serving

MAPPED = """
[sources.parley.fields]
receipt = ["receipt_number", "note"]
"""


def numbers(installation: Installation, *options: str) -> list[int]:
    """Numbers of the held deliveries listed with these options."""
    return [one["id"] for one in installation("held", "list", "--json", *options).lines()]


def test_what_waits(installation: Installation) -> None:
    """Newest first, each with its reason and its body; a program reads every byte it can."""
    newest, oldest = installation("held", "list", "--json").lines()
    assert (newest["reason"], oldest["reason"]) == ("invalid_encoding", "missing_receipt")
    assert oldest["body"].encode() == RECEIVED[6][1]
    assert newest["body"] == "\\xff\\xfe\x1b]0;owned\x07 no JSON"
    assert {one["state"] for one in (newest, oldest)} == {"held"}
    assert numbers(installation, "--limit", "1") == [newest["id"]]


def test_a_list_for_people(installation: Installation) -> None:
    """A row for each; neither body nor detail acts on the terminal."""
    ran = installation("held", "list")
    heading, *listed = ran.out.splitlines()
    assert heading.split() == ["ID", "RECEIVED", "SOURCE", "REASON", "TIMES", "DETAIL", "BODY"]
    assert len(listed) == 2
    assert not {unicodedata.category(c) for c in ran.out if c != "\n"} & {"Cc", "Cf"}
    assert "No receipt under a known name. Fields that came: id, note." in listed[1]
    assert installation("held", "list", "--state", "released").out == "Nothing is held.\n"


def test_what_cannot_be_understood_yet_stays(installation: Installation) -> None:
    """`release` reads it with today's configuration; where that does not help, it stays held."""
    ran = installation("held", "release", "1")
    assert (ran.code, ran.out) == (1, "")
    assert "still cannot be understood" in ran.err
    assert "sources.NAME.fields" in ran.err
    assert numbers(installation) == [2, 1]


def test_some_or_all(installation: Installation) -> None:
    """Each that stays is named with what to do about its reason; either numbers or `--all`."""
    ran = installation("held", "release", "--all")
    assert (ran.code, ran.out) == (1, "")
    assert "Held delivery 1 still cannot be understood" in ran.err
    assert "casebell held discard 2" in ran.err
    ran = installation("held", "release", "--all", "--reason", "form_encoded")
    assert (ran.code, ran.out) == (0, "Nothing is held.\n")
    for wrong in (
        [],
        ["1", "--all"],
        ["1", "--reason", "invalid_json"],
        ["--all", "--reason", "x"],
    ):
        assert installation("held", "release", *wrong).code == 2
    assert numbers(installation) == [2, 1]


def test_released_after_a_fix(installation: Installation) -> None:
    """Once the field map fits it becomes an event, and a running server routes it."""
    body = RECEIVED[6][1].replace(b"\\u001b[2J\\nfake", b"IOE0977777777")
    assert b"IOE0977777777" in body
    installation.config.write_text(
        installation.config.read_text().replace("[sources.torch]", f"{MAPPED}\n[sources.torch]")
    )
    with serving(installation):
        lost = installation.directory / "lost.json"
        lost.write_bytes(body.replace(b'"note"', b'"normalized_status": "other", "notes"'))
        assert installation("send", "--body", str(lost)).out[:3] == "202"
        assert numbers(installation)[0] == 3
        office_text = installation.config.read_text()
    installation.config.write_text(office_text.replace('"note"]', '"note", "notes"]'))
    ran = installation("held", "release", "--all", "--reason", "missing_receipt", "--json")
    answers = [(one["held"], one["status"]) for one in ran.lines()]
    assert (ran.code, answers) == (1, [(1, "still_held"), (3, "stored")])
    assert installation("events", "show", "evt_lost").code == 0
    assert numbers(installation) == [2, 1]
    assert numbers(installation, "--state", "released") == [3]
    again = installation("held", "release", "3")
    assert (again.code, again.out) == (1, "")
    assert "released already" in again.err


def test_discarded(installation: Installation) -> None:
    """`discard` closes it without acting on it; its body is kept."""
    ran = installation("held", "discard", "2")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Held delivery 2 is discarded; its body is kept.\n"
    assert numbers(installation) == [1]
    (kept,) = installation("held", "list", "--state", "discarded", "--json").lines()
    assert kept["body"].startswith("\\xff\\xfe")
    for verb in ("discard", "release"):
        ran = installation("held", verb, "2")
        assert (ran.code, ran.out) == (1, "")
        assert "discarded already" in ran.err
