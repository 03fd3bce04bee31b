"""Text from outside as it may be shown: without the characters that show nothing themselves."""

import re
import unicodedata

#: Unicode categories of invisible characters, which can change how others are read: control,
#: format (right-to-left overrides, zero-width, tags), lone surrogates.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")


def visible(text: str) -> str:
    r"""The text without control, format or surrogate characters; the rest verbatim.

    Every kind of line end becomes `\n`, a tab a blank. HTML's `<bdi>` alone would not keep marks of
    direction in: a stray U+2069 ends it.
    """
    if text.isprintable():
        return text
    lines = _LINE_ENDS.sub("\n", text).replace("\t", " ")
    return "".join(c for c in lines if c == "\n" or unicodedata.category(c) not in _INVISIBLE)
