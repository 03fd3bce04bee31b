"""The environment: `.env` beside the configuration, and `CASEBELL_SECTION__KEY` overrides.

Not pydantic-settings' own sources: they read `os.environ` itself rather than what they are given,
drop a variable that names no field in silence, and cannot find `slack-immigration` from
`SLACK_IMMIGRATION`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from casebell.errors import Problem
from casebell.settings.layout import Loc, inside, is_list, is_table, keys_of
from casebell.settings.models import Document
from casebell.settings.values import nearest

PREFIX = "CASEBELL_"
SEPARATOR = "__"
ENVIRONMENT = "environment"

#: Keys whose value is a list or table are given as JSON.
JSON_HINT = """Write JSON: '["first", "second"]' or '{"key": "value"}'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Every variable there is, and where it was set."""

    variables: Mapping[str, str] = field(repr=False)
    #: The `.env` file, and the variables that come from it alone.
    env_file: Path
    from_file: frozenset[str]
    problems: tuple[Problem, ...]

    def where(self, name: str) -> str:
        """Where a variable was set: a file, or "environment"."""
        return str(self.env_file) if name in self.from_file else ENVIRONMENT


def gather(env_file: Path, environ: Mapping[str, str]) -> Environment:
    """Read `.env`, if there is one; what the process was given wins over it."""
    values, problems = _read(env_file)
    return Environment(
        variables={**values, **environ},
        env_file=env_file,
        from_file=frozenset(values.keys() - environ.keys()),
        problems=tuple(problems),
    )


def _read(env_file: Path) -> tuple[dict[str, str], list[Problem]]:
    try:
        text = env_file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}, []
    except UnicodeDecodeError:
        message = "This file is not UTF-8 text."
    except OSError as error:
        message = f"This file cannot be read: {error.strerror}."
    else:
        values, problems = {}, []
        # `dotenv_values` would pass over a line it cannot read; a lost secret deserves better.
        for line in parse_stream(StringIO(text)):
            if line.error:
                problems.append(
                    Problem(
                        key="",
                        message=f"Line {line.original.line} cannot be read.",
                        hint="Write NAME=value, with quotes around a value that holds spaces.",
                        where=str(env_file),
                    )
                )
            elif line.key is not None and line.value is not None:
                values[line.key] = line.value
        return values, problems
    return {}, [Problem(key="", message=message, where=str(env_file))]


class Overrides:
    """Puts `CASEBELL_SECTION__KEY` variables into the data read from the file."""

    def __init__(self, data: dict[str, Any], environment: Environment) -> None:
        """Changes `data`; `placed` then tells which variable stands at which place."""
        self.placed: dict[Loc, str] = {}
        self.problems: list[Problem] = []
        self._data = data
        self._environment = environment
        # In order of name, so that a whole table comes before single keys of it.
        for name in sorted(environment.variables):
            if name.startswith(PREFIX) and SEPARATOR in name:
                self._place(name)

    def variable_at(self, loc: Loc) -> str | None:
        """The variable that set this place or a table around it."""
        places = (loc[:length] for length in range(len(loc), 0, -1))
        return next((self.placed[place] for place in places if place in self.placed), None)

    def _place(self, name: str) -> None:
        annotation: object = Document
        node: Any = self._data
        loc: Loc = ()
        *tables, last = name.removeprefix(PREFIX).split(SEPARATOR)
        for segment in tables:
            key = self._key(name, segment, node, annotation)
            if key is None:
                return
            loc, annotation = (*loc, key), inside(annotation, key)
            node = node.setdefault(key, {}) if is_table(annotation) else None
        key = self._key(name, last, node, annotation)
        if key is not None:
            value = self._value(name, inside(annotation, key))
            if value is not None:
                node[key] = value
                self.placed[(*loc, key)] = name

    def _key(self, name: str, segment: str, node: Any, annotation: object) -> str | None:
        """The key a segment means: case and the difference of `-` and `_` do not count."""
        known: tuple[str, ...] = ()
        if is_table(annotation):
            if not isinstance(node, dict):
                return None  # The file has something else here; validation tells of it.
            known = keys_of(annotation) or tuple(node)
        found = [key for key in known if _as_variable(key) == _as_variable(segment)]
        if len(found) == 1:
            return found[0]
        if found:
            message = "This variable could mean more than one name, as `-` and `_` are the same."
            hint = f"Rename one of them, or set the key in the file: {', '.join(found)}."
        else:
            message = f"This variable names no key: there is no `{segment}` here."
            hint = nearest(segment, [_as_variable(key) for key in known])
        self._complain(name, message, hint or "docs/configuration.md lists every key.")
        return None

    def _value(self, name: str, annotation: object) -> Any:
        """Text, or what its JSON says where a list or table may stand; None where that is wrong."""
        text = self._environment.variables[name]
        if not (is_table(annotation) or is_list(annotation)) or text.lstrip()[:1] not in ("[", "{"):
            return text
        try:
            value = json.loads(text)
            # JSON can spell halves of characters, which no text we write later may hold.
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            pass
        else:
            return value
        self._complain(name, "This begins like JSON, but is not.", JSON_HINT)
        return None

    def _complain(self, name: str, message: str, hint: str) -> None:
        where = self._environment.where(name)
        self.problems.append(Problem(key=name, message=message, hint=hint, where=where))


def _as_variable(key: str) -> str:
    return key.replace("-", "_").upper()
