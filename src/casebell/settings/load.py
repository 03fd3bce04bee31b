"""Loads the settings from the file and the environment."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from casebell.config_file import find, parsed, read_file
from casebell.errors import ConfigError, Problem
from casebell.settings import checks, outward, upstream
from casebell.settings.environment import Environment, Merged
from casebell.settings.exposure import exposed
from casebell.settings.interpolation import Interpolation
from casebell.settings.models import Document, ServerSettings, Settings
from casebell.settings.places import Finding, in_order, spelled
from casebell.settings.validation import validate


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in `path`, or in the file that `find` finds.

    Args:
        path: the file named on the command line.
        environ: the process's environment by default.

    Raises:
        ConfigError: with every problem. No value of the configuration or the environment is in it
            or in its traceback: the errors of libraries are not chained to it.
    """
    settings, problems = _look(path, environ)
    if problems or settings is None:
        raise ConfigError(problems)
    return settings


def load_rest(
    path: Path, *, needed: str = "storage", environ: Mapping[str, str] | None = None
) -> Settings:
    """The valid part of a configuration; that with `storage` suffices to find a running server.

    Raises:
        ConfigError: there is none, or the needed section is wrong.
    """
    settings, problems = _look(path, environ)
    astray = [problem for problem in problems if problem.key.startswith(needed)]
    if astray or settings is None:
        raise ConfigError(astray or problems)
    return settings


#: Keys of `server` without which nothing that is stored can be found or shown rightly.
_OF_SERVER = frozenset({"timezone", "socket"})


def load_stored(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """What a command needs that works on what is stored alone: `[storage]` and the time zone.

    It need not have the secrets of sources and channels, which cron, for one, does not have.

    Raises:
        ConfigError: with every problem that may concern these.
    """
    settings, problems = _look(path, environ)
    needed = [one for one in problems if not _is_needless(one.key)]
    if needed or settings is None:
        raise ConfigError(needed or problems)
    return settings


def _is_needless(key: str) -> bool:
    """Whether this is a known key that has nothing to do with what is stored.

    A key that is not known may be one of those misspelt.
    """
    section, *rest = re.split(r"[.\[]", key)
    if section != "server":
        return section in Document.model_fields and section != "storage"
    return bool(rest) and rest[0] in ServerSettings.model_fields and rest[0] not in _OF_SERVER


def fingerprint(file: Path) -> str:
    """The SHA-256 of a configuration file's bytes in lower-case hex; "" if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _look(
    path: Path | None, environ: Mapping[str, str] | None
) -> tuple[Settings | None, list[Problem]]:
    """The valid part of the settings, and the problems."""
    environ = os.environ if environ is None else environ
    file = find(path, environ, Path.cwd())
    content = read_file(file)
    data = parsed(content, file)
    environment = Environment(environ=environ, env_file=file.parent / ".env", data=data)
    interpolation = Interpolation(variables=environment.variables, base_dir=file.parent)
    data = interpolation.fill(Merged.values(environment, data))
    data = upstream.with_page_names(data, environment.variables)
    data, unread = upstream.with_subscriptions(data, base_dir=file.parent)
    known = [*interpolation.findings, *unread]
    document, findings = validate(data, base_dir=file.parent, known=known)

    findings.sort(key=lambda finding: in_order(data, finding.loc))
    libraries = outward.outward(environment, base_dir=file.parent)
    problems = [*environment.problems, *outward.faults(environment, libraries)]
    problems += [_problem(one, file, environment) for one in findings]
    if document is None:
        return None, problems
    settings = Settings(
        **dict(document),
        path=file,
        base_dir=file.parent,
        sha256=hashlib.sha256(content).hexdigest(),
        outward=libraries,
        warnings=(
            *checks.warnings(document),
            *environment.remarks,
            *outward.remarks(environment, libraries),
            *map(str, exposed(file)),
        ),
    )
    return settings, problems


def _problem(finding: Finding, file: Path, environment: Environment) -> Problem:
    variable = environment.variable_at(finding.loc)
    if variable is None:
        where, hint = str(file), finding.hint
    else:
        where, hint = environment.where(variable), f"{finding.hint} Set by {variable}.".strip()
    return Problem(
        key=spelled(finding.loc),
        message=finding.message,
        hint=hint,
        where=where,
        absent=finding.absent,
    )
