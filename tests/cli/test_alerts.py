"""`casebell alerts`: who was told, sending again, and closing what failed."""

import pytest

from casebell.alerts import AlertState
from casebell.cli.local_service import this_user
from cli.installation import Installation, serving
from waiting import until_sync

#: The fields of an alert in docs/contract.md.
FIELDS = {
    "id", "event", "event_key", "receipt", "change", "channel", "target", "rule", "state",
    "attempts", "reason", "created_at", "sent_at", "dismissed_at",
}  # fmt: skip


def test_the_contracts_fields(installation: Installation) -> None:
    """`--json` prints one object a line, newest first; a target is a label and never a URL."""
    listed = installation("alerts", "list", "--json").lines()
    assert [alert["id"] for alert in listed] == sorted((a["id"] for a in listed), reverse=True)
    for alert in listed:
        assert set(alert) >= FIELDS
        assert "://" not in alert["target"]
    first, second = listed[-1], listed[-2]
    assert (first["event_key"], first["channel"], first["state"]) == ("evt_rfe", "team", "sent")
    assert first["rule"] == "Answer owed"
    assert (first["event"], first["receipt"]) == (2, "IOE0912345678")
    assert first["sent_at"].endswith("Z")
    assert (second["state"], second["reason"], second["sent_at"]) == ("failed", "gave_up", None)


@pytest.mark.parametrize("state", AlertState)
def test_by_state(installation: Installation, state: AlertState) -> None:
    """`--state` shows those in one state."""
    everything = installation("alerts", "list", "--json").lines()
    found = installation("alerts", "list", "--json", "--state", state).lines()
    assert found == [alert for alert in everything if alert["state"] == state]


def test_limited(installation: Installation) -> None:
    """`--limit` takes the newest."""
    everything = installation("alerts", "list", "--json").lines()
    assert installation("alerts", "list", "--json", "--limit", "2").lines() == everything[:2]


def test_a_list_for_people(installation: Installation) -> None:
    """What IT looks for when somebody heard nothing: channel, state, tries and the reason."""
    heading, *listed = installation("alerts", "list").out.splitlines()
    assert heading.split() == [
        "ID", "CREATED", "EVENT", "CHANNEL", "TARGET", "PERSON", "STATE", "TRIES", "REASON", "SENT",
    ]  # fmt: skip
    assert any("evt_rfe" in row and "failed" in row and "gave_up" in row for row in listed)
    assert installation("alerts", "list", "--state", "pending").out == "No alert matches.\n"


def test_only_what_failed_is_sent_again(installation: Installation) -> None:
    """A failed alert waits to be sent; one that was sent, or is not there, is refused."""
    (failed,) = installation("alerts", "list", "--json", "--state", "failed").lines()
    number = str(failed["id"])
    ran = installation("alerts", "retry", number)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Alert {number}: will be sent again.\n"
    (waiting,) = installation("alerts", "list", "--json", "--state", "pending").lines()
    assert waiting["id"] == failed["id"]
    for other in ("1", "77"):
        ran = installation("alerts", "retry", other)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("Error: ")


def test_a_running_server_sends_it_at_once(installation: Installation) -> None:
    """Through the server the alert is tried again without waiting for anything."""
    (failed,) = installation("alerts", "list", "--json", "--state", "failed").lines()
    with serving(installation):
        ran = installation("alerts", "retry", str(failed["id"]), "--json")
        assert ran.lines() == [{"alert": failed["id"], "state": "pending"}]
        more = "SELECT attempts FROM alerts WHERE id = ? AND attempts > ?"
        found = until_sync(
            lambda: installation.rows(more, failed["id"], failed["attempts"]), "another attempt"
        )
    assert found == [(failed["attempts"] + 1,)]


def test_narrowed(installation: Installation) -> None:
    """The options narrow a list alone and together, by the stored facts."""
    everything = installation("alerts", "list", "--json").lines()

    def found(*options: str) -> list[int]:
        return [alert["id"] for alert in installation("alerts", "list", "--json", *options).lines()]

    of_team = [alert["id"] for alert in everything if alert["channel"] == "team"]
    assert found("--channel", "team") == of_team
    assert 0 < len(of_team) < len(everything)
    of_case = [alert["id"] for alert in everything if alert["receipt"] == "WAC2190054321"]
    assert found("--receipt", "wac-21-900-54321") == of_case
    assert len(of_case) == 1
    # By time, which may differ from the order of numbers by a moment.
    assert sorted(found("--since", "1h")) == sorted(alert["id"] for alert in everything)
    assert found("--until", "1h") == []
    assert found("--outstanding") == found("--state", "failed") != []
    ran = installation("alerts", "list", "--since", "yesterday")
    assert (ran.code, ran.out) == (2, "")


