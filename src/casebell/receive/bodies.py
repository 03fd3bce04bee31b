"""Reads bodies as strict JSON, with a record of repeated keys; splits arrays."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import parse_qsl

from casebell.errors import HeldDelivery
from casebell.events import HeldReason

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
#: How gzip, zlib, Zstandard and compress begin.
_COMPRESSED = tuple(
    map(bytes.fromhex, ("1f8b", "7801", "785e", "789c", "78da", "28b52ffd", "1f9d"))
)
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[")
#: "payload=…", as an HTML form is sent; and a form with files.
_FORM = re.compile(r"[A-Za-z_][A-Za-z0-9_.%+\[\]-]*=")
_MULTIPART = re.compile(r"--[^\r\n]+\r?\nContent-Disposition: *form-data", re.IGNORECASE)


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

    One byte order mark before the JSON is skipped.

    Raises:
        HeldDelivery: invalid_encoding (not UTF-8), invalid_json (also NaN and Infinity, a number
            too long to convert, nesting too deep to follow), form_encoded, not_an_object.
    """
    text = _text_of(body)
    repeated: list[tuple[object, frozenset[str]]] = []
    try:
        document = _parse(text, _ONCE)
    except _KeyTwice:
        document = _parse(text, _decoder(repeated))
    if not isinstance(document, dict):
        raise HeldDelivery(HeldReason.NOT_AN_OBJECT, _what_it_is(document))
    return JsonBody(document=document, escapes="\\u" in text, _repeated=repeated)


def elements(body: bytes, *, at_most: int | None) -> list[bytes]:
    """The objects of a body that is a non-empty array of objects, each as it was sent; else none.

    Raises:
        HeldDelivery: too_many_events; there are more than `at_most`.
    """
    if not _ARRAY.match(body):
        return []
    try:
        text = _text_of(body)
        document = _parse(text, _decoder([]))
    except HeldDelivery:
        return []
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        return []
    if at_most is not None and len(document) > at_most:
        message = f"The body is an array of {len(document)} objects; at most {at_most} are taken."
        raise HeldDelivery(HeldReason.TOO_MANY_EVENTS, message)
    return [one.encode() for one in _written(text)]


def form_payload(body: bytes) -> bytes | None:
    """What stands in `payload`, the only field of a form-encoded body; None if there is another."""
    fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return fields[0][1].encode() if [name for name, _ in fields] == ["payload"] else None


def is_compressed(body: bytes) -> bool:
    """Whether the body begins as gzip, zlib, Zstandard or compress does."""
    return body.startswith(_COMPRESSED)


def _text_of(body: bytes) -> str:
    try:
        return body.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8 at byte {error.start}."
    if body.startswith(_UTF16_MARKS):
        message = "The body is UTF-16. Have the sender write UTF-8."
    elif is_compressed(body):
        message = "The body is compressed, and no header says so. Have the sender send it plain."
    raise HeldDelivery(HeldReason.INVALID_ENCODING, message)


def _what_it_is(document: object) -> str:
    """What the body is instead of an object."""
    if document == []:
        return "The body is an empty array."
    if isinstance(document, list):
        return "The body is an array in which something is no object."
    if isinstance(document, str) and document.lstrip()[:1] in ("{", "["):
        return "The body is JSON within a JSON string: the sender encodes it twice."
    return "The body is JSON, but neither an object nor an array of objects."


def _written(text: str) -> Iterator[str]:
    """The objects of an array, as they are written. Nothing but blanks and commas is between."""
    decoder = _decoder([])
    start = text.find("{")
    while start >= 0:
        _, end = decoder.raw_decode(text, start)
        yield text[start:end]
        start = text.find("{", end)


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
        if _FORM.match(text) or _MULTIPART.match(text):
            message = "The body is form-encoded. Have the provider send the content type JSON."
            raise HeldDelivery(HeldReason.FORM_ENCODED, message) from None
        # The decoder's own message names the position, and never quotes the text.
        message = f"The body is not JSON: {error.msg} at character {error.pos}."
        if text.lstrip().startswith("<"):
            message = "The body is XML or HTML. Have the provider send JSON."
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
