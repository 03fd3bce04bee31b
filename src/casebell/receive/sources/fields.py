"""Where a body keeps what: dotted paths, a list of alternatives for each field (decision B5)."""

from collections.abc import Mapping, Sequence


def find(document: Mapping[str, object], paths: Sequence[str]) -> tuple[str, object] | None:
    """The first of `paths` that holds something, and what it holds; None where none does.

    A path names keys of nested objects: `data.receipt_number`. Null, an empty string and one of
    blanks count as absent (B6).
    """
    for path in paths:
        value = document.get(path) if "." not in path else _follow(document, path)
        if value is None or (isinstance(value, str) and (not value or value.isspace())):
            continue
        return path, value
    return None


def _follow(document: Mapping[str, object], path: str) -> object:
    value: object = document
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
