"""Rows become the values that they were made of."""

from types import SimpleNamespace

import pytest

from casebell.events import Flag, Status, Tag
from casebell.store.rows import (
    classified_from_row,
    decode_list,
    decode_set,
    delivery_from_row,
    encode_set,
    event_from_row,
    event_row,
    known_state,
)
from contracts.case_events import case_event


def test_an_event_comes_back() -> None:
    """Every field of it, those that are not there included."""
    for event in (
        case_event(flags=frozenset({Flag.CONFLICT}), idempotency_key="key-1"),
        case_event(occurred_at=None, occurred_raw=None, time_basis=None, delivered_status=None),
    ):
        assert event_from_row(event_row(event, id=1)) == event


def test_a_new_row_has_no_decision() -> None:
    """It cannot be taken for an event with a status."""
    row = event_row(case_event(), id=1)
    assert (row.status, row.routed_at, row.change_id) == ("", None, None)
    with pytest.raises(ValueError, match="Status"):
        classified_from_row(row)


def test_sets_of_words() -> None:
    """One spelling for each set; each word stands between blanks, so that SQL finds it whole."""
    assert encode_set(frozenset({Tag.DEADLINE, Tag.ADVERSE})) == " adverse deadline "
    assert encode_set(frozenset()) == ""
    for tags in (frozenset(Tag), frozenset({Tag.CARD}), frozenset()):
        assert decode_set(Tag, encode_set(tags)) == tags
    for kind in (Tag, Flag):
        for word in kind:
            assert decode_set(kind, encode_set(frozenset({word}))) == {word}
            assert all(isinstance(one, kind) for one in decode_set(kind, f" {word} "))
    with pytest.raises(ValueError, match="lunar"):
        decode_set(Tag, " deadline lunar ")


def test_what_is_known_of_a_later_releases_words() -> None:
    """The rest is passed over."""
    row = SimpleNamespace(
        status="reopened",
        tags=" lunar deadline ",
        flags=" late lunar ",
        text="Lunar",
    )
    known = known_state(row)
    assert (known.status, known.text) == (Status.OTHER, "Lunar")
    assert known.tags == {Tag.DEADLINE}
    assert known.flags == {Flag.LATE}
    row = SimpleNamespace(status="denied", tags="", flags="", text="")
    known = known_state(row)
    assert known.status is Status.DENIED
    assert not known.tags | known.flags


@pytest.mark.parametrize("stored", ["", "null", "{}", '"one"', "[", None])
def test_no_list(stored: object) -> None:
    """An alert goes out without the names of its rules rather than not at all."""
    assert decode_list(stored) == ()


def test_a_list() -> None:
    """Of words, whatever they look like."""
    assert decode_list('["a", 1]') == ("a", "1")


def test_a_delivery_that_was_kept() -> None:
    """Of its headers the one that is kept."""
    row = SimpleNamespace(
        source="parley", body=memoryview(b"{}"), address="::1", request_id="r", idempotency_key="k"
    )
    delivery = delivery_from_row(row, received_at=5)
    assert (delivery.body, delivery.received_at) == (b"{}", 5)
    assert delivery.headers == ((b"idempotency-key", b"k"),)
    row.idempotency_key = None
    assert delivery_from_row(row, received_at=5).headers == ()
