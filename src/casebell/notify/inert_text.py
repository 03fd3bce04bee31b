"""Text from outside as a message may hold it: inert, capped and quoted. Pure functions.

Lines and spaces stay; invisible characters and those that reorder others are dropped; sequences on
which some chat service acts even in plain text are broken by a blank. Each channel escapes the text
for its own service besides.
"""

import re
import unicodedata

from casebell.uscis.receipts import mask
from casebell.uscis.sentences import decoded
from casebell.visible import visible

#: A tag of HTML; a lone "<" is text.
_TAG = re.compile(r"<[/!A-Za-z][^<>]{0,400}>")

_LETTER = "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_DIGIT = "[0-9\uff10-\uff19]"
#: Separators between the parts of a receipt: blanks, dashes of any kind, asterisks.
_BETWEEN = r"[\s*_\-\u02d7\u2010-\u2015\u2043\u207b\u208b\u2212\ufe58\ufe63\uff0a\uff0d]{0,8}"
#: A receipt number in any spelling: without separators anywhere, or with separators if no word
#: touches it. A short word before a telephone number is not a receipt.
_RECEIPT = re.compile(
    rf"{_LETTER}{{3}}{_DIGIT}{{10}}"
    rf"|(?<![^\W_])(?!(?i:and|fax|for|our|tdd|tel|the|tty|via)\b){_LETTER}{{3}}"
    rf"(?:{_BETWEEN}{_DIGIT}){{10}}(?!{_DIGIT})"
)

#: The end of a text that was cut.
TRUNCATION_MARK = " […]"

_BLANKS = re.compile(r"\s+")
#: Broken by a blank: `@everyone` but not `jane@firm`; `<!channel>`, `<url|words>`, `<at>`,
#: `<script>`; `[words](url)`.
_ACTIVE = re.compile(r"(?<!\w)@(?=\w)|<(?=\S)|\](?=\()")


def inert(text: str, *, limit: int) -> str:
    r"""The text without control, format or surrogate characters, in at most `limit` characters.

    Every kind of line end becomes `\n`, a tab a blank. Mentions, tags and named links are broken.
    A cut text ends in `TRUNCATION_MARK`.
    """
    # Cut before the work as well as after it, so that the work is bounded.
    start = text[: 2 * limit]
    still = _ACTIVE.sub(r"\g<0> ", visible(start))
    if len(still) <= limit and len(start) == len(text):
        return still
    return still[: max(limit - len(TRUNCATION_MARK), 0)] + TRUNCATION_MARK


def one_line(text: str, *, limit: int) -> str:
    """As `inert`, and every run of blanks and line ends is a single blank."""
    return _BLANKS.sub(" ", inert(text, limit=limit)).strip()


def quoted(text: str, *, limit: int, whole: bool = False) -> str:
    """Text from outside on one line, inert and capped; receipt numbers masked unless `whole`."""
    # Masked before it is cut: half a receipt would not be recognised.
    seen = one_line(text, limit=2 * len(text) + limit)
    return one_line(seen if whole else _RECEIPT.sub(_masked, seen), limit=limit)


def without_markup(text: str) -> str:
    """The text with entities decoded and tags stripped."""
    return _TAG.sub(" ", decoded(text))


def _masked(found: re.Match[str]) -> str:
    """The receipt as `mask` shows it, whatever its spelling."""
    plain = unicodedata.normalize("NFKC", found[0])
    solid = "".join(char for char in plain if char.isalnum())
    return mask(solid.upper())
