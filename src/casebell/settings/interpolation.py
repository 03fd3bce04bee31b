"""Replaces `${NAME}` and `${file:path}` in every text of the configuration."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from casebell.settings.places import Finding, Loc

#: `$${`, which stands for `${`; a complete reference; an incomplete one.
_REFERENCE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<name>[^{}]*)\}|(?P<open>\$\{)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

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
            return self._unicode(_REFERENCE.sub(lambda match: self._value(match, loc), node), loc)
        return node

    def _unicode(self, text: str, loc: Loc) -> str:
        """The text, if it is valid Unicode: a variable may hold bytes that are not UTF-8."""
        try:
            text.encode()
        except UnicodeEncodeError:
            return self._miss(loc, "This text is not UTF-8.", "Set its variable again.")
        return text

    def _value(self, match: re.Match[str], loc: Loc) -> str:
        if match["escaped"]:
            return "${"
        name = match["name"] or ""
        if name.startswith("file:"):
            return self._file(name.removeprefix("file:"), loc)
        if _VARIABLE.fullmatch(name) is None:
            message = "A `${` here begins neither ${NAME} nor ${file:path}."
            return self._miss(loc, message, "Write `$${` where the text itself holds `${`.")
        if name not in self._variables:
            message = f"The environment variable {name} is not set."
            hint = "Set it in the environment, or in `.env` beside the configuration."
            return self._miss(loc, message, hint)
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
        return self._miss(loc, f"The file {name} cannot be read: {reason}.", hint)

    def _miss(self, loc: Loc, message: str, hint: str) -> str:
        self.findings.append(Finding(loc=loc, message=message, hint=hint))
        return ""
