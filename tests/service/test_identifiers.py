"""Names as they are given."""

import time
import unicodedata

import pytest

from casebell.errors import BadArgument
from casebell.service.identifiers import MAX_NAME, identifier


@pytest.mark.parametrize("letter", ["a", "\N{LATIN SMALL LETTER U WITH DIAERESIS AND CARON}", "각"])
def test_the_longest(letter: str) -> None:
    """However a keyboard composes its characters."""
    name = letter * MAX_NAME
    assert identifier(unicodedata.normalize("NFD", name)) == name
    with pytest.raises(BadArgument):
        identifier(name + letter)


def test_a_stranger_s_costs_nothing() -> None:
    """To sort marks takes the square of their number, and anybody can send a name."""
    many = "a" + "\u0301" * 20_000 + "\u0323" * 20_000
    before = time.process_time()
    with pytest.raises(BadArgument):
        identifier(many)
    assert time.process_time() - before < 0.1