def test_all_of_them_are_closed(installation: Installation) -> None:
    """`dismiss --all` leaves nothing for anybody to look at; the record of it stays for ever."""
    (number,) = (a["id"] for a in installation("alerts", "list", "--json", "--outstanding").lines())
    ran = installation("alerts", "dismiss", "--all", "--channel", "team")
    assert (ran.code, ran.out) == (0, "No failed alert matches.\n")
    narrowed = (
        "--channel",
        "broken",
        "--since",
        "1h",
        "--note",
        "told by phone",
        "--by",
        "Jia Chan",
    )
    ran = installation("alerts", "dismiss", "--all", *narrowed)
    assert (ran.code, ran.out) == (0, f"Alert {number}: dismissed, and kept on record.\n")
    assert installation("alerts", "list", "--outstanding").out == "No alert matches.\n"
    (kept,) = installation("alerts", "list", "--json", "--state", "failed").lines()
    assert (kept["id"], kept["dismissed_at"][-1:]) == (number, "Z")
    _, row = installation("alerts", "list", "--state", "failed").out.splitlines()
    assert "dismissed" in row
    journalled = "SELECT kind, actor, subject FROM journal ORDER BY seq DESC LIMIT 1"
    me = this_user().name
    assert installation.rows(journalled) == [("alert.dismissed", me, f"alert:{number}")]
    assert "alerts:        OK" in installation("doctor").out
    assert "max_age allows); dismissed 20" in installation("why", "evt_rfe").out
    assert installation("alerts", "retry", str(number)).code == 0
    told = installation("why", "evt_rfe").out.splitlines()
    place = max(number for number, line in enumerate(told) if "Attempt 1, " in line)
    failed, dismissed, retried = told[place : place + 3]
    assert "Attempt 1, " in failed
    assert dismissed.startswith("    By hand, 20")
    assert dismissed.endswith(f": dismissed by {me}, as “Jia Chan”: “told by phone”.")
    assert retried.endswith(f": retried by {me}.")


def test_a_channel_that_was_removed(installation: Installation) -> None:
    """What waited for it cannot be sent, says so, and is closed: with a server and without one."""
    config = installation.config.read_text()
    installation.config.write_text(
        config.replace("[channels.broken]", "[channels.other]").replace(', "broken"]', ', "other"]')
    )
    (failed,) = installation("alerts", "list", "--json", "--outstanding").lines()
    number = failed["id"]
    with serving(installation):
        # What is on record has a name; what nothing has is no "no alert matches".
        (found,) = installation("alerts", "list", "--json", "--channel", "broken").lines()
        assert found["id"] == number
        ran = installation("alerts", "list", "--channel", "brokn")
        assert (ran.code, ran.out) == (2, "")
        assert "no channel of this name" in ran.err
        assert "Did you mean `broken`?" in ran.err
        ran = installation("alerts", "retry", str(number))
        assert (ran.code, ran.out) == (1, "")
        assert "no longer has its channel “broken”" in ran.err
        assert f"casebell alerts dismiss {number}" in ran.err
        ran = installation("alerts", "retry", "--all")
        assert ran.code == 0
        assert ran.out.startswith("1 alert cannot be sent, as the configuration no longer has")
        assert installation("doctor").code == 1
        ran = installation("alerts", "dismiss", str(number), "--json")
        assert ran.lines() == [{"alert": number, "state": "failed"}]
        assert "alerts:        OK" in installation("doctor").out
    assert installation("alerts", "dismiss", str(number)).code == 1


@pytest.mark.parametrize("verb", ["retry", "dismiss"])
def test_which_are_meant_is_said(installation: Installation, verb: str) -> None:
    """Neither nothing nor both: an option that would be ignored is an error."""
    for words in ([], ["1", "--all"], ["1", "--channel", "team"], ["--channel", "team"]):
        ran = installation("alerts", verb, *words)
        assert (ran.code, ran.out) == (2, ""), words


def test_to_a_person(installation: Installation) -> None:
    """By id, name or e-mail address; whoever is no longer in the configuration by id."""
    people = '\n[people.jchan]\nname = "Jia Chan"\nemail = "jchan@firm.com"\n'
    installation.config.write_text(installation.config.read_text() + people)
    installation.write("UPDATE alerts SET person = 'jchan' WHERE id = 1")
    installation.write("UPDATE alerts SET person = 'gone' WHERE id = 2")
    installation.write("INSERT INTO told_people (person, since) VALUES ('gone', 1)")
    for name, found in (("jchan", 1), (" jia  CHAN", 1), ("JCHAN@firm.com", 1), ("gone", 2)):
        (alert,) = installation("alerts", "list", "--json", "--person", name).lines()
        assert alert["id"] == found
    last = installation("alerts", "export", "--person", "Jia Chan").lines()[-1]["export"]
    assert (last["rows"], last["filter"]) == (1, {"person": "jchan"})
    refused = installation("alerts", "list", "--person", "gona")
    assert refused.code == 2
    assert "no person of this name" in refused.err
    assert "Did you mean `gone`?" in refused.err
