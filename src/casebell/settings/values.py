"""The types of values, with their checks.

Messages never quote a value: it may be a secret in the wrong place.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from casebell.events import Flag, Status, Tag

Network: TypeAlias = IPv4Network | IPv6Network
Marks = TypeVar("Marks", bound=StrEnum)

#: The type of our own errors; their context holds only our own words.
COMPLAINT = "casebell"

#: Most words that a hint lists.
MAX_LISTED = 24


#: Milliseconds of each unit, in the order in which a duration must name them.
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}

#: Bytes of each unit.
SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

#: Ten years: longer than any useful duration, and far below 64 bits of microseconds.
MAX_DURATION_MS = 10 * 366 * UNITS["d"]

_DURATION = re.compile("".join(rf"(?:([0-9]{{1,18}}){unit})?" for unit in UNITS))
_SIZE = re.compile(r"([0-9]{1,18}) ?(B|KiB|MiB|GiB)?")


def parse_duration(text: str) -> float:
    """Seconds in a text like "500ms", "90s", "5m", "24h", "7d" or "1h30m".

    Whole numbers only, units from the longest to the shortest, each at most once. A number without
    a unit is refused.

    Raises:
        ValueError: the text is not a duration, or longer than ten years. Never quotes the text.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError("This is not a duration.")
    counts = zip(match.groups(), UNITS.values(), strict=True)
    milliseconds = sum(int(count) * unit for count, unit in counts if count is not None)
    if milliseconds > MAX_DURATION_MS:
        raise ValueError("This is longer than ten years.")
    return milliseconds / 1000


def complaint(message: str, hint: str = "") -> PydanticCustomError:
    """An error about one value, in our own words."""
    return PydanticCustomError(COMPLAINT, "{message}", {"message": message, "hint": hint})


def nearest(given: object, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to the given one, or lists the known words."""
    words = {word.lower(): word for word in known}
    close = difflib.get_close_matches(str(given).lower(), words, n=1, cutoff=0.5)
    if close:
        return f"Did you mean `{words[close[0]]}`?"
    return f"Known: {', '.join(words.values())}." if 0 < len(words) <= MAX_LISTED else ""


class Part(BaseModel):
    """One table of the configuration: frozen, without unknown keys; its repr shows no text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    #: Fields that Casebell fills in; they are not keys of the file.
    filled_in: ClassVar[frozenset[str]] = frozenset()

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show only numbers and nested tables: a text may be a secret or name a client."""
        for name, value in super().__repr_args__():
            parts = value.values() if isinstance(value, dict) else value
            shown = value is None or isinstance(value, int | float | Part)
            if isinstance(value, tuple | dict):
                shown = all(isinstance(part, Part) for part in parts)
            yield name, value if shown else "…"


def _as_list(value: object) -> object:
    """Make a list of a single value; leave a list as it is."""
    return value if isinstance(value, list | tuple | set | frozenset) else [value]


def _duration(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError as error:
            message = str(error)
    elif info.context is None and isinstance(value, int | float):
        return value  # Code gives seconds; a file must name the unit.
    else:
        message = "A duration is text with a unit."
    raise complaint(message, 'Write it like "500ms", "90s", "5m", "1h30m", "24h" or "7d".')


def _size(value: object) -> object:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(match[1]) * SIZES[match[2] or "B"]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise complaint("This is not a size.", 'Write bytes, or text like "256KiB" or "1MiB".')


def _network(value: object) -> Network:
    if isinstance(value, str | IPv4Network | IPv6Network):
        with suppress(ValueError):
            return ip_network(value)
    raise complaint(
        "This is neither an address nor a network.",
        'Write "203.0.113.7", "203.0.113.0/24" (nothing set after the prefix) or "fd00::/8".',
    )


def _matching(pattern: str, message: str, hint: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise complaint(message, hint)
        return value

    return AfterValidator(check)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise complaint("This is empty.")
    return value


def _mark(marks: type[Marks], noun: str) -> Callable[[object], Marks]:
    known = {mark.value: mark for mark in marks}

    def check(value: object) -> Marks:
        if isinstance(value, str) and value in known:
            return known[value]
        raise complaint(f"There is no such {noun}.", nearest(value, known))

    return check


def _existing_file(value: Path, info: ValidationInfo) -> Path:
    path = base_dir(info) / value
    try:
        there = path.is_file()
    except OSError:  # No right to enter a directory on the path, or a name that is too long.
        there = False
    if not there:
        raise complaint("There is no such file.", "Relative paths start at the configuration.")
    if not os.access(path, os.R_OK):
        raise complaint("This file cannot be read.", "Check its owner and mode.")
    return path


def base_dir(info: ValidationInfo) -> Path:
    """The directory to which paths are relative; empty if code makes the model."""
    return Path((info.context or {}).get("base_dir", ""))


as_list = BeforeValidator(_as_list)


class NeedsRestart:
    """Marks a key whose new value takes effect at a restart, such as an address or a database.

    Other keys take effect with `casebell reload`.
    """


Duration = Annotated[float, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_size)]
Networks = Annotated[tuple[Annotated[Network, PlainValidator(_network)], ...], as_list]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]

Text = Annotated[str, AfterValidator(_not_blank)]
Texts = Annotated[tuple[Text, ...], as_list]
Name = Annotated[
    str,
    _matching(
        "[a-z0-9][a-z0-9_-]{0,62}",
        "This name cannot be used.",
        "Lower-case letters, digits, `-` and `_`, at most 63, a letter or digit first.",
    ),
]
Label = Annotated[
    str,
    _matching(
        "[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}",
        "This label cannot be used.",
        "Letters, digits, spaces, `.`, `-` and `_`, at most 63, a letter or digit first.",
    ),
]
HeaderName = Annotated[
    str,
    _matching(
        # A field name of RFC 9110, section 5.1.
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}",
        "This is no name of an HTTP header.",
        'Only the name, without colon or value: "X-Torch-Secret".',
    ),
]
FieldPath = Annotated[
    str,
    _matching(
        r"[^.]+(?:\.[^.]+)*",
        "This is no path of a field.",
        'Names joined by dots: "data.receipt".',
    ),
]
FieldPaths = Annotated[tuple[FieldPath, ...], as_list]
ReceiptGlob = Annotated[
    str,
    # Receipts are kept in upper case.
    AfterValidator(str.upper),
    _matching(
        r"(?:[A-Z0-9*?]|\[!?[A-Z0-9-]+\])+",
        "This is no pattern for a receipt number.",
        'Letters, digits, `*`, `?` and `[…]`, without spaces or dashes: "IOE09*".',
    ),
]
ReceiptGlobs = Annotated[tuple[ReceiptGlob, ...], as_list]

KnownStatus = Annotated[Status, PlainValidator(_mark(Status, "status"))]
KnownTag = Annotated[Tag, PlainValidator(_mark(Tag, "tag"))]
KnownFlag = Annotated[Flag, PlainValidator(_mark(Flag, "flag"))]
