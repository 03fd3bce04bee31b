"""`casebell check`: what is wrong, all of it; and who hears of what."""

import re
from datetime import date, timedelta

import pytest

from casebell.events import Status, Tag
from casebell.notify import outward
from casebell.sandbox.deliveries import SAMPLES
from cli.installation import Installation
from e2e.server import PARLEY_SECRET


def test_a_good_configuration(bare: Installation) -> None:
    """Exit code 0, and a page that names sources, channels and operations."""
    ran = bare("check")
    assert (ran.code, ran.err) == (0, "")
    assert "Source        parley: hmac, 1 secret, /webhooks/parley" in ran.out
    assert "Channel       team: to json" in ran.out
    assert "Operations    team" in ran.out
    # Each for the two channels.
    assert "How many cases each rule reaches is not known: There is no database yet.\n" in ran.out
    rendered = f"{2 * len(SAMPLES)} sample messages rendered."
    assert ran.out.endswith(f"{rendered}\nThe configuration is good.\n")


def test_who_hears_of_what(bare: Installation) -> None:
    """A line for each status and tag, with the channels and the rules; nothing is cut."""
    lines = bare("check").out.splitlines()
    told = {
        tuple(line.split()[:2]): line
        for line in lines
        if line.startswith(("status", "tag", "flag"))
    }
    known = {*(("status", s) for s in Status), *(("tag", t) for t in Tag)}
    assert set(told) == {*known, ("flag", "unknown_wording")}
    assert told["status", "rfe_issued"].split(maxsplit=2)[2] == "team, broken  Answer owed  -"
    assert told["status", "denied"].split(maxsplit=2)[2] == "team          Denied       -"
    assert told["status", "approved"].split(maxsplit=2)[2] == "nobody        -            -"
    assert told["tag", "no_info"].endswith("a placeholder says nothing of the case")


def test_hours_and_escalations(bare: Installation) -> None:
    """What waits for which hours, and who is told again, and when."""
    text = bare.config.read_text()
    there = "[channels.team]\n"
    first, last = (date.today() + timedelta(days=days) for days in (-2, 2))  # noqa: DTZ011 - any
    assert there in text
    waits = 'quiet_outside = "other"\ndigest = { at = "08:00", calendar = "always" }\n'
    bare.config.write_text(
        text.replace(there, f"{there}{waits}")
        + f"""
[calendars.always]
open = ["00:00-24:00"]
[calendars.other]
open = ["00:00-24:00"]
closed = ["{first}..{last}"]
[[escalations]]
name = "Unseen"
when = {{ status = ["rfe_issued"] }}
steps = [{{ after = "1d4h", of = "always", notify = ["team", "broken"] }}]
repeat = "2h"
"""
    )
    lines = bare("check").out.splitlines()
    channel = "Channel       team: to json; quiet outside other; digest at 08:00 of always"
    steps = "1 day 4 hours of always → team, broken; again each 2 hours; 10 days → operations"
    assert channel in lines
    assert "Calendar      always: open now" in lines
    assert any(one.startswith("Calendar      other: closed until ") for one in lines)
    assert f"Escalation    Unseen: {steps}" in lines


def test_as_json(bare: Installation) -> None:
    """The same for a program: one object a line, and nothing else."""
    ran = bare("check", "--json")
    assert ran.code == 0
    told = {(one["kind"], one["value"]): one for one in ran.lines()}
    channels = {value: one for (kind, value), one in told.items() if kind == "channel"}
    assert len(told) == len(Status) + len(Tag) + 1 + len(channels) + 2
    assert told["rule", "Denied"]["channels"] == ["team"]
    assert set(channels) == {"team", "broken"}
    assert channels["broken"]["rules"] == ["Answer owed"]
    assert (channels["broken"]["from"], channels["broken"]["to"]) == ([], ["json"])
    assert told["status", "rfe_issued"]["channels"] == ["team", "broken"]
    assert told["status", "rfe_issued"]["rules"] == ["Answer owed"]
    keys = {"kind", "value", "channels", "rules", "note", "from", "to", "cases", "of"}
    assert set(told["tag", "card"]) == keys
    # There is no database yet.
    assert {(one["cases"], one["of"]) for one in told.values()} == {(None, None)}


