"""The cursor of a listing: where the next page begins, as a text to be handed back as it is."""

import re
from collections.abc import Sequence

from casebell.errors import BadArgument
from casebell.store.walk import Place

#: One or two numbers, as `Place` has them. 18 digits fit a database's number.
_CURSOR = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?", re.ASCII)


class WrongCursor(BadArgument):
    """The cursor is none that this listing gave."""

    def __init__(self) -> None:
        """`cursor` is the name of the value."""
        super().__init__(argument="cursor")


def cursor_of(place: Place) -> str:
    """The text of a position."""
    return "-".join(map(str, place))


def place_of(cursor: str) -> Place:
    """The position of a cursor.

    Raises:
        WrongCursor: it is none.
    """
    if not _CURSOR.fullmatch(cursor):
        raise WrongCursor
    return tuple(map(int, cursor.split("-")))


def cursor_of_several(places: Sequence[Place]) -> str:
    """The text of a position in each of several lists that are shown as one."""
    return "_".join(map(cursor_of, places))


def places_of(cursor: str, lists: int) -> Sequence[Place]:
    """The positions of such a cursor.

    Raises:
        WrongCursor: it is none of so many lists.
    """
    parts = cursor.split("_", lists)
    if len(parts) != lists:
        raise WrongCursor
    return [place_of(part) for part in parts]
