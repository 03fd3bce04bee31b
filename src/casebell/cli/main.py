"""Assembles the commands; the only place that turns errors into exit codes.

0 done · 1 the answer is no · 2 usage or configuration · 3 could not tell
130 interrupted (Ctrl-C) · 141 whoever read the output went away, as with `| head`
"""

import difflib
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import casebell
from casebell.cli.terminal import (
    OutputFailed,
    ReaderGone,
    output_errors,
    print_error,
    print_to_stderr,
)
from casebell.errors import CasebellError

INTERRUPTED = 130
READER_GONE = 141
DEFECT = 3


#: Every command with its line in the list, in the order in which help shows them. The module of its
#: name has it as the function of its name, or as the group `app`.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "init": "Write a first config.toml and .env.",
        "check": "Check the configuration; tell who hears what.",
        "serve": "Receive deliveries and send alerts.",
        "reload": "Have the server read its configuration again.",
        "demo": "See a complete run on this machine.",
        "sandbox": "A simulated Parley and Torch; it has: scenarios.",
        "send": "Post a delivery as a source would.",
        "classify": "Tell what official texts mean.",
        "events": "What was received: list, show, export.",
        "why": "What became of an event, as sentences.",
        "cases": "The cases: list, show, import, export, set, due, answered.",
        "queue": "What is owed, and who has seen it.",
        "ack": "Say that you have seen what a case asks.",
        "alerts": "Who was told: list, export, retry, dismiss.",
        "people": "Who can be told by name: list, away, back.",
        "journal": "The record of everything: list.",
        "held": "What could not be understood: list, release, discard.",
        "refused": "What did not authenticate: list, why, readmit.",
        "upstream": "The provider's API: status, register, subscribe, reconcile.",
        "channels": "Ways to reach people: list, test.",
        "accounts": "Who may sign in: add, list, set, enable, disable, password, reset.",
        "tokens": "Programs that may ask the API: add, list, revoke.",
        "feeds": "Private calendars of due dates: add, list, revoke.",
        "backup": "Copy the database, also while it is in use.",
        "restore": "Put a backup where no database is.",
        "doctor": "One line for each layer: OK, or what to do.",
    }
)
#: Modules whose name is not the command's.
_MODULES = {"restore": "backup"}


class Commands(TyperGroup):
    """The commands; each is imported when it is asked for.

    All packages together take a second to import, and `casebell classify` needs next to none.
    Reaches into typer: the group that it makes of commands, and how it makes one.
    """

    def list_commands(self, _ctx: Any) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them, imported."""
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            meant = "".join(f" Did you mean {name!r}?" for name in near)
            ctx.fail(f"There is no command {cmd_name!r}.{meant}")
        name = _MODULES.get(cmd_name, cmd_name)
        module = importlib.import_module(f"casebell.cli.{name}")
        if (group := getattr(module, "app", None)) is not None:
            group.info.help = COMMANDS[cmd_name]
            return typer.main.get_command(group)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(cmd_name)(getattr(module, cmd_name))
        return typer.main.get_command(alone)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Their list in the help, for which none is imported."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    name="casebell",
    cls=Commands,
    help="Receives immigration case-status webhooks and tells the people who must know.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _version(given: bool) -> None:
    if given:
        typer.echo(f"casebell {casebell.__version__}")
        raise typer.Exit


@app.callback()
def root(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The configuration file; also after a verb."),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback when something fails.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Casebell."""


def main() -> None:
    """Run the command line and exit."""
    # What a command imports is thousands of objects and no garbage; walking them again and again
    # took a fifth of the time in which the server starts.
    gc.set_threshold(100_000)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """One command, from its arguments to its exit code."""
    # Wherever it stands: whoever wants a traceback repeats the last line and adds the word.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    debug = "--debug" in arguments[:end]
    given = [one for one in arguments[:end] if one != "--debug"]
    _write_utf8()
    try:
        code = _run([*given, *arguments[end:]])
        if sys.stdout is not None:  # as it is after `>&-`
            with output_errors():
                sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ReaderGone, BrokenPipeError):
        _discard_output()
        return READER_GONE
    except typer.TyperException as error:
        return _print_usage_error(error)
    except CasebellError as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OutputFailed):
            _discard_output()
        return print_error(error)
    except Exception as error:  # noqa: BLE001 - a traceback is for who asks for one
        if debug:
            traceback.print_exc()
        print_to_stderr(
            f"Error: Something unforeseen went wrong ({type(error).__name__}).",
            "Run the same with --debug added, and report what it prints.",
        )
        return DEFECT
    return code


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("casebell", arguments) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def _print_usage_error(error: typer.TyperException) -> int:
    message = error.format_message()
    if message.startswith("Usage:"):
        # Nothing was asked for: the message is the whole help.
        typer.echo(message)
        return error.exit_code
    context = getattr(error, "ctx", None)
    hint = f"`{context.command_path} --help` shows what it takes." if context else ""
    print_to_stderr(f"Error: {message.replace('Value error, ', '')}", hint)
    return error.exit_code


def _write_utf8() -> None:
    """Whatever the locale: nothing we print may fail for want of a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _discard_output() -> None:
    """Python would try to write it once more when it ends, and fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
