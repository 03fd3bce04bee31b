"""`casebell people`: who is away, and whom an alert is then meant for."""

import re
from collections.abc import Iterator

import pytest

from cli.installation import Installation, parley_body, serving
from cli.test_json_keys import KEYS
from waiting import until_sync

#: The mail server is nowhere: whom an alert is meant for is decided all the same.
PEOPLE = """
[channels.mail]
url = "mailto://127.0.0.1:9?from=casebell@firm.com"
to = ["@owner"]
unassigned = ["rfe@firm.com"]
[people.jchan]
name = "Jia Chan"
email = "jchan@firm.com"
teams = ["rfe"]
[people.kim]
name = "Kim Roe"
email = "kim@firm.com"
[people.ana]
name = "Ana Ruiz"
[[rules]]
name = "Everything"
when = {}
notify = ["mail"]
"""


@pytest.fixture
def firm(bare: Installation) -> Iterator[Installation]:
    """An installation with people, and its server."""
    bare.config.write_text(bare.config.read_text() + PEOPLE)
    with serving(bare):
        yield bare


def test_somebody_is_away(firm: Installation) -> None:
    """Both hear of the next change, and `why` says in words for whom each alert was."""
    cases = firm.directory / "cases.csv"
    cases.write_text("receipt,owner\nIOE0912345678,Jia Chan\n")
    assert firm("cases", "import", str(cases)).code == 0
    said = firm("people", "away", "jchan", "--until", "2999-12-31", "--to", "kim@firm.com")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "Jia Chan is away: alerts to them go to kim, too.",
        "It ends with 2999-12-31.",
    ]
    heading, jchan, *_, ana = firm("people", "list").out.splitlines()
    assert re.split("  +", heading) == [
        *("ID", "NAME", "TEAMS", "AWAY UNTIL", "STANDS IN", "HEARS AT")
    ]
    assert jchan.split("  ")[-1] == "mail jchan@firm.com"
    assert "2999-12-31" in jchan
    assert ana.endswith("cannot be reached on mail")
    body = firm.directory / "body.json"
    body.write_bytes(parley_body("evt_rfe", normalized_status="rfe_issued"))
    assert firm("send", "--source", "parley", "--body", str(body)).code == 0
    until_sync(lambda: firm.rows("SELECT 1 FROM alerts WHERE channel = 'mail'"), "the alerts")
    why = firm("why", "evt_rfe").out
    assert "to jchan@firm.com over mail (Jia Chan, the owner): " in why
    assert "to kim@firm.com over mail (Kim Roe, for Jia Chan who is away): " in why
    shown = firm("cases", "show", "IOE0912345678").out
    assert "mail → kim@firm.com (Kim Roe, for Jia Chan who is away): " in shown
    assert firm("people", "back", "jchan").out == "Jia Chan is back.\n"
    assert firm("people", "back", "jchan").out == "Jia Chan was not away.\n"


def test_without_a_server(installation: Installation) -> None:
    """The store suffices; the answers have the keys of docs/contract.md."""
    installation.config.write_text(installation.config.read_text() + PEOPLE)
    given = ["--until", "2999-12-31", "--to", "kim"]
    [away] = installation("people", "away", "jchan", *given, "--json").lines()
    assert list(away) == KEYS["people list"] + KEYS["people away"]
    assert (away["channels"], away["warnings"]) == (
        [{"channel": "mail", "target": "jchan@firm.com"}],
        [],
    )
    for one in installation("people", "list", "--json").lines():
        assert list(one) == KEYS["people list"]
    refused = installation("people", "away", "jchan", "--until", "2999-12-31", "--to", "ana")
    assert (refused.code, refused.out) == (1, "")
    assert "No channel can reach Ana Ruiz by name." in refused.err
    nobody = installation("people", "back", "jchin")
    assert nobody.code == 1
    assert "Did you mean `jchan`?" in nobody.err
    [back] = installation("people", "back", "JCHAN@firm.com", "--json").lines()
    assert list(back) == KEYS["people list"] + KEYS["people back"]


def test_an_installation_without_people(installation: Installation) -> None:
    """It says what names somebody."""
    out = installation("people", "list").out
    assert out == "Nobody is in the configuration: `[people.ID]` names somebody.\n"
