"""From arguments to exit codes: what holds for every command."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer

from casebell import __version__
from casebell.cli.main import COMMANDS, app
from casebell.settings import Wordings
from cli.installation import Installation, casebell
from e2e.server import PROCESS_TIMEOUT, environment


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its words."""
    root: Any = typer.main.get_command(app)
    context = typer.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        verbs = getattr(command, "commands", None)
        if verbs is None:
            yield name, command
        else:
            yield from ((f"{name} {verb}", verbs[verb]) for verb in verbs)


def test_alone_it_shows_help(bare: Installation) -> None:
    """`casebell` lists every command with what it does; a noun alone lists its verbs."""
    ran = bare.run()
    assert ran.err == ""
    assert ran.out.startswith("Usage: casebell ")
    for name, summary in COMMANDS.items():
        assert f"  {name}" in ran.out
        assert summary in ran.out
    assert bare.run("--help").out == ran.out
    assert bare.run("--help").code == 0
    for noun, verb in (("events", "export"), ("alerts", "retry"), ("held", "discard")):
        assert f"  {verb}" in bare.run(noun).out


EVERY = tuple(commands())
each_command = pytest.mark.parametrize(
    ("words", "command"), EVERY, ids=[words.replace(" ", "-") for words, _ in EVERY]
)


@each_command
def test_every_command_explains_itself(bare: Installation, words: str, command: Any) -> None:
    """It can be loaded, says in a sentence what it does, and describes each of its options."""
    ran = bare.run(*words.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: casebell {words} ")
    assert command.help
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            assert parameter.help, parameter.name
            assert parameter.opts[0] in ran.out


#: Listings of what people made or wrote down, by name: a part of one would not do.
WHOLE = {"accounts list", "channels list", "feeds list", "people list", "tokens list"}


@each_command
def test_every_command_takes_a_configuration(words: str, command: Any) -> None:
    """`--config` stands after any verb, and every listing has `--json` and `--limit`."""
    options = {option for parameter in command.params for option in parameter.opts}
    if words != "demo":
        assert "--config" in options
    if words.endswith(" list"):
        assert "--json" in options
        assert ("--limit" in options) == (words not in WHOLE)


def test_the_version(bare: Installation) -> None:
    """`--version` tells it and does nothing else."""
    ran = bare.run("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"casebell {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("event",), "Did you mean 'events'?"),
        (("frobnicate",), "There is no command 'frobnicate'."),
        (("events", "lst"), "Did you mean 'list'?"),
        (("events", "list", "--jsn"), "No such option: --jsn"),
        (("--jsn",), "No such option: --jsn"),
        (("why",), "Missing argument 'KEY'."),
        (("send",), "--body FILE or --sample NAME"),
        (("send", "--sample", "no-such"), "parley-rfe"),
        (("check", "surplus"), "surplus"),
    ],
)
def test_misuse(bare: Installation, arguments: tuple[str, ...], said: str) -> None:
    """A usage error is one sentence and a hint on standard error, and exit code 2."""
    ran = bare.run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    sentence, hint = ran.err.splitlines()
    assert sentence.startswith("Error: ")
    assert said in sentence
    assert hint.startswith("  `casebell ")
    assert hint.endswith("--help` shows what it takes.")


def test_a_traceback_is_for_who_asks_for_one(bare: Installation) -> None:
    """An error is a sentence; `--debug`, before or after the verb, adds where it came from."""
    plain = bare("why", "evt_1")
    assert (plain.code, plain.out) == (3, "")
    assert "Traceback" not in plain.err
    for arguments in (("--debug", "why", "evt_1"), ("why", "evt_1", "--debug")):
        ran = bare(*arguments)
        assert ran.code == 3
        assert ran.err.startswith("Traceback ")
        assert ran.err.endswith(plain.err)
    assert bare.run("why", "--config", str(bare.config), "--", "--debug").err == plain.err


def test_a_defect_is_told_without_its_text(
    bare: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is named by its class: its text may hold anything; exit code 3."""

    def fail(_wordings: Wordings, _text: str) -> None:
        raise RuntimeError("the client's name")

    monkeypatch.setattr(Wordings, "read", fail)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Case Was Approved")))
    ran = bare.run("classify")
    assert (ran.code, ran.out) == (3, "")
    assert "RuntimeError" in ran.err
    assert "client" not in ran.err
    assert "--debug" in ran.err
    sys.stdin.seek(0)
    assert "client" in bare.run("classify", "--debug").err


def test_light_commands_load_little() -> None:
    """What waits for nothing starts quickly: no web, no database and no channels are imported."""
    script = (
        "import sys; from casebell.cli.main import run\n"
        "codes = [run([word]) for word in ('--version', '--help', 'classify')]\n"
        "heavy = {'apprise', 'sqlalchemy', 'starlette', 'uvicorn', 'httpx2', 'rich', 'alembic'}\n"
        "print(codes, sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=b"Case Was Approved\n",
        capture_output=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == b"[0, 0, 0] []"


def classifying() -> subprocess.Popen[bytes]:
    """A command that has answered a first line and waits for the next."""
    process = subprocess.Popen(
        [sys.executable, "-m", "casebell", "classify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        # A shell starts what it puts in the background with this signal turned off.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"Case Was Approved\n")
    process.stdin.flush()
    assert b"approved" in process.stdout.readline()
    return process


def test_ctrl_c() -> None:
    """Ctrl-C ends a command with 130, without a word."""
    process = classifying()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PROCESS_TIMEOUT)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_has_enough() -> None:
    """`| head` ends a command like any Unix tool, without a word."""
    process = classifying()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"Case Was Denied\n" * 10_000)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(PROCESS_TIMEOUT) == 141


def test_a_full_disk() -> None:
    """What could not be printed is told, and is no success."""
    with Path("/dev/full").open("wb") as full:
        ran = casebell(
            "classify", input=b"Case Was Denied\n",
            stdout=full, stderr=subprocess.PIPE, capture_output=False,
        )  # fmt: skip
    assert ran.returncode == 3
    assert ran.stderr == b"Error: Standard output cannot be written: No space left on device.\n"


def test_no_standard_output() -> None:
    """`>&-` closes it: the command does its work and says nothing."""
    ran = subprocess.run(
        ["sh", "-c", '"$0" -m casebell --version >&-', sys.executable],
        capture_output=True,
        check=False,
        timeout=PROCESS_TIMEOUT,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_any_locale(installation: Installation) -> None:
    """Where the environment knows ASCII only, arrows, quotes and accents are written in UTF-8."""
    ran = casebell(
        "why", "evt_formula", "--config", str(installation.config),
        env={**environment(), "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert "“=1+1; Año, “sí””" in ran.stdout.decode()


def test_installed_as_a_program() -> None:
    """The program `casebell` is the same as the module."""
    program = Path(sys.executable).with_name("casebell")
    ran = subprocess.run([program, "--version"], capture_output=True, check=True, env=os.environ)
    assert ran.stdout.decode() == f"casebell {__version__}\n"
