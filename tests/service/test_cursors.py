"""The cursor of a listing, as a text that is handed back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.errors import BadArgument
from casebell.service.cursors import cursor_of, place_of
from casebell.service.reading import Reading
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.case_events import case_event
from contracts.clock_and_log import ManualClock
from contracts.stores import store_undecided
from service.harness import settings_of

#: What fits a column of the database; a time before 1970 is none of ours.
NUMBERS = st.integers(0, 10**18 - 1)


@given(st.one_of(st.tuples(NUMBERS), st.tuples(NUMBERS, NUMBERS)))
def test_a_position_comes_back(place: tuple[int, ...]) -> None:
    """A cursor is the position it was made of, and needs no escape in a URL."""
    cursor = cursor_of(place)
    assert place_of(cursor) == place
    assert cursor.replace("-", "").isalnum()


@given(st.text())
def test_any_other_text_is_an_error_of_who_asks(text: str) -> None:
    """It is a cursor to the letter, or told as none."""
    try:
        place = place_of(text)
    except BadArgument:
        return
    assert all(0 <= number < 10**18 for number in place)


@pytest.mark.parametrize(
    "text", ["", "-", "1-", "-1", "1-2-3", "+1", " 1", "1\n", "٢", "1" * 19, "1e3", "0x1"]
)
def test_what_is_no_cursor(text: str) -> None:
    """Numbers alone, as many as an order has, and no larger than a database has them."""
    with pytest.raises(BadArgument):
        place_of(text)


async def test_a_cursor_of_another_order(store: Store) -> None:
    """A listing by time takes none of a listing by arrival, and the other way round."""
    await store_undecided(store, case_event("evt_1"))
    settings = settings_of("parley")
    models = Reading(store=store, settings=lambda: settings, clock=ManualClock())
    for verb in (models.list_events, models.list_alerts):
        with pytest.raises(BadArgument, match="none that this listing gave"):
            await verb(actor=ADMIN, limit=5, cursor="1-2")
        with pytest.raises(BadArgument, match="none that this listing gave"):
            await verb(actor=ADMIN, limit=5, cursor="1", since="24h")
    with pytest.raises(BadArgument, match="none that this listing gave"):
        await models.list_held(actor=ADMIN, limit=5, cursor="1-2")
    with pytest.raises(BadArgument, match="none that this listing gave"):
        await models.list_refused(actor=ADMIN, limit=5, cursor="x")
