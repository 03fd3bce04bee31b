"""The options that commands share, and their configuration."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from casebell.cli.terminal import print_error
from casebell.errors import ConfigError, ConfigNotFound
from casebell.events import MAX_NUMBER
from casebell.service.formats import Format


def utf8(text: str | None) -> str | None:
    """A text from the command line that can be looked for: the shell passes on any bytes.

    Raises:
        BadParameter: it is not UTF-8.
    """
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("This is not UTF-8 text.") from None
    return text


def named_anywhere(context: typer.Context, file: Path | None) -> Path | None:
    """The configuration that is named after the verb, else the one before it."""
    return file or context.find_root().params.get("config")


#: An option, and an argument, that takes such a text.
text_option = partial(typer.Option, callback=utf8)
text_argument = partial(typer.Argument, callback=utf8)

Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", callback=named_anywhere, help="The configuration file."),
]
UnusedConfig = Annotated[
    str | None, typer.Option("--config", hidden=True, help="Taken, as everywhere; not read.")
]
By = Annotated[
    str | None,
    text_option(metavar="NAME", help="Who does this, for the journal, beside the system's user."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[
    int, typer.Option(metavar="N", min=1, max=1_000_000, help="How many, newest first.")
]
Key = Annotated[str, text_argument(metavar="KEY", help="The source's key, or our number.")]
Number = Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_NUMBER)]


Numbers = Annotated[
    list[int] | None,
    typer.Argument(metavar="ID", min=1, max=MAX_NUMBER, help="Which; one or more."),
]

Change = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=MAX_NUMBER, help="This change of the case."),
]
Receipt = Annotated[str | None, text_option(metavar="NUMBER", help="Only of this receipt number.")]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        help='Since: "2026-11-21", "2026-11-21T09:30" (in server.timezone, unless it ends in Z or '
        'an offset), or "24h".',
    ),
]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Before; written alike.")]


Written = Annotated[Format, typer.Option("--format", help="How to write it.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="A new file; never overwritten.")]


def with_options(options: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each key of a TypedDict, in place of its `**filters`."""

    def give(command: Callable[..., None]) -> Callable[..., None]:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        given = [
            inspect.Parameter(name, kind, default=None, annotation=annotation)
            for name, annotation in get_type_hints(options, include_extras=True).items()
        ]
        *own, _ = inspect.signature(command).parameters.values()
        parameters = [*given, *own]
        # Typer reads both.
        vars(command)["__signature__"] = inspect.Signature(parameters)
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        return command

    return give


def chosen_or_all(numbers: list[int] | None, *, everything: bool, narrowed: bool) -> list[int]:
    """The numbers that were named; [] for all.

    Raises:
        BadParameter: neither or both were asked for, or named ones are narrowed.
    """
    chosen = numbers or []
    if everything == bool(chosen):
        raise typer.BadParameter("Name them by ID, or write --all.")
    if chosen and narrowed:
        raise typer.BadParameter("What narrows --all does not go with IDs.")
    return chosen


def command_group() -> typer.Typer:
    """A group of commands."""
    group = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
    # Without a callback typer would make one command of a group of one.
    group.callback()(lambda: None)
    return group


@contextlib.contextmanager
def unusable_is_no() -> Iterator[None]:
    """Where the answer is no, exit code 1: the configuration is there and cannot be used."""
    try:
        yield
    except ConfigNotFound:
        raise
    except ConfigError as error:
        print_error(error)
        raise typer.Exit(1) from None
