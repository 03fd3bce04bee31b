"""The options that commands share, and their configuration."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from casebell.cli.terminal import print_error
from casebell.errors import ConfigError, ConfigNotFound


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
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[
    int, typer.Option(metavar="N", min=1, max=1_000_000, help="How many, newest first.")
]
Key = Annotated[str, text_argument(metavar="KEY", help="The source's key, or our number.")]
#: As far as the numbers of rows go.
MAX_NUMBER = 10**18 - 1
Number = Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_NUMBER)]


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
