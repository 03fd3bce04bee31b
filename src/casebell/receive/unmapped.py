"""Describes a body in which the field map finds no receipt or no status, and suggests a map.

Only names of fields are shown. A value may be a client's data, and so may a name that is not a
plain word or holds a long number: such names are only counted. A key that is a person's name cannot
be recognised; no provider documents such keys.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from casebell.events import Status
from casebell.kinds import meaning_of, word_key
from casebell.settings import FieldMap, SourceSettings
from casebell.uscis.classify import classify_text
from casebell.uscis.receipts import ReceiptError, canonical

#: Fields that are examined, and levels of the body; real bodies have a dozen fields at two levels.
MAX_FIELDS: Final = 200
MAX_DEPTH: Final = 4
#: Names that are shown.
MAX_NAMES_SHOWN: Final = 12
#: Characters of a value that are examined.
MAX_VALUE_CHARACTERS: Final = 2_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}", re.ASCII)
#: A name may hold a few digits: `line_2`, `iso8601`.
_DIGIT = re.compile("[0-9]")
MAX_DIGITS: Final = 4
_TEXT_NAMES = re.compile("text|message|desc|title|detail|notice", re.IGNORECASE)
_CATEGORY_NAMES = re.compile("categor", re.IGNORECASE)
_STATUSES: Final = frozenset(map(word_key, Status))
_STATUS_NAMES = re.compile("status|state", re.IGNORECASE)


def missing_status(document: Mapping[str, object], source: SourceSettings) -> str:
    """A sentence that names the fields of a body, with the likely `fields` line if there is one.

    Args:
        document: a body in which the source's map finds neither status nor category nor text.
    """
    found, plain = _found(document)
    line = _line(plain, source.fields)
    what = "No status, category or text under a known name."
    return _sentence(what, found, plain, line, source)


def missing_receipt(document: Mapping[str, object], source: SourceSettings) -> str:
    """The same of a body in which the source's map finds no receipt."""
    found, plain = _found(document)
    likely = [path for path, value in plain.items() if _is_receipt(value)]
    line = _written({"receipt": likely[0]}, source.fields) if likely else ""
    return _sentence("No receipt under a known name.", found, plain, line, source)


def _found(document: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    """How many fields there are, and those whose names may be shown."""
    fields = list(fields_of(document))
    return len(fields), {
        ".".join(path): value for path, value in fields if all(map(_is_plain, path))
    }


def _sentence(
    what: str, found: int, plain: Mapping[str, object], line: str, source: SourceSettings
) -> str:
    shown = list(plain)[:MAX_NAMES_SHOWN]
    at_least = "at least " if found == MAX_FIELDS else ""
    more = found - len(shown)
    names = ", ".join([*shown, *([f"{at_least}{more} more"] if more else [])])
    said = f"{what} Fields that came: {names or 'none'}."
    return f"{said} Try under [sources.{source.name}]: {line}" if line else said


def fields_of(document: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Each field that is not an object, with its path, in the order of the body."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), document)]
    given = 0
    while waiting and given < MAX_FIELDS:
        path, value = waiting.pop(0)
        if isinstance(value, Mapping) and value and len(path) < MAX_DEPTH:
            inside = islice(value.items(), MAX_FIELDS)
            waiting[:0] = [((*path, name), one) for name, one in inside]
        elif path:
            given += 1
            yield path, value


def _is_plain(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and len(_DIGIT.findall(name)) <= MAX_DIGITS


def _line(found: Mapping[str, object], fields: FieldMap) -> str:
    """A `fields` line that maps the likely status, category and text; "" without any."""
    known = {*fields.id, *fields.type, *fields.receipt, *fields.occurred_at, *fields.observed_at}
    texts = {
        path: value[:MAX_VALUE_CHARACTERS]
        for path, value in found.items()
        if isinstance(value, str) and value.strip() and path not in known
    }
    likely: dict[str, str] = {}
    # Values that the classifier can read come before names.
    for path in sorted(texts, key=lambda path: not _is_read(texts[path])):
        if role := _role(path, texts[path]):
            likely.setdefault(role, path)
    if not likely:
        unknown = [path for path in texts if _STATUS_NAMES.search(_name(path))]
        likely = {"status": unknown[0]} if unknown else {}
    return _written(likely, fields)


def _written(likely: Mapping[str, str], fields: FieldMap) -> str:
    # The present paths stay: deliveries under way may still use them.
    maps = {
        role: json.dumps(list(dict.fromkeys([path, *getattr(fields, role)])))
        for role, path in sorted(likely.items())
    }
    written = ", ".join(f"{role} = {paths}" for role, paths in maps.items())
    return f"fields = {{ {written} }}" if written else ""


def _role(path: str, value: str) -> str:
    """The likely role of a field in the map, or ""."""
    if word_key(value) in _STATUSES:
        return "status"
    if _CATEGORY_NAMES.search(_name(path)):
        return "category"
    if _TEXT_NAMES.search(_name(path)):
        return "text"
    if meaning_of(value) is not None:
        return "category"
    return "text" if _is_read(value) else ""


def _is_read(value: str) -> bool:
    return word_key(value) in _STATUSES or classify_text(value).known


def _is_receipt(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(canonical(value[:MAX_VALUE_CHARACTERS]))
    except ReceiptError:
        return False


def _name(path: str) -> str:
    return path.rpartition(".")[2]
