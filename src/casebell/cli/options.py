"""The options that commands share, and their configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casebell.errors import ConfigError

if TYPE_CHECKING:
    from casebell.settings import Settings


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


Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration file.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=1_000_000, help="How many, newest first.")
]
Key = Annotated[
    str, typer.Argument(metavar="KEY", callback=utf8, help="The source's key, or our number.")
]
#: As far as the numbers of rows go.
Number = Annotated[int, typer.Argument(metavar="ID", min=1, max=10**18 - 1)]


def command_group(verbs: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(
        help=verbs, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


def settings_for(context: typer.Context, config: Path | None) -> "Settings":
    """The configuration a command works with: named after the verb, before it, or found."""
    from casebell.settings import load

    named = config or context.find_root().params.get("config")
    return load(Path(named) if named else None)


def file_was_found(error: ConfigError) -> bool:
    """Whether a configuration file was found: the error is of its content."""
    # Where no file was found, the problem stands in none: "", "--config", "CASEBELL_CONFIG".
    return any(problem.key or "/" in problem.where for problem in error.problems)
