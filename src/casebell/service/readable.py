"""Random bytes as people read and type them: `7k2m-q9xd-03vn-x5te`."""

import base64
import re
import unicodedata

#: Crockford's base32, in which no two characters look alike: without I, L, O and U.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: Characters between two dashes.
GROUP = 4

_WRITTEN = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ALPHABET)
_MISREAD = str.maketrans("ilo", "110")
#: Characters that are looked at of what was typed.
_MAX_TYPED = 64
_BETWEEN = re.compile(r"[\s\u2010-\u2015-]+")


def written(random: bytes) -> str:
    """Bytes in characters of five bits; a multiple of five bytes has no spare ones."""
    return _in_groups(base64.b32encode(random).decode().translate(_WRITTEN))


def read(typed: str, *, size: int) -> str | None:
    """What was typed, as `written` has that many bytes; None if it is not that.

    Capitals, spaces and dashes make no difference, nor I or L for 1 and O for 0.
    """
    text = joined(typed).translate(_MISREAD)
    right = len(text) == size * 8 // 5 and all(one in ALPHABET for one in text)
    return _in_groups(text) if right else None


def joined(typed: str) -> str:
    """What was typed in small letters, without what stands between groups; "" if it is too long."""
    text = unicodedata.normalize("NFKC", typed) if len(typed) <= _MAX_TYPED else ""
    return _BETWEEN.sub("", text).lower()


def _in_groups(text: str) -> str:
    return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))
