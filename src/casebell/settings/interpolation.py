"""Replaces `${NAME}` and `${file:path}` in every text of the configuration.

With `|url` at its end the value is percent-encoded. Without it, a value inside a URL must be one
that a URL takes as it is: a raw `@` or `#` would cut the password, and the rest would be looked up
as the name of a host.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from casebell.settings.places import Finding, Loc

#: `$${`, which stands for `${`; a complete reference; an incomplete one.
_REFERENCE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<name>[^{}]*)\}|(?P<open>\$\{)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_ENCODED = "|url"
_URL_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
#: By the part of a URL: what ends the part, or stands for another character.
_SPECIAL = {
    "login": re.compile(r"[\x00-\x20\x7f@:/?#%\[\]\\]"),
    "host": re.compile(r"[\x00-\x20\x7f@/?#%\\]"),
    "path": re.compile(r"[\x00-\x20\x7f/?#%\\]"),
    "query": re.compile(r"[\x00-\x1f\x7f&;#%]|^ | $"),
}

#: More than any secret or URL; protects the memory from a wrong path.
MAX_FILE_BYTES = 64 * 1024

#: Most tables and lists around a value: twice what any key needs, and safe for Python's stack.
MAX_DEPTH = 16


class Interpolation:
    """Replaces references, and finds those that cannot be replaced."""

    def __init__(self, *, variables: Mapping[str, str], base_dir: Path) -> None:
        """Paths of files are relative to `base_dir`."""
        self.findings: list[Finding] = []
        self._variables = variables
        self._base_dir = base_dir

    def fill(self, node: Any, loc: Loc = ()) -> Any:
        """A copy of the data with the references of every text replaced; keys are unchanged."""
        if len(loc) > MAX_DEPTH:
            return self._miss(
                loc, "This is nested too deeply.", "docs/configuration.md has the keys."
            )
        if isinstance(node, dict):
            return {key: self.fill(value, (*loc, key)) for key, value in node.items()}
        if isinstance(node, list):
            return [self.fill(value, (*loc, place)) for place, value in enumerate(node)]
        if isinstance(node, str):
            # In one pass: the value of a reference is not searched for further references.
            return self._unicode(_REFERENCE.sub(lambda match: self._filled(match, loc), node), loc)
        return node

    def _unicode(self, text: str, loc: Loc) -> str:
        """The text, if it is valid Unicode: a variable may hold bytes that are not UTF-8."""
        try:
            text.encode()
        except UnicodeEncodeError:
            return self._miss(loc, "This text is not UTF-8.", "Set its variable again.")
        return text

    def _filled(self, match: re.Match[str], loc: Loc) -> str:
        if match["escaped"]:
            return "${"
        written = match["name"] or ""
        name = written.removesuffix(_ENCODED)
        found = len(self.findings)
        value = self._value(name, loc)
        part = _part_of_url(match)
        if len(self.findings) > found or not part:
            return value if name == written else _encoded(value)
        if not value:
            return self._miss(loc, f"{_called(name)} is empty.", "Is its variable or file empty?")
        if name != written:
            return _encoded(value)
        if _SPECIAL[part].search(value):
            message = f"{_called(name)} holds a character that a URL reads as its own."
            return self._miss(loc, message, f"Write ${{{name}{_ENCODED}}}, which encodes it.")
        return value

    def _value(self, name: str, loc: Loc) -> str:
        if name.startswith("file:"):
            return self._file(name.removeprefix("file:"), loc)
        if _VARIABLE.fullmatch(name) is None:
            message = "A `${` here begins neither ${NAME} nor ${file:path}."
            return self._miss(loc, message, "Write `$${` where the text itself holds `${`.")
        if name not in self._variables:
            message = f"The environment variable {name} is not set."
            hint = "Set it in the environment, or in `.env` beside the configuration."
            return self._miss(loc, message, hint, absent=True)
        return self._variables[name]

    def _file(self, name: str, loc: Loc) -> str:
        path = self._base_dir / name
        try:
            # Reading a pipe or device could block for ever.
            if path.exists() and not path.is_file():
                reason = "it is no regular file"
            else:
                with path.open("rb") as file:
                    content = file.read(MAX_FILE_BYTES + 1)
                if len(content) <= MAX_FILE_BYTES:
                    return re.sub(r"\r?\n\Z", "", content.decode("utf-8"))
                reason = "it is larger than 64 KiB"
        except UnicodeDecodeError:
            reason = "it is not UTF-8 text"
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "this is no path"
        hint = "Relative paths start at the configuration. The server's account must read it."
        return self._miss(loc, f"The file {name} cannot be read: {reason}.", hint, absent=True)

    def _miss(self, loc: Loc, message: str, hint: str, *, absent: bool = False) -> str:
        self.findings.append(Finding(loc=loc, message=message, hint=hint, absent=absent))
        return ""


def _called(name: str) -> str:
    return f"The file {name[5:]}" if name.startswith("file:") else f"The value of {name}"


def _encoded(value: str) -> str:
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        return value  # It is found to be no Unicode where it is filled in.


def _part_of_url(reference: re.Match[str]) -> str:
    """The part of a URL in which the reference stands; "" if it is not inside one."""
    before, after = reference.string[: reference.start()], reference.string[reference.end() :]
    start = _URL_START.match(before)
    if start is None:
        return ""
    before = _REFERENCE.sub("x", before[start.end() :])
    if "?" in before:
        return "query"
    if "/" in before:
        return "path"
    authority = re.split("[/?#]", _REFERENCE.sub("x", after), maxsplit=1)[0]
    return "login" if "@" in authority else "host"
