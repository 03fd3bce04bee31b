"""Names of tokens and accounts, as they are given and as they are compared."""

import unicodedata

from casebell.email_address import is_email_address
from casebell.errors import BadArgument

#: Characters of a name, and of a person's id.
MAX_NAME = 64
#: Characters of one that is not composed: of each at most four. To compose more could take seconds,
#: since marks are sorted by a way that takes the square of their number.
_MAX_TYPED = 4 * MAX_NAME


def identifier(text: str, *, noun: str = "name") -> str:
    """A name that can be given: each of its characters can be seen.

    Raises:
        BadArgument: it is empty or too long, or has a space or what cannot be seen.
    """
    name = unicodedata.normalize("NFC", text) if len(text) <= _MAX_TYPED else ""
    # A space is printable, and cannot be seen at the ends.
    if not (0 < len(name) <= MAX_NAME and name.isprintable() and not any(map(str.isspace, name))):
        raise BadArgument(
            f"A {noun} has at most {MAX_NAME} characters, and neither spaces nor what cannot be "
            "seen."
        )
    return name


def email_address(text: str) -> str:
    """An e-mail address, as far as that can be told.

    Raises:
        BadArgument: it is none.
    """
    if not is_email_address(text):
        raise BadArgument("This is no e-mail address.")
    return text


def fold(name: str) -> str:
    """What names have in common that are the same to people, such as `Ana` and `ana`."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