def test_how_many_cases_are_reached(installation: Installation) -> None:
    """Of those that are known today, each rule's, and for how many a channel finds the owner."""
    text = installation.config.read_text().replace(
        'when = { status = ["denied"] }', 'when = { owner = ["jchan"], status = ["denied"] }'
    )
    people = (
        '[people.jchan]\nname = "Jia Chan"\nemail = "jchan@firm.com"\n'
        '[channels.mail]\nurl = "mailto://127.0.0.1:9?from=a@firm.com"\n'
        'to = ["@owner"]\nunassigned = ["rfe@firm.com"]\n'
    )
    installation.config.write_text(text + people)
    assert installation("cases", "set", "IOE0912345678", "owner=Jia Chan").code == 0
    (whole,) = installation.rows("SELECT count(*) FROM cases")[0]
    table = installation("check").out.partition("TODAY")[2].splitlines()
    told = dict(re.split("  +", line, maxsplit=1) for line in table[1:4])
    assert told == {
        "rule Answer owed": f"all {whole} cases",
        "rule Denied": f"1 of {whole} cases",
        "channel mail": f"the owners of 1 of {whole} cases; `unassigned` hears of {whole - 1}",
    }
    rows = installation("check", "--json").lines()
    found = {(row["kind"], row["value"]): (row["cases"], row["of"]) for row in rows if row["of"]}
    assert found == {
        ("rule", "Answer owed"): (whole, whole),
        ("rule", "Denied"): (1, whole),
        ("channel", "mail"): (1, whole),
    }


def test_every_problem_at_once(bare: Installation) -> None:
    """Exit code 1, and each problem with its file and key; no value is shown."""
    text = bare.config.read_text()
    text = text.replace("port = 0", 'port = "many"').replace(PARLEY_SECRET, "short")
    bare.config.write_text(text.replace('notify = ["team"]\n\n[ops]', 'notify = ["tem"]\n\n[ops]'))
    ran = bare("check")
    assert (ran.code, ran.out) == (1, "")
    for key in ("server.port", "sources.parley.secrets[1]", "rules[2].notify[1]"):
        assert f"{bare.config}: {key}: " in ran.err
    assert "3 problems. " in ran.err
    assert "short" not in ran.err.replace("shorter", "").replace("shortest", "")
    assert bare("check", "--json").code == 1
    # What only reads does not need these; what understands deliveries does.
    assert bare("held", "release", "1").code == 2


@pytest.mark.parametrize(
    "url",
    [
        "slack://hunter2",
        "json://hunter2.example.com/",
        "nosuchservice://hunter2",
        "jsons://hunter2.example.com/?optional=yes",
        "https://example.webhook.installation.com/webhookb2/hunter2",
    ],
)
def test_a_channel_that_would_not_do(bare: Installation, url: str) -> None:
    """What apprise warns of when it loads a URL is a problem; the URL is not shown."""
    text = bare.config.read_text()
    bare.config.write_text(text.replace('"json://127.0.0.1:9/"', f'"{url}"'))
    ran = bare("check")
    assert (ran.code, ran.out) == (1, "")
    assert f"{bare.config}: channels.broken.url: " in ran.err
    assert "hunter2" not in ran.err


def test_a_mail_channel_shows_from_and_to(bare: Installation) -> None:
    """In whose name a mail goes, and to whom, in text and in JSON; nothing else of the URL."""
    mail = (
        'url = "mailtos://smtp.example.com?from=RFE %26 Team <casebell@firm.com>"\n'
        'user = "login"\npassword = "P@5 #9"\nto = ["a@firm.com", "b@firm.com"]'
    )
    text = bare.config.read_text()
    bare.config.write_text(text.replace('url = "json://127.0.0.1:9/"', mail))
    ran, rows = bare("check"), bare("check", "--json")
    words = "Channel       broken: from RFE & Team <casebell@firm.com> to a@firm.com, b@firm.com\n"
    assert words in ran.out
    row = next(one for one in rows.lines() if one["value"] == "broken")
    assert row["from"] == ["RFE & Team <casebell@firm.com>"]
    assert row["to"] == ["a@firm.com", "b@firm.com"]
    for secret in ("login", "P@5", "#9"):
        assert secret not in ran.out + rows.out


