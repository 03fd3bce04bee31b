"""The JSON that we write: compact, and never stopped by the text that it holds.

Half a surrogate pair, which a body can spell and UTF-8 cannot carry, is written as its escape, as
JavaScript does. Bodies are read by the standard library's decoder instead (docs/dependencies.md).
"""

import json
import re

import orjson

#: A dataclass is no JSON: its fields may be secrets.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
#: The one control character of ASCII that JSON need not escape.
_DELETE = b"\x7f"
#: What JSON can spell and a database cannot keep: PostgreSQL's text holds no NUL, and UTF-8 no half
#: of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
#: Characters among which some may act on a terminal.
_UNUSUAL = re.compile(r"[^\x20-\x7e]+")


def encode(value: object) -> str:
    """JSON on one line, the keys as they come.

    Raises TypeError for what is no JSON value, ValueError for NaN beside half a pair.
    """
    try:
        return orjson.dumps(value, option=_OPTIONS).decode()
    except TypeError:
        return _with_halves(value)


def printable(value: object) -> str:
    """JSON on one line in which nothing acts on a terminal: such characters are escaped.

    Raises as `encode` does.
    """
    text = encode(value)
    # Only texts inside quotes can hold such characters.
    return text if text.isprintable() else _UNUSUAL.sub(_escaped, text)


def _escaped(unusual: re.Match[str]) -> str:
    text = unusual[0]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii_line(c)[1:-1] for c in text)


def canonical(value: object) -> str:
    """JSON that is the same text for the same value: the form of RFC 8785.

    The values are text, whole numbers, truth, nothing, and lists and objects of them: the journal
    holds no others, so how a fraction is spelled is left open.

    Raises TypeError for what is no JSON value.
    """
    try:
        written = orjson.dumps(value, option=_OPTIONS | orjson.OPT_SORT_KEYS)
    except TypeError:
        return _with_halves(_sorted(value))
    # The orders of UTF-8 and of UTF-16, which the RFC sorts keys by, differ outside of ASCII only.
    return written.decode() if written.isascii() else encode(_sorted(value))


def ascii_line(value: object) -> str:
    """JSON in visible ASCII, for a log: what is no JSON value is told as its repr.

    It fits every encoding, and nothing in it ends a line or acts on a terminal. Raises
    whatever a repr raises.
    """
    try:
        written = orjson.dumps(value, default=repr, option=_OPTIONS)
        if written.isascii() and _DELETE not in written:
            return written.decode()
    except TypeError:
        pass
    return json.dumps(value, default=repr, separators=(",", ":"))


def _with_halves(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()


def _sorted(value: object) -> object:
    match value:
        case dict():
            return {name: _sorted(value[name]) for name in sorted(value, key=_utf16)}
        case list() | tuple():
            return [_sorted(item) for item in value]
        case _:
            return value


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")
