"""`casebell init`: a first configuration."""

import contextlib
import secrets
import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from casebell.cli.options import UnusedConfig
from casebell.cli.terminal import print_line
from casebell.errors import Refusal
from casebell.files import make_folder, reason_of
from casebell.store.new_file import new_file

#: Bytes of a generated secret; 32 are as many as HMAC-SHA256 can use.
SECRET_BYTES = 32


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")] = Path(),
    _config: UnusedConfig = None,
) -> None:
    """Write a commented config.toml and a .env with generated secrets; never overwrite."""
    template = resources.files("casebell.cli") / "templates"
    settings, env = directory / "config.toml", directory / ".env"
    contents = {
        settings: (template / "config.toml").read_text(),
        env: (template / "env")
        .read_text()
        .format(
            parley=secrets.token_urlsafe(SECRET_BYTES), torch=secrets.token_urlsafe(SECRET_BYTES)
        ),
    }
    _write_all(directory, contents)
    for path in contents:
        print_line(f"Wrote {path}")
    named = "" if directory == Path() else f" --config {shlex.quote(str(settings))}"
    print_line()
    print_line("Next:")
    print_line(
        "  1. Put a channel into config.toml, where it says STEP 1: until then nobody is alerted."
    )
    print_line(
        "  2. Where it says STEP 2: who hears of trouble, and of what nobody has acknowledged."
    )
    print_line(f"  3. casebell check{named}: says who hears what, and what is left to do")
    print_line(f"  4. casebell serve{named}")
    print_line(f"  5. casebell accounts add NAME --role admin{named}: opens the console")


def _write_all(directory: Path, contents: Mapping[Path, str]) -> None:
    """Write every file; none where one of them exists.

    Raises:
        Refusal: one of them exists, or the directory cannot be written.
    """
    hint = "Name another directory: casebell init DIR"
    try:
        make_folder(directory)
        with contextlib.ExitStack() as files:
            for path, content in contents.items():
                files.enter_context(new_file(path)).write_text(content)
    except Refusal as error:
        raise Refusal(error.message, hint=hint) from None
    except OSError as error:
        reason = reason_of(error, directory)
        raise Refusal(f"{directory} cannot be written: {reason}.", hint=hint) from None