def test_a_channel_of_people_shows_how_it_names_them(bare: Installation) -> None:
    """In text whom `to` and `unassigned` name, since people may be hundreds; in JSON everybody."""
    mail = (
        'url = "mailto://127.0.0.1:9?from=casebell@firm.com"\n'
        'to = ["@owner", "all@firm.com"]\nunassigned = ["@kim"]'
    )
    kim = '\n[people.kim]\nname = "Kim"\nemail = "kim@firm.com"\n'
    text = bare.config.read_text()
    bare.config.write_text(text.replace('url = "json://127.0.0.1:9/"', mail) + kim)
    ran, rows = bare("check"), bare("check", "--json")
    assert "from casebell@firm.com to @owner, all@firm.com; unassigned @kim\n" in ran.out
    row = next(one for one in rows.lines() if one["value"] == "broken")
    assert sorted(row["to"]) == ["all@firm.com", "kim@firm.com"]


@pytest.mark.parametrize(
    "url",
    [
        "mailtos://casebell:hunter2@smtp.example.com?from=a@firm.com",
        "mailtos://casebell:hunter2@smtp.example.com?from=a@firm.com&too=b@firm.com",
        "mailtos://casebell:hunter2@smtp.example.com?form=a@firm.com&to=b@firm.com",
        "mailtos://casebell:hunter2#9@smtp.example.com?from=a@firm.com&to=b@firm.com",
    ],
)
def test_nothing_is_sent_over_what_check_refuses(bare: Installation, url: str) -> None:
    """A channel without a recipient, or with a word that apprise ignores, is no channel."""
    text = bare.config.read_text()
    bare.config.write_text(text.replace('"json://127.0.0.1:9/"', f'"{url}"'))
    tested = bare("channels", "test", "broken")
    assert (bare("check").code, tested.code, tested.out) == (1, 2, "")
    assert "hunter2" not in tested.err


def test_mistyped_recipients_are_all_named(bare: Installation) -> None:
    """Apprise drops them without a word; here each is a problem."""
    text = bare.config.read_text()
    bare.config.write_text(
        text.replace(
            'url = "json://127.0.0.1:9/"',
            'url = "mailtos://smtp.example.com?from=a@b.com"\nto = ["ops@", "c@firm.com", "x@"]',
        )
    )
    ran = bare("check")
    assert ran.code == 1
    assert ran.err.count("channels.broken.to: ") == 2
    assert "'ops@'" in ran.err
    assert "'x@'" in ran.err


@pytest.mark.parametrize("content", [b"[server\n", b"\xff\xfe", b""])
def test_a_file_that_is_no_configuration(bare: Installation, content: bytes) -> None:
    """There is a file, and something is wrong with it: the answer is no."""
    bare.config.write_bytes(content)
    ran = bare("check")
    assert (ran.code, ran.out) == (1, "")
    assert str(bare.config) in ran.err


def test_no_file_at_all(bare: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to check is a usage error, however the file was named."""
    assert bare.run("check", "--config", "missing.toml").code == 2
    assert bare.run("check").code == 2
    monkeypatch.setenv("CASEBELL_CONFIG", "missing.toml")
    ran = bare.run("check")
    assert (ran.code, ran.out) == (2, "")
    assert "CASEBELL_CONFIG" in ran.err


def test_proxy_and_authorities_are_named(
    bare: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables that the channels go by; a proxy's address may hold a login."""
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    env_file = bare.config.with_name(".env")
    env_file.touch(mode=0o600)
    env_file.write_text("HTTPS_PROXY=http://u:hunter2@proxy.example-firm.com:3128\n")
    ran = bare("check")
    outward.use({})
    assert "HTTPS_PROXY" in next(o for o in ran.out.splitlines() if o.startswith("Sending by"))
    assert "hunter2" not in ran.out


def test_it_only_looks(bare: Installation) -> None:
    """No database, no lock, no socket: nothing is made."""
    before = bare.files()
    assert bare("check").code == 0
    assert bare.files() == before


def test_warnings_are_told_and_do_not_fail(bare: Installation) -> None:
    """What works but may not be meant: exit code 0; doctor asks for a hand where nobody hears."""
    told = bare("check")
    assert "Warning: Operations alone are sure to hear of tag adverse, rejected; flag" in told.out
    assert "rules:" not in bare("doctor").out
    bare.config.write_text(bare.config.read_text().replace('[ops]\nnotify = ["team"]', ""))
    ran = bare("check")
    assert ran.code == 0
    assert "Warning: ops.notify is empty" in ran.out
    unheard = "Nobody is sure to hear of tag adverse, rejected; flag unknown_wording: no rule"
    assert f"Warning: {unheard}" in ran.out
    (line,) = [one for one in bare("doctor").out.splitlines() if one.startswith("rules:")]
    assert unheard in line
    assert '→ Have a rule notify a channel with when = [{ tags = ["adverse", "rejected"] }' in line
