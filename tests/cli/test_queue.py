"""`casebell queue`, `ack`, `cases due`, `cases answered`: what is owed, and what was said of it."""

import json

from cli.installation import Installation

#: A case of the installation that was asked for evidence.
RECEIPT = "IOE0912345678"
PEOPLE = """
[people.jchan]
name = "Jia Chan"
teams = ["rfe"]
"""


def test_a_day_with_the_queue(installation: Installation) -> None:
    """It is seen, due, confirmed and answered; each is said, and who said it is on record."""
    listed = installation("queue", "--receipt", RECEIPT)
    assert (listed.code, listed.err) == (0, "")
    head, row = listed.out.splitlines()
    assert head.split()[:3] == ["RECEIPT", "CHANGE", "STATUS"]
    assert row.startswith(f"{RECEIPT}  2 ")
    seen = installation("ack", RECEIPT, "--note", "Called the client.", "--by", "ana")
    assert seen.out.splitlines() == [
        f"Case {RECEIPT}: change 2 acknowledged.",
        "What is in the queue stays there until it is answered.",
    ]
    assert (
        "You had said so before."
        in installation("ack", RECEIPT, "--note", "Called the client.", "--by", "ana").out
    )
    due = installation("cases", "due", RECEIPT, "2026-12-24")
    assert f"Case {RECEIPT}, change 2: due 2026-12-24, entered by " in due.out
    assert "unconfirmed." in due.out
    # Whoever runs commands as the same user is the same person, whatever --by says.
    again = installation("cases", "due", RECEIPT, "2026-12-24", "--by", "kim")
    assert "confirmed once a second person enters the same date, signed in" in again.out
    shown = installation("cases", "show", RECEIPT).out
    assert "as “ana”: “Called the client.”" in shown
    assert "in the queue, due 2026-12-24, entered by" in shown
    [line] = installation("queue", "--receipt", RECEIPT, "--json").lines()
    assert (line["due"], line["due_confirmed"]) == ("2026-12-24", False)
    assert "Called" not in json.dumps(line)
    assert "as “ana”" in line["acknowledged_by"]
    done = installation("cases", "answered", RECEIPT)
    assert "Nobody is reminded of it any more." in done.out
    assert installation("queue", "--receipt", RECEIPT).out == "Nothing is in the queue.\n"
    again = installation("cases", "answered", RECEIPT, "--undo")
    assert "in the queue again, due 2026-12-24" in again.out
    cleared = installation("cases", "due", RECEIPT, "none")
    assert "no date entered." in cleared.out
    kinds = "SELECT kind FROM journal WHERE kind LIKE 'change.%ed' AND actor LIKE 'cli:%'"
    assert [kind for (kind,) in installation.rows(f"{kinds} ORDER BY seq")] == [
        *("change.acknowledged", "change.due_entered", "change.answered", "change.reopened"),
        "change.due_cleared",
    ]


def test_what_cannot_be_done(installation: Installation) -> None:
    """Nothing that is open is exit code 1, what cannot be understood 2; each says what to do."""
    for words, code, said in (
        (["ack", "IOE0000000000"], 1, "There is no case of this receipt number."),
        (["ack", "none"], 2, "A receipt number is three letters and ten digits."),
        (["ack", RECEIPT, "--change", "99"], 1, "has no change 99"),
        (["ack", RECEIPT, "--note", "a" * 501], 2, "at most 500 characters"),
        (["cases", "due", RECEIPT, "24.12.2026"], 2, 'Write a date, such as "2026-12-24".'),
        (["cases", "due", RECEIPT, "2026-02-30"], 2, "There is no such day"),
        (["cases", "answered", RECEIPT, "--change", "1"], 1, "asks for nothing"),
        (["cases", "answered", RECEIPT, "--undo"], 1, "Nobody said"),
        (["queue", "--by", "ana"], 2, "--by says whose cases --mine means."),
    ):
        ran = installation(*words)
        assert (ran.code, ran.out) == (code, ""), words
        assert said in ran.err, words


def test_a_date_that_is_over(installation: Installation) -> None:
    """It is kept, and asked about."""
    ran = installation("cases", "due", RECEIPT, "2024-12-24")
    assert ran.code == 0
    assert "Look again: 2024-12-24 is over. Is it the date in the notice?" in ran.out


def test_mine(installation: Installation) -> None:
    """Whose they are is the system's user, or the name of --by; nobody is told so."""
    installation.config.write_text(installation.config.read_text() + PEOPLE)
    installation.write("UPDATE cases SET owner = 'jchan', owner_key = 'jchan'")
    for name in ("jchan", "Jia Chan"):
        assert RECEIPT in installation("queue", "--mine", "--by", name).out
    ran = installation("queue", "--mine")
    assert (ran.code, ran.out) == (2, "")
    assert "--by NAME says who you are." in ran.err
    assert (
        "Nobody in the configuration is “kim”" in installation("queue", "--mine", "--by", "kim").err
    )
