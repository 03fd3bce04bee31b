"""People in the configuration: what is refused, and what only looks like a mistake."""

from pathlib import Path

import pytest

from casebell.errors import ConfigError
from casebell.settings import load

HEAD = """
[sources.parley]
kind = "parley"
secrets = ["0123456789abcdef"]

[channels.mail]
url = "mailtos://smtp.example.com?from=casebell@example.com"
to = {to}
{more}
[[rules]]
name = "All"
when = {{}}
notify = ["mail"]
{rule}
"""
JIA = '[people.jchan]\nname = "Jia Chan"\nemail = "jchan@example.com"\nteams = ["RFE"]\n'
#: A rule on somebody who is not there.
KIM = '[[rules]]\nname = "Own"\nnotify = []\nwhen = { owner = ["Kim"] }'


def problems(folder: Path, people: str, *, to: str = "[]", more: str = "", rule: str = "") -> str:
    """What is wrong with a configuration; "" if nothing is."""
    file = folder / "config.toml"
    file.write_text(HEAD.format(to=to, more=more, rule=rule) + people, encoding="utf-8")
    file.chmod(0o600)
    try:
        load(file, environ={})
    except ConfigError as error:
        return "\n".join(f"{one.key}: {one.message} {one.hint}" for one in error.problems)
    return ""


@pytest.mark.parametrize(
    ("people", "given", "said"),
    [
        (JIA, {"to": '["@jchen"]'}, "channels.mail.to[1]: There is no such person. Did you mean"),
        (JIA, {"to": '["@ownr"]'}, "There is no such person. Did you mean `@owner`?"),
        (JIA, {"to": '["@team:rfes"]'}, "Nobody is in this team. Did you mean `RFE`?"),
        (JIA, {"to": '["@owner"]'}, 'channels.mail.unassigned: A case without somebody for "@own'),
        (JIA, {"to": '["@jchan"]', "more": 'unassigned = ["a@example.com"]'}, "nothing can be wi"),
        (
            JIA,
            {"to": '["@owner"]', "more": 'unassigned = ["@team"]'},
            "channels.mail.unassigned[1]: This is whom a case has not.",
        ),
        (JIA + "[people.owner]\nname = 'O'\n", {}, '"@owner" is the owner of a case already.'),
        (JIA + "[people.j]\nname = ' jia  CHAN'\n", {}, "cannot be told apart"),
        (JIA + "addresses = { slak = '@U1' }\n", {}, "people.jchan.addresses.slak: There is no su"),
        (JIA, {"rule": KIM}, "There is no such person"),
        (JIA + "[alerts]\npilot = 'nail'\n", {}, "alerts.pilot: There is no such channel. Did you"),
        ("[people.j]\nid = 'x'\nname = 'J'\n", {}, "people.j.id: There is no such key"),
    ],
)
def test_refused(tmp_path: Path, people: str, given: dict[str, str], said: str) -> None:
    """Each with its place, and what to write instead."""
    assert said in problems(tmp_path, people, **given)


def test_accepted(tmp_path: Path) -> None:
    """Owners, teams and persons, and a rule on an owner by any spelling."""
    rule = '[[rules]]\nname = "Own"\nnotify = []\nwhen = { owner = ["jia chan"] }'
    more = 'unassigned = ["rfe@example.com", "@team:rfe"]'
    to = '["@owner", "@team", "@jchan", "@team:rfe", "all@example.com"]'
    assert problems(tmp_path, JIA, to=to, more=more, rule=rule) == ""


def test_nobody_known(tmp_path: Path) -> None:
    """Without people, a rule may ask for any owner, as practice software writes it."""
    rule = '[[rules]]\nname = "Own"\nnotify = []\nwhen = { owner = ["Somebody Else"] }'
    assert problems(tmp_path, "", rule=rule) == ""


def test_unreachable(tmp_path: Path) -> None:
    """A person without any address is accepted, with a warning."""
    assert problems(tmp_path, "[people.k]\nname = 'Kim'\n") == ""
    settings = load(tmp_path / "config.toml", environ={})
    assert any("people.k has neither an e-mail" in warning for warning in settings.warnings)
