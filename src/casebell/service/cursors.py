"""The cursor of a listing: where the next page begins, as a text to be handed back as it is."""

import re

from casebell.errors import BadArgument
from casebell.store.walk import Place

#: One or two numbers, as `Place` has them. 18 digits fit a database's number.
_CURSOR = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?", re.ASCII)

WRONG_CURSOR = BadArgument("`cursor` is none that this listing gave.")


def cursor_of(place: Place) -> str:
    """The text of a position."""
    return "-".join(map(str, place))


def place_of(cursor: str) -> Place:
    """The position of a cursor.

    Raises:
        BadArgument: it is none.
    """
    if not _CURSOR.fullmatch(cursor):
        raise WRONG_CURSOR
    return tuple(map(int, cursor.split("-")))
