"""What `--json` prints, held against the table of docs/contract.md."""

import io
import json
import re
import sys

import pytest

from cli.installation import Installation, serving
from docs.pages import code_in, section
from waiting import until_sync


def documented() -> dict[str, list[str]]:
    """The keys of each command, in the order of the page."""
    found = {}
    for commands, keys in re.findall(
        r"^\| (.*?) \| (.*?) \|$", section("docs/contract.md", "## Command line"), re.MULTILINE
    ):
        for command in code_in(commands):
            # Those of the objects in a list are not the line's own.
            found[command] = code_in(re.sub(": each with [^;]*", "", keys))
    return found


KEYS = documented()
KEYS["events show"] = KEYS["events list"] + KEYS["events show"]
KEYS["cases show"] = KEYS["cases list"] + KEYS["cases show"]
for command in ("accounts add", "accounts set"):
    KEYS[command] = KEYS["accounts list"] + KEYS[command]
KEYS["cases set"] = KEYS["cases list"]
KEYS["cases due"] = KEYS["cases answered"] + KEYS["cases due"]
#: What the installation that is filled has something of.
SHOWN = {
    "events list": ["events", "list", "--json"],
    "events export": ["events", "export"],
    "events show": ["events", "show", "evt_rfe", "--json"],
    "alerts list": ["alerts", "list", "--json"],
    "alerts export": ["alerts", "export"],
    "cases list": ["cases", "list", "--json"],
    "cases show": ["cases", "show", "IOE0912345678", "--json"],
    "channels list": ["channels", "list", "--json"],
    "journal list": ["journal", "list", "--json"],
    "held list": ["held", "list", "--json"],
    "check": ["check", "--json"],
    "queue": ["queue", "--json"],
    "ack": ["ack", "IOE0912345678", "--json"],
    "cases due": ["cases", "due", "IOE0912345678", "2026-12-24", "--json"],
    "cases answered": ["cases", "answered", "IOE0912345678", "--json"],
}
#: Commands of tokens, accounts and feeds, in an order in which each can be run.
OF_ACCESS = {
    "tokens add": ["practice", "--role", "viewer"],
    "tokens list": [],
    "tokens revoke": ["practice"],
    "accounts add": ["ana", "--role", "viewer", "--password-stdin"],
    "accounts set": ["ana", "--role", "admin"],
    "accounts disable": ["ana"],
    "accounts enable": ["ana"],
    "accounts password": ["ana", "--password-stdin"],
    "accounts reset": ["ana"],
    "accounts list": [],
    "feeds add": ["--person", "jchan"],
    "feeds list": [],
    "feeds revoke": ["1"],
}
#: Those that are tried in another way.
ELSEWHERE = (
    "last line",
    "refused list",
    "refused why",
    "check --over",
    "last line of check --over",
    "cases import",
    "cases set",
    "people list",
    "people away",
    "people back",
    "upstream status",
    "upstream register",
    "upstream reconcile",
    "upstream subscribe",
)


def test_the_page_has_every_command() -> None:
    """And none that is not tried here."""
    assert set(KEYS) == {*SHOWN, *OF_ACCESS, *ELSEWHERE}


@pytest.mark.parametrize("command", SHOWN)
def test_each_line_has_the_keys_of_the_contract(installation: Installation, command: str) -> None:
    """All of them, in this order, and no other."""
    lines = [json.loads(one) for one in installation(*SHOWN[command]).out.splitlines()]
    if command.endswith(" export"):
        assert list(lines.pop()["export"]) == KEYS["last line"]
    assert lines
    for one in lines:
        assert list(one) == KEYS[command]


def test_what_is_decided_otherwise_has_the_keys_of_the_contract(
    installation: Installation,
) -> None:
    """A change a line, and then how many there were."""
    text = installation.config.read_text()
    installation.config.write_text(text.replace('["denied"]', '["approved"]'))
    *lines, last = installation("check", "--over", "30d", "--json").lines()
    assert lines
    for one in lines:
        assert list(one) == KEYS["check --over"]
    assert list(last["over"]) == KEYS["last line of check --over"]


def test_tokens_and_accounts_have_the_keys_of_the_contract(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is done to one is answered with what it is then."""
    person = '[people.jchan]\nname = "Jia Chan"\n'
    installation.config.write_text(installation.config.read_text() + person)
    for command, more in OF_ACCESS.items():
        typed = io.TextIOWrapper(io.BytesIO(b"correct horse battery staple"))
        monkeypatch.setattr(sys, "stdin", typed)
        if command == "accounts reset":
            installation.write("UPDATE accounts SET totp_secret = 'GEZDGNBVGY3TQOJQ'")
        [one] = installation(*command.split(), *more, "--json").lines()
        assert list(one) == KEYS[command]


def test_a_refusal_has_the_keys_of_the_contract(bare: Installation) -> None:
    """Of which an installation has none before somebody sends with a wrong secret."""
    body = bare.directory / "body.json"
    body.write_bytes(b"{}")
    with serving(bare):
        sent = ["--source", "parley", "--body", str(body), "--secret", "a-forgers-own-secret-3"]
        assert bare("send", *sent).out.startswith("401")
        until_sync(lambda: bare.rows("SELECT 1 FROM refused") != [], "the refusal")
    (line,) = bare("refused", "list", "--json").out.splitlines()
    assert list(json.loads(line)) == KEYS["refused list"]
    why = json.loads(bare("refused", "why", "1", "--json").out)
    assert list(why) == [*KEYS["refused list"], *KEYS["refused why"]]
