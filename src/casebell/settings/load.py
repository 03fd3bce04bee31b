"""From a file and the environment to settings: the only reader of either for configuration."""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from casebell.errors import ConfigError, Problem
from casebell.settings import checks
from casebell.settings.environment import Environment, Overrides, gather
from casebell.settings.interpolation import Interpolation
from casebell.settings.layout import Loc, spelled
from casebell.settings.models import Settings
from casebell.settings.problems import Finding
from casebell.settings.validation import validate

VARIABLE = "CASEBELL_CONFIG"
FILE_NAME = "config.toml"
SYSTEM_FILE = Path("/etc/casebell/config.toml")

#: What to look for where tomllib says one of these; its other messages can quote the file.
SYNTAX_HINTS = {
    "Invalid value": "Text needs quotes; true and false are in lower case.",
    "Cannot overwrite a value": "The same key or table stands here twice.",
    "Expected '=' after a key in a key/value pair": "A line reads `key = value`.",
    "Unterminated string": "A closing quote is missing.",
    "Unclosed array": "A `]` or a comma between two entries is missing.",
    "Unclosed inline table": "A `}` or a comma between two entries is missing.",
    "Unescaped '\\' in a string": "Write `\\\\` for a backslash, or use single quotes.",
    "Expected newline or end of document after a statement": "Each key needs a line of its own.",
}
SYNTAX_HINT = "Look at this line and the one before: quotes, brackets, a key or table given twice."


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """The settings in `path`, or in the file that `find` finds.

    Args:
        path: The file named on the command line.
        environ: The process's environment by default.
        cwd: What relative paths on the command line start from; the working directory by default.

    Raises:
        ConfigError: with every problem there is. No value of the configuration or the environment
            appears in it, nor in its traceback: foreign errors end before it begins.
    """
    settings, problems = _look(path, environ, cwd)
    if problems or settings is None:
        raise ConfigError(problems)
    return settings


def load_rest(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """What is right in a configuration, whatever else is wrong: enough to find a running server.

    Raises:
        ConfigError: nothing can be told of it, or not where its database is.
    """
    settings, problems = _look(path, environ, cwd)
    astray = any(problem.key.startswith("storage") for problem in problems)
    if astray or settings is None:
        raise ConfigError(problems)
    return settings


def fingerprint(file: Path) -> str:
    """The lower-case hex SHA-256 of a configuration file's bytes; "" where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _look(
    path: Path | None, environ: Mapping[str, str] | None, cwd: Path | None
) -> tuple[Settings | None, list[Problem]]:
    """The settings without what is wrong, and what is."""
    environ = os.environ if environ is None else environ
    file = find(path, environ, Path.cwd() if cwd is None else cwd)
    content = _read(file)
    data = _parse(content, file)
    environment = gather(file.parent / ".env", environ)
    overrides = Overrides(data, environment)
    interpolation = Interpolation(variables=environment.variables, base_dir=file.parent)
    data = interpolation.fill(data)
    document, findings = validate(data, base_dir=file.parent, known=interpolation.findings)

    problems = [*environment.problems, *overrides.problems]
    findings.sort(key=lambda finding: _place_in_file(data, finding.loc))
    problems += [_problem(finding, file, environment, overrides) for finding in findings]
    if document is None:
        return None, problems
    settings = Settings(
        **dict(document),
        path=file,
        base_dir=file.parent,
        sha256=hashlib.sha256(content).hexdigest(),
        warnings=tuple(checks.warnings(document)),
    )
    return settings, problems


def find(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The configuration file, absolute: `--config`, else `CASEBELL_CONFIG`, else the usual places.

    Raises:
        ConfigError: the file that was named, or each of the usual ones, is missing.
    """
    named = path or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None:
        if not _is_there(cwd / named):
            origin = "--config" if path else VARIABLE
            raise _nothing_found(f"There is no file {named}.", origin)
        return cwd / named
    for file in (cwd / FILE_NAME, SYSTEM_FILE):
        if _is_there(file):
            return file
    raise _nothing_found(f"There is neither ./{FILE_NAME} nor {SYSTEM_FILE}.", "")


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        return True  # Reading it will tell why it cannot be reached.


def _nothing_found(message: str, where: str) -> ConfigError:
    hint = f"`casebell init` writes a configuration; --config FILE or {VARIABLE} names another."
    problem = Problem(key="", message=message, hint=hint, where=where)
    return ConfigError([problem], message=message, hint=hint)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror
    raise ConfigError(
        [
            Problem(
                key="",
                message=f"The configuration cannot be read: {reason}.",
                hint="The account that runs Casebell must be able to read it.",
                where=str(file),
            )
        ]
    )


def _parse(content: bytes, file: Path) -> dict[str, Any]:
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


def _problem(
    finding: Finding, file: Path, environment: Environment, overrides: Overrides
) -> Problem:
    variable = overrides.variable_at(finding.loc)
    if variable is None:
        where, hint = str(file), finding.hint
    else:
        where, hint = environment.where(variable), f"{finding.hint} Set by {variable}.".strip()
    return Problem(key=spelled(finding.loc), message=finding.message, hint=hint, where=where)


def _place_in_file(data: Any, loc: Loc) -> tuple[int, ...]:
    """Sorts places in the order of the file; what is missing comes last in its table."""
    order = []
    for step in loc:
        if isinstance(data, dict):
            keys = list(data)
            order.append(keys.index(str(step)) if step in data else len(keys))
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            order.append(step)
            data = data[step]
    return tuple(order)
