"""Forms and addresses as they are understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.api.parameters import AlertFilters, Alerts, Events, Note, Release
from casebell.console.forms import MAX_FIELDS, fields_of, narrowed, understood
from casebell.errors import BadArgument


def test_fields() -> None:
    """Each with its values in order; the ends of lines as people mean them."""
    assert fields_of("ids=1&ids=2&note=a+b%0D%0Ac%26&empty=") == {
        "ids": ["1", "2"],
        "note": ["a b\nc&"],
        "empty": [""],
    }


@given(st.text())
def test_whatever_is_sent(text: str) -> None:
    """It is fields, or an error that says so."""
    try:
        found = fields_of(text)
    except BadArgument:
        return
    assert all(found.values())


def test_too_many() -> None:
    """More fields than a page has boxes."""
    fields_of("&".join(["ids=1"] * MAX_FIELDS))
    with pytest.raises(BadArgument):
        fields_of("&".join(["ids=1"] * (MAX_FIELDS + 1)))


def test_what_is_left_empty_is_not_given() -> None:
    """A form sends every box; one with spaces alone was left empty, too."""
    empty = fields_of("source=&status=&receipt=+&since=")
    assert understood(Events, empty) == understood(Events, {})


def test_rows_that_were_ticked() -> None:
    """One, or several: numbers either way."""
    assert understood(Release, fields_of("ids=7"))["ids"] == [7]
    assert understood(Release, fields_of("ids=7&ids=8"))["ids"] == [7, 8]


def test_a_box() -> None:
    """Truth is written as in an address."""
    assert understood(Alerts, fields_of("outstanding=true"))["outstanding"] is True


@pytest.mark.parametrize("text", ["note=a&note=b", "other=a", "ids=1"])
def test_what_cannot_be_understood(text: str) -> None:
    """Twice what can be given once, and what nothing asks for."""
    with pytest.raises(BadArgument):
        understood(Note, fields_of(text))


@pytest.mark.parametrize("text", ["ids=0", "ids=-1", "ids=x", "ids=1.5", "ids=%D9%A1"])
def test_no_numbers(text: str) -> None:
    """A row has a number of ASCII digits from 1 on."""
    with pytest.raises(BadArgument):
        understood(Release, fields_of(text))


def test_the_fields_of_the_same_filter() -> None:
    """Those that narrow anything: neither how many rows there are, nor where the page begins."""
    for fields, expected in (
        ({"state": ["failed"], "limit": ["2"], "cursor": ["7"]}, {"state": "failed"}),
        ({"outstanding": ["true"], "receipt": [""]}, {"outstanding": "true"}),
        ({"outstanding": ["false"]}, {}),
    ):
        arguments = understood(Alerts, fields)
        found = narrowed(AlertFilters, arguments)
        assert found == expected
        assert understood(AlertFilters, {name: [text] for name, text in found.items()}).items() <= (
            arguments.items()
        )
