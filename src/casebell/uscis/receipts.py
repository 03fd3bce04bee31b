"""Receipt numbers in one spelling, and which of them are official test cases.

Which spellings count: docs/decisions/upstream.md, R.
"""

import re
import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase

#: A canonical receipt has 13 characters; this leaves room for a separator or two around each.
MAX_RAW = 64

#: What the official staging service issues.
_STAGING = ("EAC9999", "LIN9999", "SRC99991")

_CANONICAL = re.compile(r"[A-Z]{3}[0-9]{10}", re.ASCII)

#: NFKC turns superscripts, circled letters, the Kelvin sign and ligatures into plain letters and
#: digits too; only the full-width forms are the same number typed on another keyboard.
_TYPED = re.compile(r"[A-Za-z0-9\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]*")

#: Dashes and asterisks that the dash category (Pd) does not hold: soft hyphen, hyphen bullet, minus
#: signs; the plain, low, operator, small and full-width asterisk.
_MARKS = frozenset("\u00ad\u02d7\u2043\u207b\u208b\u2212\u2796*\u204e\u2217\ufe61\uff0a")

#: str.isspace() also counts these control characters, which Unicode does not call white space.
_CONTROLS = frozenset("\x1c\x1d\x1e\x1f")


class ReceiptError(ValueError):
    """Not a receipt number. Never quotes the input: it may be an A-number or a name."""


def canonical(raw: str) -> str:
    """The receipt as three ASCII letters and ten digits.

    Case, full-width letters, white space, dashes of any kind and asterisks do not matter. Letter O
    and digit 0 are never swapped. Other characters (zero-width and control characters, letters and
    digits of other scripts) are refused, not dropped.

    Raises:
        ReceiptError: `raw` is not a receipt number.
    """
    if _CANONICAL.fullmatch(raw):
        # Nearly all receipts; the general way takes ten times as long.
        return raw
    if len(raw) > MAX_RAW:
        msg = "too long for a receipt number"
        raise ReceiptError(msg)
    typed = "".join(char for char in raw if not _separates(char))
    if _TYPED.fullmatch(typed):
        receipt = unicodedata.normalize("NFKC", typed).upper()
        if _CANONICAL.fullmatch(receipt):
            return receipt
    msg = "not three letters and ten digits"
    raise ReceiptError(msg)


def number_of(receipt: str) -> int:
    """A canonical receipt as a number of at most 15 digits; the order is that of the texts."""
    letters = 0
    for letter in receipt[:3]:
        letters = letters * 26 + ord(letter) - ord("A")
    return letters * 10**10 + int(receipt[3:])


def of_number(number: int) -> str:
    """The receipt of such a number.

    Raises:
        ValueError: it is of none.
    """
    letters, digits = divmod(number, 10**10)
    if not 0 <= letters < 26**3:
        raise ValueError
    first, second, third = letters // 676, letters // 26 % 26, letters % 26
    return "".join(chr(ord("A") + one) for one in (first, second, third)) + f"{digits:010d}"


def mask(receipt: str) -> str:
    """A receipt for messages and pages: `IOE…5678`. What is not canonical is masked entirely.

    No asterisks: chat services make bold text of them, or show them behind backslashes.
    """
    if not _CANONICAL.fullmatch(receipt):
        return "…"
    return f"{receipt[:3]}…{receipt[-4:]}"


def mask_in_log(receipt: str) -> str:
    """A receipt as the log has it, which is visible ASCII: `IOE******5678`."""
    return mask(receipt).replace("…", "******")


def is_staging(receipt: str) -> bool:
    """Whether a canonical receipt belongs to the official staging service."""
    return receipt.startswith(_STAGING)


def is_test(receipt: str, globs: Sequence[str]) -> bool:
    """Whether a canonical receipt is a test's: of the staging service, or of one of these globs."""
    return is_staging(receipt) or any(fnmatchcase(receipt, glob) for glob in globs)


def maybe_test(globs: Sequence[str]) -> list[str]:
    """LIKE patterns that find every receipt of a test, and may find others."""
    plain = [re.sub(r"\[[^]]*\]", "_", glob).replace("*", "%").replace("?", "_") for glob in globs]
    return [*(f"{start}%" for start in _STAGING), *plain]


def _separates(char: str) -> bool:
    """White space, a dash of any kind or an asterisk."""
    if char.isspace():
        return char not in _CONTROLS
    return char in _MARKS or unicodedata.category(char) == "Pd"
