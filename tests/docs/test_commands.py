"""Every command is in README.md, and every command that is mentioned exists."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from casebell.cli.main import app
from docs.pages import PAGES, ROOT, code_in, first_column, section

_ROOT: Any = typer.main.get_command(app)
_CONTEXT = typer.Context(_ROOT)


def known() -> dict[str, Any]:
    """Every command that does something, by its words."""
    found = {}
    for name in _ROOT.list_commands(_CONTEXT):
        command = _ROOT.get_command(_CONTEXT, name)
        verbs = getattr(command, "commands", None)
        if verbs is None:
            found[name] = command
        else:
            found |= {f"{name} {verb}": verbs[verb] for verb in verbs}
            if command.invoke_without_command:
                found[name] = command
    return found


KNOWN = known()
NOUNS = {words.split()[0] for words in KNOWN if " " in words}


def in_the_table() -> Iterator[tuple[str, list[str]]]:
    """Each command of README's table, and the arguments it is shown with."""
    for cell in first_column(section("README.md", "## Commands")):
        noun = ""
        for code in code_in(cell):
            words = code.removeprefix("casebell ").split()
            if code.startswith("casebell ") and words[0] in NOUNS:
                noun = words.pop(0)
            if not words:  # It does something by itself, too.
                yield noun, []
            elif words[0].startswith("[--"):
                yield noun, words
            else:
                yield f"{noun} {words[0]}".strip(), words[1:]


def test_the_table_has_every_command_and_no_other() -> None:
    """Who reads README.md knows every command there is."""
    assert sorted(words for words, _ in in_the_table()) == sorted(KNOWN)


def test_the_table_shows_their_arguments() -> None:
    """What must be given is shown: KEY, ID, NAME, [DIR]."""
    for words, shown in in_the_table():
        needed = [p for p in KNOWN[words].params if p.param_type_name == "argument"]
        names = [p.metavar if p.required else f"[{p.metavar}]" for p in needed]
        assert [one for one in shown if not one.lstrip("[").startswith("--")] == names, words


def test_what_changes_something_takes_a_name() -> None:
    """The journal has who it was, as claimed, of all that it has of the command line."""
    taking = {words for words, command in KNOWN.items() if "by" in {p.name for p in command.params}}
    assert taking == {
        *("alerts export", "cases export", "events export"),
        *("ack", "cases answered", "cases due", "cases import", "cases set", "queue"),
        *("alerts dismiss", "alerts retry", "backup", "channels test", "held discard"),
        *("held release", "refused readmit", "reload"),
        *("upstream register", "upstream subscribe", "upstream reconcile"),
        *("people away", "people back", "feeds add", "feeds revoke"),
        *("accounts add", "accounts disable", "accounts enable", "accounts password"),
        *("accounts reset", "accounts set", "tokens add", "tokens revoke"),
    }


def test_a_noun_names_its_verbs() -> None:
    """`casebell --help` has all that a noun can do."""
    for noun in NOUNS:
        _, _, verbs = _ROOT.get_command(_CONTEXT, noun).help.rstrip(".").partition(": ")
        known = {words.split()[1] for words in KNOWN if words.startswith(f"{noun} ")}
        assert set(verbs.split(", ")) == known, noun


def mentioned() -> Iterator[tuple[str, str]]:
    """Every command line in the documentation, the examples and our own messages."""
    texts = dict(PAGES)
    for path in (ROOT / "config.example.toml", *(ROOT / "src/casebell").rglob("*.toml")):
        texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
    for path in (ROOT / "src/casebell").rglob("*.py"):
        # Messages are split over lines as code is.
        text = re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        texts[str(path.relative_to(ROOT))] = text
    for page, text in texts.items():
        fenced = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        lines = [line.split("#")[0] for line in fenced.splitlines()]
        for line in (*lines, *code_in(text)):
            found = re.search(r"(?:^|\s|/)casebell (?=[a-z-])(.*)", line.strip())
            if found and not re.search(
                r"(pip|docker|mkdir|chown|-v|useradd|install -d|crontab) ", line
            ):
                yield page, found[1].strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(mentioned())))
def test_a_command_that_is_mentioned_exists(page: str, line: str) -> None:
    """With every option that it is shown with."""
    words = shlex.split(re.sub(r"[\[\]|()]", " ", line.replace("…", "")))
    words = words[: words.index("&&")] if "&&" in words else words
    if words[0].startswith("--"):
        options = words
        params = _ROOT.params
    elif words[0] in NOUNS and (len(words) == 1 or words[1].isupper()):
        return
    else:
        has_verb = words[0] in NOUNS and len(words) > 1 and not words[1].startswith("--")
        name = " ".join(words[:2]) if has_verb else words[0]
        assert name in KNOWN, f"{page}: casebell {line}"
        options, params = words[1:], KNOWN[name].params
    taken = {option for parameter in params for option in parameter.opts} | {"--help"}
    shown = {word.split("=")[0] for word in options if word.startswith("--")}
    assert shown <= taken | {"--debug"}, f"{page}: casebell {line}"
