"""`casebell init`: a first configuration."""

import os
import secrets
import shlex
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from casebell.cli.options import UnusedConfig
from casebell.cli.terminal import print_line
from casebell.errors import Refusal

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
    print_line(f"  2. casebell check{named}")
    print_line(f"  3. casebell serve{named}")


def _write_all(directory: Path, contents: dict[Path, str]) -> None:
    """Write every file, or none.

    Raises:
        Refusal: one of them is there, or the directory cannot be written.
    """
    written: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in contents:
            # A link that leads nowhere is somebody's file as well.
            if path.exists() or path.is_symlink():
                raise Refusal(
                    f"{path} exists already; nothing was written.",
                    hint="Name another directory: casebell init DIR",
                )
        for path, content in contents.items():
            _write_private(path, content)
            written.append(path)
    except OSError as error:
        for path in written:
            path.unlink()
        raise Refusal(
            f"{directory} cannot be written: {os.strerror(error.errno or 0)}.",
            hint="Name another directory: casebell init DIR",
        ) from None


def _write_private(path: Path, content: str) -> None:
    """Create a file that only its owner can read; fail if it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
