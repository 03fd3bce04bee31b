"""HTML entities in official texts, which relays like to encode once more than they should."""

import html
import re

#: `html.unescape` cannot read a numeric entity of thousands of digits; none has more than seven.
_ENDLESS = re.compile(r"&#[0-9]{8,}")


def decoded(text: str) -> str:
    """The text with its entities decoded, twice: "&amp;#039;" is an apostrophe. Never raises."""
    for _ in range(2):
        if "&" not in text:
            break
        # Before each decoding: the first can set such an entity free ("&amp;#000…").
        text = html.unescape(_ENDLESS.sub(" ", text))
    return text
