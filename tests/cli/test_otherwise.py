"""`casebell check --over 30d`: what this file would have decided otherwise."""

import re

import pytest

from cli.installation import Installation, serving
from contracts.stores import store_in


def change_rules(installation: Installation, before: str, after: str) -> None:
    """Have something else in the file."""
    text = installation.config.read_text()
    assert before in text
    installation.config.write_text(text.replace(before, after))


def test_the_file_as_it_was(installation: Installation) -> None:
    """One sentence: how many were looked at, and since when in the firm's zone."""
    ran = installation("check", "--over", "30d")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(
        r"Of 4 changes decided since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d E[SD]T, none would be decided "
        r"otherwise\.\n",
        ran.out,
    )


def test_another_file(installation: Installation) -> None:
    """Each change, who was told and who would be, and why; to find differences is no failure."""
    change_rules(installation, 'status = ["denied"]', 'status = ["received"]')
    ran = installation("check", "--over", "30d")
    assert (ran.code, ran.err) == (0, "")
    told = re.sub(r"^\d{4}-\S+ \S+ E[SD]T  ", "", ran.out, flags=re.MULTILINE).split("\n\n")
    denied = next(one for one in told if one.startswith("WAC2190054321"))
    assert denied.splitlines() == [
        "WAC2190054321, event 4",
        '  then: denied (adverse, decision): team → json, by "Denied"',
        "  now:  denied (adverse, decision): team → json, as operations, urgent",
        (
            '  The rule "Denied" does not match now: status is denied, the rule asks for received. '
            "It did: status is denied."
        ),
        "  Operations hear of it over team now.",
        "  Over team it is urgent now.",
    ]
    received = next(one for one in told if one.startswith("IOE0912345678"))
    assert "  then: received: nobody: no rule matched" in received
    assert '  now:  received: team → json, by "Denied"' in received
    assert told[-1].endswith("3 would be decided otherwise.\n")


def test_beside_a_running_server(installation: Installation) -> None:
    """It asks of the file that it was given, which is not the server's; nothing is written."""
    other = installation.config.with_name("other.toml")
    with serving(installation):
        entries = installation.rows("SELECT max(seq) FROM journal")
        other.write_text(installation.config.read_text().replace('["denied"]', '["approved"]'))
        other.chmod(0o600)
        ran = installation.run("check", "--over", "1d", "--config", str(other))
        assert ran.out.endswith("1 would be decided otherwise.\n")
        assert "none would be" in installation("check", "--over", "1d").out
        assert installation.rows("SELECT max(seq) FROM journal") == entries


def test_a_file_that_cannot_be_used(installation: Installation) -> None:
    """Its problems, as without `--over`: exit code 1."""
    change_rules(installation, 'notify = ["team", "broken"]', 'notify = ["tem"]')
    ran = installation("check", "--over", "30d")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == installation("check").err
    assert "rules[1].notify[1]" in ran.err


@pytest.mark.parametrize("over", ["30", "", "yesterday"])
def test_no_length_of_time(installation: Installation, over: str) -> None:
    """Usage: exit code 2, and how to write one."""
    ran = installation("check", "--over", over)
    assert (ran.code, ran.out) == (2, "")
    assert 'Write a length of time: "30d", "24h".' in ran.err


def test_no_database(bare: Installation) -> None:
    """It cannot be told, and nothing is made."""
    before = bare.files()
    assert bare("check", "--over", "30d").code == 3
    assert bare.files() == before


def test_nothing_was_decided(bare: Installation) -> None:
    """An empty record is no failure."""
    # With its tables.
    store_in(bare.directory)
    ran = bare("check", "--over", "24h")
    assert ran.code == 0
    assert ran.out.startswith("No change was decided since ")
