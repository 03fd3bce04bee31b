"""`casebell cases`: where each case stands, and who was told."""

from cli.installation import Installation

LISTED = ["LIN2290054321", "WAC2190054321", "IOE0912345678"]


def test_the_list(installation: Installation) -> None:
    """The newest change first; people get a table, programs an object a line."""
    found = installation("cases", "list", "--json").lines()
    assert [one["receipt"] for one in found] == LISTED
    assert [one["status"] for one in found] == ["received", "denied", "rfe_issued"]
    heading, *rows = installation("cases", "list").out.splitlines()
    assert heading.split() == ["RECEIPT", "STATUS", "SINCE", "UPDATED", "OWNER", "TEAM", "LABEL"]
    assert [row.split()[0] for row in rows] == LISTED
    assert len(installation("cases", "list", "--limit", "1", "--json").lines()) == 1


def test_its_options(installation: Installation) -> None:
    """Each narrows it; what nothing matches is an empty list, and no error."""

    def listed(*options: str) -> list[str]:
        found = installation("cases", "list", "--json", *options)
        assert found.code == 0
        return [one["receipt"] for one in found.lines()]

    assert listed("--status", "denied") == ["WAC2190054321"]
    assert listed("--confidential") == []
    assert listed("--not-confidential") == LISTED
    assert listed("--owner", "ana") == listed("--team", "rfe") == []
    assert "with --silent the others" in installation("cases", "list", "--owner", "ana").out
    assert installation("cases", "list", "--silent", "--owner", "ana").out == "No case matches.\n"
    assert installation("cases", "list", "--status", "rfe").code == 2


def test_one_case(installation: Installation) -> None:
    """Its changes, and what became of each alert."""
    ran = installation("cases", "show", "ioe-091-234-5678")
    first, *lines = ran.out.splitlines()
    assert first == "Case IOE0912345678: rfe_issued"
    assert any(one.startswith("  since: 2025-10-14 15:22:03") for one in lines)
    changes = [one for one in lines if one.startswith("Change ")]
    assert [one.split()[2] for one in changes] == ["rfe_issued", "received,"]
    assert "  corroborated: also reported by event 3; all by parley, torch" in lines
    told = [one for one in lines if "→" in one]
    assert any(one.startswith("  team → json: sent 20") for one in told)
    assert any(one.startswith("  broken → json: failed (") for one in told)
    (shown,) = installation("cases", "show", "IOE0912345678", "--json").lines()
    assert {one["channel"] for one in shown["changes"][0]["told"]} == {"team", "broken"}


def test_a_reminder_is_called_one(installation: Installation) -> None:
    """Who was told twice of a change was reminded; how the escalation stands is said below."""
    installation.write(
        "UPDATE alerts SET kind = 'reminder' WHERE channel = 'team' AND change_id = 2"
    )
    installation.write(
        "INSERT INTO escalations (change_id, name, urgent, began_at, step, repetition, "
        "due_at, ended) VALUES (2, 'Unseen', 1, 0, 1, 0, NULL, 'stopped')"
    )
    lines = installation("cases", "show", "IOE0912345678").out.splitlines()
    assert any(one.startswith("  reminder, team → json: sent 20") for one in lines)
    assert any(one.startswith("  broken → json: failed (") for one in lines)
    assert any(one.startswith("  Escalation “Unseen”: 1 reminder; ended,") for one in lines)


def test_a_case_that_is_not_there(installation: Installation) -> None:
    """The answer is no; a text that is no receipt number is wrong usage."""
    ran = installation("cases", "show", "IOE0000000000")
    assert (ran.code, ran.out) == (1, "")
    assert "There is no case of this receipt number." in ran.err
    assert installation("cases", "show", "A12").code == 2
