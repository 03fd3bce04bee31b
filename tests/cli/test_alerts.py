"""`casebell alerts`: who was told, and sending again."""

import pytest

from casebell.alerts import AlertState
from cli.installation import Installation, serving
from waiting import until_sync

#: The fields of an alert in docs/contract.md.
FIELDS = {
    "id", "event", "change", "channel", "target", "rule", "state", "attempts", "reason",
    "created_at", "sent_at",
}  # fmt: skip


def test_the_contracts_fields(installation: Installation) -> None:
    """`--json` prints one object a line, newest first; a target is a label and never a URL."""
    listed = installation("alerts", "list", "--json").lines()
    assert [alert["id"] for alert in listed] == sorted((a["id"] for a in listed), reverse=True)
    for alert in listed:
        assert set(alert) >= FIELDS
        assert "://" not in alert["target"]
    first, second = listed[-1], listed[-2]
    assert (first["event"], first["channel"], first["state"]) == ("evt_rfe", "team", "sent")
    assert first["rule"] == "Answer owed"
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
        "ID", "CREATED", "EVENT", "CHANNEL", "TARGET", "STATE", "TRIES", "REASON", "SENT",
    ]  # fmt: skip
    assert any("evt_rfe" in row and "failed" in row and "gave_up" in row for row in listed)
    assert installation("alerts", "list", "--state", "pending").out == "No alert matches.\n"


def test_only_what_failed_is_sent_again(installation: Installation) -> None:
    """A failed alert waits to be sent; one that was sent, or is not there, is refused."""
    (failed,) = installation("alerts", "list", "--json", "--state", "failed").lines()
    number = str(failed["id"])
    ran = installation("alerts", "retry", number)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Alert {number} waits to be sent again.\n"
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
