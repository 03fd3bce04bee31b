"""The configuration file: where it is, its TOML, and where its server answers the command line.

Beside `settings`, whose models take three times as long to import as a command takes to ask a
running server.
"""

import contextlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from casebell.errors import ConfigError, ConfigNotFound, Problem

VARIABLE = "CASEBELL_CONFIG"
FILE_NAME = "config.toml"
SYSTEM_FILE = Path("/etc/casebell/config.toml")

#: What to look for where tomllib says one of these; its other messages can quote the file.
SYNTAX_HINTS = {
    "Invalid value": "Text needs straight quotes; true and false are in lower case.",
    "Illegal character '\\n'": "A closing quote is missing.",
    "Cannot overwrite a value": "The same key or table stands here twice.",
    "Expected '=' after a key in a key/value pair": "A line reads `key = value`.",
    "Unterminated string": "A closing quote is missing.",
    "Unclosed array": "A `]` or a comma between two entries is missing.",
    "Unclosed inline table": "A `}` or a comma between two entries is missing.",
    "Unescaped '\\' in a string": "Write `\\\\` for a backslash, or use single quotes.",
    "Expected newline or end of document after a statement": "Text needs a quote before and after "
    'it, "5m" too, and `\\"` for a quote within it. Each key needs a line of its own.',
    "Expected ']' at the end of a table declaration": "A `]` is missing.",
    "Expected ']]' at the end of an array declaration": "A `]]` is missing.",
    "Cannot declare ('rules',) twice": "Begin each rule with `[[rules]]`, in double brackets.",
    "Cannot declare ('wordings',) twice": "Begin each with `[[wordings]]`, in double brackets.",
}
SYNTAX_HINT = "Look at this line and the one before: quotes, brackets, a key or table given twice."

#: Before the path of a database file.
SQLITE = "sqlite:///"
DEFAULT_STORAGE = f"{SQLITE}casebell.db"


def find(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The configuration file, absolute: `--config`, else `CASEBELL_CONFIG`, else the usual places.

    Raises:
        ConfigNotFound: the file that was named, or each of the usual ones, is missing.
    """
    named = path or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None:
        if not _is_there(cwd / named):
            origin = "--config" if path else VARIABLE
            raise ConfigNotFound(f"There is no file {named}.", where=origin)
        return cwd / named
    with contextlib.suppress(OSError):
        # A folder that this user cannot look into is only where somebody happens to be.
        if (cwd / FILE_NAME).exists():
            return cwd / FILE_NAME
    if _is_there(SYSTEM_FILE):
        return SYSTEM_FILE
    raise ConfigNotFound(f"There is neither ./{FILE_NAME} nor {SYSTEM_FILE}.")


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        return True  # Reading it will tell why it cannot be reached.


def read_file(file: Path) -> bytes:
    """The bytes of the configuration.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"The configuration cannot be read: {error.strerror}."
    hint = "The account that runs Casebell must be able to read it."
    raise ConfigError([Problem(key="", message=message, hint=hint, where=str(file))])


def parsed(content: bytes, file: Path) -> dict[str, Any]:
    """What the TOML says.

    Raises:
        ConfigError: with the place at which it is wrong.
    """
    try:
        # Editors on Windows begin a file with a byte order mark; TOML does not know it.
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message, hint = f"Line {line} is not UTF-8.", "Save the file as UTF-8."
    except (ValueError, RecursionError) as error:
        message, hint = _syntax_error(str(error))
    raise ConfigError([Problem(key="", message=message, hint=hint, where=str(file))])


def _syntax_error(text: str) -> tuple[str, str]:
    """Where tomllib stopped, and why in our own words."""
    match = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", text, re.DOTALL)
    if match is None:
        return "This is not TOML.", SYNTAX_HINT
    place = "the end of the file" if match[2].startswith("end") else match[2]
    return f"The TOML is wrong at {place}.", SYNTAX_HINTS.get(match[1], SYNTAX_HINT)


def socket_path(*, socket: str, storage: str, base_dir: Path) -> Path:
    """Where the server of a configuration answers the command line.

    Args:
        socket: `server.socket`; "" for beside the database, or on PostgreSQL beside the file.
        storage: `storage.url`.
        base_dir: the directory of the configuration file.
    """
    if socket:
        return base_dir / socket
    database = storage.removeprefix(SQLITE)
    if database == storage:
        return base_dir / "casebell.sock"
    # Beside the file itself, not a link to it, as its lock.
    real = (base_dir / database).resolve()
    return real.with_name(real.name + ".sock")


def socket_in(file: Path, environ: Mapping[str, str]) -> Path | None:
    """The same, read from the file alone; None where only the whole settings can tell.

    That is where the environment may change what the file says, or stands in it as a reference.

    Raises:
        ConfigError: the file cannot be read, or is no TOML.
    """
    data = parsed(read_file(file), file)
    if _overrides(file.with_name(".env"), environ):
        return None
    server, storage = data.get("server", {}), data.get("storage", {})
    if not (isinstance(server, dict) and isinstance(storage, dict)):
        return None
    socket, url = server.get("socket", ""), storage.get("url", DEFAULT_STORAGE)
    if not (isinstance(socket, str) and isinstance(url, str)) or "${" in socket + url:
        return None
    return socket_path(socket=socket, storage=url, base_dir=file.parent)


def _overrides(env_file: Path, environ: Mapping[str, str]) -> bool:
    """Whether the environment or `.env` sets, or may set, a key of the two tables."""
    try:
        text = env_file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        text = ""
    except (OSError, ValueError):
        return True
    names = "\n".join([text, *environ]).upper()
    return "CASEBELL_SERVER" in names or "CASEBELL_STORAGE" in names
