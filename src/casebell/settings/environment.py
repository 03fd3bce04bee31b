"""Reads `.env` and variables `CASEBELL_SECTION__KEY`, as a source of pydantic-settings."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
from dotenv.parser import Binding, parse_stream
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    SettingsConfigDict,
)

from casebell.errors import Problem
from casebell.settings.models import Document
from casebell.settings.places import Loc, inside, is_list, is_table, keys_of, spelled
from casebell.settings.values import nearest

PREFIX = "CASEBELL_"
SEPARATOR = "__"
ENVIRONMENT = "environment"

#: An escape of double quotes in `.env` for a character that no password has.
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\[abfnrtv]")

#: Lists and tables are given as JSON.
JSON_HINT = """Write JSON: '["first", "second"]' or '{"key": "value"}'."""

# With PYDANTIC_SETTINGS_DEBUG set it would log every value, secrets included.
logging.getLogger("pydantic_settings").setLevel(logging.INFO)


class _Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a variable can set."""

    loc: tuple[str, ...]
    annotation: object
    #: The table of the file that has it; empty without one.
    table: dict[str, Any]

    @property
    def is_blocked(self) -> bool:
        """Whether the file has another value in place of a table, which validation reports."""
        return is_table(self.annotation) and not isinstance(self.table.get(self.loc[-1], {}), dict)


def _keys(annotation: object, table: dict[str, Any], loc: tuple[str, ...] = ()) -> Iterator[_Key]:
    """Every key of a table; if its keys are free, those that the file has."""
    for name in keys_of(annotation) or table:
        key = _Key(loc=(*loc, name), annotation=inside(annotation, name), table=table)
        yield key
        if is_table(key.annotation) and not key.is_blocked:
            yield from _keys(key.annotation, table.get(name, {}), key.loc)


