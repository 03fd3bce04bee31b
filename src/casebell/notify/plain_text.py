"""Text made harmless: what is left can only be read.

Each channel escapes for its own service as well. Done here is what holds for all of them: control
and invisible characters go, and the few sequences that some chat service acts on even in plain text
are broken by a blank.
"""

import re
import unicodedata

#: Ends a text that was cut.
CUT = " […]"

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_BLANKS = re.compile(r"\s+")
#: Unicode categories of characters that show nothing and change how others are read: control,
#: format (right-to-left overrides, zero-width, tags), lone surrogates.
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
#: Where a blank goes: `@everyone` but not `jane@firm`; `<!channel>`, `<url|words>`, `<at>`,
#: `<script>`; `[words](url)`.
_LIVE = re.compile(r"(?<!\w)@(?=\w)|<(?=\S)|\](?=\()")


def inert(text: str, *, limit: int) -> str:
    r"""The text without control, format or surrogate characters, in at most `limit` characters.

    Every kind of line end becomes `\n`, a tab a blank. Mentions, tags and named links are broken.
    A text that was cut ends in `CUT`.
    """
    # Cut before the work as well as after it, so that the work is bounded whatever comes in.
    start = text[: 2 * limit]
    lines = _LINE_ENDS.sub("\n", start).replace("\t", " ")
    seen = "".join(c for c in lines if c == "\n" or unicodedata.category(c) not in _UNSEEN)
    still = _LIVE.sub(r"\g<0> ", seen)
    if len(still) <= limit and len(start) == len(text):
        return still
    return still[: max(limit - len(CUT), 0)] + CUT


def one_line(text: str, *, limit: int) -> str:
    """As `inert`, and every run of blanks and line ends is a single blank."""
    return _BLANKS.sub(" ", inert(text, limit=limit)).strip()
