"""Writes JSON as `JSON.stringify(JSON.parse(text))` does (ECMA-262).

Some senders sign this text instead of the bytes they send. It differs from Python's compact form:
numbers are doubles in JavaScript's spelling, keys that are array indices come first in rising
order, lone surrogates are escaped. A repeated key keeps its first position and its last value.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn

from casebell.json_text import encode

_ARRAY_INDEX = re.compile("0|[1-9][0-9]{0,9}")
_MAX_ARRAY_INDEX = 2**32 - 2
#: Below this every whole double is written without an exponent and without rounding.
_EXACT = 2.0**53


def compact_json(body: bytes) -> bytes:
    """The body, written again.

    Raises:
        ValueError: JavaScript would not parse the body, or only after replacing bytes: not UTF-8, a
            byte order mark, NaN, nesting too deep to follow.
    """
    try:
        value = json.loads(
            body.decode("utf-8"), parse_int=float, parse_constant=_refuse, parse_float=float
        )
        parts: list[str] = []
        _write(value, parts.append)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return "".join(parts).encode("utf-8")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _write(value: object, put: Callable[[str], None]) -> None:
    match value:
        case None:
            put("null")
        case bool():
            put("true" if value else "false")
        case float():
            put(_number(value))
        case str():
            put(encode(value))
        case list():
            put("[")
            for position, item in enumerate(value):
                if position:
                    put(",")
                _write(item, put)
            put("]")
        case dict():
            put("{")
            for position, key in enumerate(_ordered(value)):
                if position:
                    put(",")
                put(encode(key))
                put(":")
                _write(value[key], put)
            put("}")


def _ordered(mapping: dict[str, object]) -> list[str]:
    """OrdinaryOwnPropertyKeys: array indices by value, then the rest as they came."""
    indices = [k for k in mapping if _ARRAY_INDEX.fullmatch(k) and int(k) <= _MAX_ARRAY_INDEX]
    if not indices:
        return list(mapping)
    indices.sort(key=int)
    first = set(indices)
    return indices + [key for key in mapping if key not in first]


def _number(value: float) -> str:
    """Number::toString. Python's repr gives the same shortest digits, placed differently."""
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value))  # Also -0, which JavaScript writes as 0.
    shortest = Decimal(repr(value))
    if not shortest.is_finite():
        return "null"
    sign, places, exponent = shortest.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101  # finite, as tested above
    digits = "".join(map(str, places)).rstrip("0")
    point = len(places) + exponent  # Where the decimal point stands, counted from the first digit.
    minus = "-" if sign else ""
    if len(digits) <= point <= 21:
        return f"{minus}{digits.ljust(point, '0')}"
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{minus}{digits[0]}{fraction}e{point - 1:+d}"