class Merged(BaseSettings, Document):
    """All keys, for sources of pydantic-settings.

    There is never an instance: validation works in steps, so that it reports every problem.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=SEPARATOR, case_sensitive=True, defer_build=True
    )

    @classmethod
    def values(cls, environment: "Environment", data: dict[str, Any]) -> dict[str, Any]:
        """The values of the environment merged over those of the file, in the order of the file.

        The TOML source of pydantic-settings is not used: it ignores a missing file, and its errors
        quote the file.
        """
        sources = (environment, InitSettingsSource(cls, data))
        # Reaches into pydantic-settings: it has no public way to merge without validation.
        values = cls._settings_build_values(sources, {})
        return {key: values[key] for key in (*data, *values)}


class Environment(EnvSettingsSource):
    """All variables, and the keys that they set.

    pydantic-settings nests the names and merges them over the file. It would ignore a name without
    a key, miss `slack-immigration` under `SLACK_IMMIGRATION`, expand `${NAME}` in `.env`, and skip
    a line of it that it cannot read. So this class reads `.env`, gives each name the spelling of
    its key, and collects errors in `problems`, by variable and never by value.

    Args:
        environ: the variables of the process; they override `.env`.
        env_file: may be missing.
        data: of the file, which names sources and channels. A table that a variable sets as a whole
            replaces the one in `data`.
    """

    def __init__(self, *, environ: Mapping[str, str], env_file: Path, data: dict[str, Any]) -> None:
        super().__init__(Merged)
        self._env_file = env_file
        #: Sentences on lines of `.env` that may be read otherwise than they are meant.
        self.remarks: list[str] = []
        from_file, self.problems = _read(env_file, self.remarks)
        self._from_file = from_file.keys() - environ.keys()
        self.variables: Mapping[str, str] = {**from_file, **environ}
        self._variable_at: dict[Loc, str] = {}
        self.env_vars = self._overrides(data)

    def variable_at(self, loc: Loc) -> str | None:
        """The variable that sets this place or a table around it."""
        places = (loc[:length] for length in range(len(loc), 0, -1))
        return next((self._variable_at[at] for at in places if at in self._variable_at), None)

    def where(self, name: str) -> str:
        """The origin of a variable: a file, or "environment"."""
        return str(self._env_file) if name in self._from_file else ENVIRONMENT

    def decode_complex_value(self, field_name: str, field: object, value: Any) -> Any:  # noqa: ARG002
        """The value unchanged: `_value` has decoded its JSON already."""
        return value

    def _overrides(self, data: dict[str, Any]) -> dict[str, Any]:
        """Values by names with the spelling of the keys: `CASEBELL_channels__slack-hr__url`."""
        known: dict[tuple[str, ...], list[_Key]] = {}
        for key in _keys(Document, data):
            known.setdefault(tuple(map(_as_variable, key.loc)), []).append(key)
        overrides = {}
        # In order of name, so that a whole table comes before single keys of it.
        for name in sorted(self.variables):
            if not name.startswith(PREFIX) or SEPARATOR not in name:
                continue
            meant = self._find(name, known)
            value = None if meant is None else self._value(name, meant.annotation)
            if meant is not None and value is not None:
                overrides[PREFIX + SEPARATOR.join(meant.loc)] = value
                self._variable_at[meant.loc] = name
                if isinstance(value, dict):
                    meant.table[meant.loc[-1]] = value
        return overrides

    def _find(self, name: str, known: Mapping[tuple[str, ...], list[_Key]]) -> _Key | None:
        """The only key that a variable can mean; otherwise None, and a problem."""
        written = name.removeprefix(PREFIX).split(SEPARATOR)
        segments = tuple(map(_as_variable, written))
        keys = known.get(segments, [])
        if len(keys) == 1:
            return keys[0]
        if keys:
            message = "This variable could mean several keys, as `-` and `_` are the same."
            several = ", ".join(spelled(key.loc) for key in keys)
            hint = f"Rename one, or set the key in the file: {several}."
        else:
            length = len(segments) - 1
            while length and segments[:length] not in known:
                length -= 1
            if any(key.is_blocked for key in known.get(segments[:length], [])):
                return None
            message = f"This variable names no key: there is no `{written[length]}` here."
            here = [one[-1] for one in known if one[:-1] == segments[:length]]
            hint = nearest(segments[length], here)
        self._complain(name, message, hint or "docs/configuration.md lists every key.")
        return None

    def _value(self, name: str, annotation: object) -> Any:
        """The text, or the value of its JSON for a list or table; None if that is invalid."""
        text = self.variables[name]
        if not (is_table(annotation) or is_list(annotation)) or text.lstrip()[:1] not in ("[", "{"):
            return text
        try:
            value = json.loads(text)
            # JSON can escape lone surrogates, which cannot be written later.
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            self._complain(name, "This begins like JSON, but is not.", JSON_HINT)
            return None
        return value

    def _complain(self, name: str, message: str, hint: str) -> None:
        where = self.where(name)
        self.problems.append(Problem(key=name, message=message, hint=hint, where=where))


def _as_variable(key: str) -> str:
    return key.replace("-", "_").upper()


def _read(env_file: Path, remarks: list[str]) -> tuple[dict[str, str], list[Problem]]:
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
                number = line.original.line + line.original.string.count("\n", 0, _start_of(line))
                where = f"{env_file}, line {number}"
                remarks += [f"{where}: {doubt}" for doubt in _doubts(line)]
                if line.key in values:
                    remarks.append(f"{where}: {line.key} is set above already; this one counts.")
                values[line.key] = line.value
        return values, problems
    return {}, [Problem(key="", message=message, where=str(env_file))]


def _start_of(line: Binding) -> int:
    """Where the line itself begins, after blank lines that came before it."""
    text = line.original.string
    return len(text) - len(text.lstrip())


def _doubts(line: Binding) -> Iterator[str]:
    """How a value is read, where it may be meant otherwise."""
    written = line.original.string.partition("=")[2].strip()
    if written[:1] not in ("'", '"') and written != line.value:
        yield (
            f"what follows the ` #` is a comment, and no part of {line.key}. Put single quotes "
            "around a value that holds one."
        )
    if written[:1] == '"' and _ESCAPED.search(written):
        yield (
            f"a backslash in double quotes makes another character of the letter after it in "
            f"{line.key}. Single quotes leave both as they are."
        )
