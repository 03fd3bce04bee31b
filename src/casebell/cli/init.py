"""`casebell init`: a first configuration."""

import os
import secrets
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from casebell.cli.terminal import line
from casebell.errors import Refusal

#: Bytes of a generated secret; 32 are as many as HMAC-SHA256 can use.
SECRET_BYTES = 32


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", show_default=False)] = Path(),
) -> None:
    """Write a commented config.toml and a .env with generated secrets; never overwrite."""
    template = resources.files("casebell.cli") / "templates"
    contents = {
        directory / "config.toml": (template / "config.toml").read_text(),
        directory / ".env": (template / "env")
        .read_text()
        .format(
            parley=secrets.token_urlsafe(SECRET_BYTES), torch=secrets.token_urlsafe(SECRET_BYTES)
        ),
    }
    for path in contents:
        if path.exists() or path.is_symlink():
            raise Refusal(
                f"{path} exists already; nothing was written.",
                hint="Name another directory: casebell init DIR",
            )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            _write_private(path, content)
    except OSError as error:
        raise Refusal(f"{directory} cannot be written: {os.strerror(error.errno or 0)}.") from None
    for path in contents:
        line(f"Wrote {path}")
    where = "" if directory == Path() else f" --config {directory / 'config.toml'}"
    line("")
    line("Next:")
    line("  1. Put a channel into config.toml, where it says STEP 1: until then nobody is alerted.")
    line(f"  2. casebell check{where}")
    line(f"  3. casebell serve{where}")


def _write_private(path: Path, content: str) -> None:
    """Create a file that only its owner can read; fail if it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
