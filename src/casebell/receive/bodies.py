"""Reads bodies as strict JSON, with a record of repeated keys."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from casebell.errors import HeldDelivery
from casebell.events import HeldReason

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonBody:
    """A body that is a JSON object."""

    document: dict[str, object]
    #: Whether a string may hold characters that a database cannot store; only escapes can.
    escapes: bool = True
    #: Objects with repeated keys, and those keys. `document` has the last value of each.
    _repeated: Sequence[tuple[object, frozenset[str]]] = field(default=(), repr=False)

    def repeated(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths` in which a key is repeated in its object."""
        return [path for path in paths if self._repeats(path)] if self._repeated else []

    def _repeats(self, path: str) -> bool:
        value: object = self.document
        for name in path.split("."):
            if any(place is value and name in names for place, names in self._repeated):
                return True
            value = value.get(name) if isinstance(value, Mapping) else None
        return False


def read_body(body: bytes) -> JsonBody:
    """Read the bytes of a delivery.

    Raises:
        HeldDelivery: invalid_encoding (not UTF-8, or a byte order mark), invalid_json (also NaN and
            Infinity, a number too long to convert, nesting too deep to follow), not_an_object.
    """
    if body.startswith(_BYTE_ORDER_MARK):
        raise HeldDelivery(HeldReason.INVALID_ENCODING, "The body begins with a byte order mark.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeldDelivery(
            HeldReason.INVALID_ENCODING, f"The body is not UTF-8 at byte {error.start}."
        ) from None
    repeated: list[tuple[object, frozenset[str]]] = []
    try:
        document = _parse(text, _ONCE)
    except _KeyTwice:
        document = _parse(text, _decoder(repeated))
    if not isinstance(document, dict):
        raise HeldDelivery(HeldReason.NOT_AN_OBJECT, "The body is JSON, but not an object.")
    return JsonBody(document=document, escapes="\\u" in text, _repeated=repeated)


def find(document: Mapping[str, object], paths: Sequence[str]) -> tuple[str, object] | None:
    """The first of `paths` with a value, and the value; None without one.

    A path names keys of nested objects: `data.receipt_number`. Null, an empty string and one of
    blanks count as absent.
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


def _parse(text: str, decoder: json.JSONDecoder) -> object:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        # The decoder's own message names the position, and never quotes the text.
        message = f"The body is not JSON: {error.msg} at character {error.pos}."
    except RecursionError:
        message = "The body is nested too deeply."
    except ValueError:
        message = "The body holds a number that is not JSON or too long."
    raise HeldDelivery(HeldReason.INVALID_JSON, message)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


class _KeyTwice(Exception):
    """A key is repeated in one object."""


def _build_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise _KeyTwice
    return built


#: Shared by all bodies without a repeated key, nearly all: a decoder for each would cost twice.
_ONCE = json.JSONDecoder(object_pairs_hook=_build_once, parse_constant=_refuse_constant)


def _decoder(repeated: list[tuple[object, frozenset[str]]]) -> json.JSONDecoder:
    """A decoder that records the objects with repeated keys."""

    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        built = dict(pairs)
        if len(built) != len(pairs):
            repeated.append((built, _names_given_twice(name for name, _ in pairs)))
        return built

    return json.JSONDecoder(object_pairs_hook=build, parse_constant=_refuse_constant)


def _names_given_twice(names: Iterable[str]) -> frozenset[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for name in names:
        (twice if name in seen else seen).add(name)
    return frozenset(twice)
