"""`casebell why KEY`: the whole story of an event, in sentences that nothing stored can forge."""

import unicodedata

from cli.installation import HOSTILE, Installation


def test_a_change_somebody_was_told_of(installation: Installation) -> None:
    """Verification, change, the rules that matched and that did not, alerts and attempts."""
    ran = installation("why", "evt_rfe")
    assert (ran.code, ran.err) == (0, "")
    for sentence in (
        "Event 2 from parley, key evt_rfe",
        "stored, authenticated by secret “secret-1”, from 203.0.113.7.",
        "Receipt IOE0912345678: rfe_issued (delivered as “rfe_issued”), tagged deadline.",
        "Text: “RFE was sent”",
        "As reported, it happened at 2025-10-14 15:22:03 EDT.",
        "It began change 2.",
        "Also reported by event 3.",
        "Rule “Answer owed” matched: status is rfe_issued.",
        "Rule “Denied” did not match: status is rfe_issued, the rule asks for denied.",
        "Alert 1 to json over team: sent.",
        "Alert 2 to json over broken: failed (gave_up: tried for as long as the channel's max_age",
        "could be tried again (connection_refused: nothing listens at the service's address; ",
    ):
        assert sentence in ran.out


def test_a_change_that_was_known(installation: Installation) -> None:
    """The second report of a change says which one it is, and why nobody was alerted again."""
    ran = installation("why", "obs_rfe")
    assert "It reports change 2, which event 2 began." in ran.out
    assert "Nobody is alerted of a change twice." in ran.out


def test_an_event_that_waits_to_be_routed(installation: Installation) -> None:
    """What was delivered is told, and that nothing is decided of it."""
    installation.undecide(2)
    ran = installation("why", "2")
    assert "Receipt IOE0912345678: not decided yet (delivered as “rfe_issued”)." in ran.out
    assert "  Not yet: it waits for its decision." in ran.out
    assert "  No alert." in ran.out


def test_a_change_nobody_hears_of(installation: Installation) -> None:
    """Silence has its reason."""
    ran = installation("why", "evt_received")
    assert "nobody is alerted, because no rule matched." in ran.out
    assert "  No alert." in ran.out
    assert "duplicate, authenticated by" in ran.out


def test_a_stored_text_forges_no_sentence(installation: Installation) -> None:
    """Line ends and escapes in it do nothing: “Told” begins one line, and that is ours."""
    ran = installation("why", "evt_hostile")
    lines = ran.out.splitlines()
    assert lines.count("Told") == 1
    assert "  Nothing to see" not in lines
    assert not {unicodedata.category(c) for c in ran.out if c != "\n"} & {"Cc", "Cf", "Zl", "Zp"}
    assert "  Text: “[2J]0;ownedeviltxt.exe Told   Nothing to see here <b>@all”" in lines


def test_as_json(installation: Installation) -> None:
    """One object with everything the sentences are made of, texts verbatim."""
    (story,) = installation("why", "evt_hostile", "--json").lines()
    assert list(story) == [
        *("event", "delivered", "conflicts", "change", "alerts"),
        *("escalations", "acknowledged", "owed"),
    ]
    assert (story["acknowledged"], story["owed"]["answered_by"]) == ([], "change 3")
    assert story["event"]["text"] == HOSTILE
    rules = {rule["name"]: rule["matched"] for rule in story["change"]["decision"]["rules"]}
    assert rules == {"Answer owed": False, "Denied": True}
    (alert,) = story["alerts"]
    assert alert["state"] == "sent"
    (attempt,) = alert["tried"]
    assert attempt["outcome"] == "sent"
    assert "WAC2190054321" in attempt["title"] + attempt["body"]


def test_by_number_and_not_at_all(installation: Installation) -> None:
    """A listing's number does as well; an event that is not there is exit code 1."""
    assert installation("why", "2").out == installation("why", "evt_rfe").out
    ran = installation("why", "evt_nobody")
    assert (ran.code, ran.out) == (1, "")
    assert "`casebell events list` shows the latest; `--receipt NUMBER` those of a case." in ran.err
