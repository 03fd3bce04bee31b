"""`casebell channels`: how each stands; a real message by the real path, and what came of it."""

import json
from operator import itemgetter

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from cli.installation import Installation


def test_a_channel_that_works(bare: Installation, sink: HttpSink) -> None:
    """A marked test message arrives; exit code 0, with the outcome for each target."""
    ran = bare("channels", "test", "team")
    assert (ran.code, ran.out, ran.err) == (0, "team → json: delivered.\n", "")
    (request,) = sink.requests
    assert request.path == "/team"
    assert "test" in json.loads(request.body)["title"].lower()


def test_a_channel_that_does_not(bare: Installation, sink: HttpSink) -> None:
    """Exit code 1, and the reason; a refusal and a closed port read differently."""
    ran = bare("channels", "test", "broken")
    assert ran.code == 1
    assert ran.out.startswith("broken → json: not delivered. connection_refused: nothing listens")
    sink.answer(HttpAnswer(status=401))
    ran = bare("channels", "test", "team", "--json")
    assert ran.code == 1
    (answer,) = ran.lines()
    (target,) = answer["targets"]
    assert target["target"] == "json"
    assert target["delivered"] is False
    assert (target["outcome"], target["reason"]) == ("auth", "auth_failed")
    assert len(sink.requests) == 1


def test_it_is_kept_as_any_alert(bare: Installation) -> None:
    """A test is an alert of its own kind with its attempt: the audit sees it too."""
    bare("channels", "test", "team")
    _, alert = sorted(bare("alerts", "list", "--json").lines(), key=itemgetter("kind"))
    assert (alert["kind"], alert["channel"], alert["state"]) == ("test", "team", "sent")


def test_a_channel_nobody_configured(bare: Installation) -> None:
    """The answer is no, with the channels that there are."""
    ran = bare("channels", "test", "a/b?c\x1b")
    assert (ran.code, ran.out) == (1, "")
    assert "Known: team, broken." in ran.err


def test_through_the_running_server(served: Installation, sink: HttpSink) -> None:
    """With a server running it is the server that sends."""
    ran = served("channels", "test", "team")
    assert (ran.code, ran.out) == (0, "team → json: delivered.\n")
    assert len(sink.requests) == 1
    assert served("channels", "test", "broken").code == 1
    assert served("channels", "test", "a/b?c").code == 1


def test_how_they_stand(installation: Installation) -> None:
    """Each in the order of the file: when its targets were last reached, and what last failed."""
    team, broken = installation("channels", "list", "--json").lines()
    (reached,), (not_reached,) = team["targets"], broken["targets"]
    assert (team["name"], reached["target"], reached["waiting"]) == ("team", "json", 0)
    assert reached["last_sent_at"] is not None
    assert not_reached["last_sent_at"] is None
    assert not_reached["last_failure"]["reason"] == "connection_refused"
    heading, *rows = installation("channels", "list").out.splitlines()
    assert heading.split("  ")[0] == "CHANNEL"
    assert "just now" in rows[0] or "ago" in rows[0]
    assert "never" in rows[1]
    assert "connection_refused" in rows[1]


def test_those_that_were_never_used(served: Installation) -> None:
    """A running server tells of channels that sent nothing yet."""
    team, _ = served("channels", "list", "--json").lines()
    assert team["targets"] == [
        {
            "target": "json",
            "last_sent_at": None,
            "last_failure": None,
            "waiting": 0,
            "waiting_for_hours": 0,
            "self_test_due_at": None,
            "paused_until": None,
        }
    ]


def test_without_the_secret_of_a_channel(installation: Installation) -> None:
    """Where a channel cannot be loaded here, what is on record is shown."""
    text = installation.config.read_text()
    installation.config.write_text(text.replace("json://127.0.0.1:9/", "${NOT_HERE}"))
    team, broken = installation("channels", "list", "--json").lines()
    assert [one["target"] for one in (*team["targets"], *broken["targets"])] == ["json", "json"]
