"""A page of a list as a value."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

from casebell.clock import iso_or_none
from casebell.service.cursors import WrongCursor, cursor_of, place_of
from casebell.store.engine import Connection
from casebell.store.walk import Filter, Page, Place

#: Rows of one answer of a server.
MAX_PAGE = 500
#: Rows that are made into values before deliveries have a turn: about a millisecond.
ROWS_A_TURN = 25

Row = TypeVar("Row")


class Listing(TypedDict):
    """A page of a list, newest first."""

    items: list[Mapping[str, Any]]
    #: The cursor of the next page; None behind the last row. A page may be shorter than asked for.
    next: str | None
    #: Where older rows were not looked at, since too many of the newer ones do not match.
    looked_back_to: str | None


async def page_for(
    connection: Connection, where: Filter, *, limit: int, cursor: str | None, paged: bool
) -> Page:
    """A page of what a filter selects.

    Args:
        cursor: `next` of the page before.
        paged: whether it has at most `MAX_PAGE` rows.

    Raises:
        BadArgument: the cursor is none of this listing.
    """
    after = None if cursor is None else place_of(cursor)
    most = min(limit, MAX_PAGE) if paged else limit
    return await page_from(connection, where, limit=limit, most=most, after=after)


async def page_from(
    connection: Connection,
    where: Filter,
    *,
    limit: int,
    most: int | None = None,
    after: Place | None,
) -> Page:
    """A page behind a place; see `Filter.page`.

    Raises:
        BadArgument: the place is none of this listing.
    """
    try:
        return await where.page(connection, limit=limit, most=most, after=after)
    except ValueError:
        raise WrongCursor from None


async def listing_of(page: Page, shape: Callable[[Any], Mapping[str, Any]]) -> Listing:
    """The page as a value; `shape` makes that of a row."""
    return {
        "items": [shape(row) async for row in _gently(page.rows)],
        "next": None if page.next is None else cursor_of(page.next),
        "looked_back_to": iso_or_none(page.looked_back_to),
    }


async def _gently(rows: Sequence[Row]) -> AsyncIterator[Row]:
    """Rows one by one, with turns for deliveries in between."""
    for number, row in enumerate(rows):
        if number % ROWS_A_TURN == ROWS_A_TURN - 1:
            await asyncio.sleep(0)
        yield row
