"""Sentences in pieces: what is filled in stays apart from our own words."""

from casebell.service.sentences import EventNumber, Filled, Moment, says

STAMP = "2025-10-14T19:22:03.000000Z"


def test_what_is_filled_in_is_a_piece_of_its_own() -> None:
    """Whatever it says, it is taken neither for our words nor for another place to fill."""
    found = says("Rule “{name}”: {why}.", name="{why} %s", why=7)
    assert found.pieces == ("Rule “", Filled(text="{why} %s"), "”: ", Filled(text="7"), ".")
    assert found.text(str) == "Rule “{why} %s”: 7."


def test_a_sentence_within_another() -> None:
    """Its pieces stay what they are; what is empty is no piece."""
    inner = says("; dismissed {at}", at=Moment(stamp=STAMP))
    found = says("Event {id}{closed}{nothing}.", id=EventNumber(number=3), closed=inner, nothing="")
    assert found.pieces == (
        "Event ",
        EventNumber(number=3),
        "; dismissed ",
        Moment(stamp=STAMP),
        ".",
    )


def test_each_reader_writes_times_its_own_way() -> None:
    """The reader's function is given the stamp."""
    found = says("{at}: sent.", at=Moment(stamp=STAMP))
    assert found.text(lambda stamp: stamp[:10]) == "2025-10-14: sent."
