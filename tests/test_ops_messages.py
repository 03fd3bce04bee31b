"""What is told to operations: as values, as they are stored, and as they are read back."""

import json
from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.ops_messages import (
    TOPICS,
    ContradictoryStatus,
    EventUndecided,
    OfCase,
    OpsMessage,
    from_json,
    to_json,
)


def leaves(kind: type[OpsMessage]) -> Iterator[type[OpsMessage]]:
    """The types that are no further type's base."""
    for topic in kind.__subclasses__():
        if topic.__subclasses__():
            yield from leaves(topic)
        else:
            yield topic


def one_of(topic: type[OpsMessage]) -> st.SearchStrategy[OpsMessage]:
    """Any message of this topic."""
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(st.characters()),
        int: st.integers(-(2**63), 2**63 - 1),
        bool: st.booleans(),
    }
    hints = get_type_hints(topic)
    return st.builds(topic, **{name: kinds[hints[name]] for name in topic.__struct_fields__})


@given(message=st.one_of(*map(one_of, TOPICS)))
def test_what_is_stored_is_read_back(message: OpsMessage) -> None:
    """Any message comes back as it was, whatever its texts hold."""
    stored = to_json(message)
    # A database takes UTF-8 without NUL.
    assert b"\0" not in stored.encode()
    assert from_json(stored) == message


@pytest.mark.parametrize("topic", OfCase.__subclasses__())
def test_what_is_not_said_of_a_confidential_case(topic: type[OfCase]) -> None:
    """What it quotes and what it is about is left out; what leads to the case stays."""
    names = topic.__struct_fields__
    said: Any = {name: 7 if get_type_hints(topic)[name] is int else "said" for name in names}
    hushed = msgspec.structs.asdict(topic(**said).hushed())
    left = {name for name in names if hushed[name] != said[name]}
    assert left == topic.unsaid.keys()
    assert left >= {"text", "says", "about", "delivered_status", "event_type", "taken_as"} & {
        *names
    }
    assert hushed["event"] == 7


def test_it_is_an_object_with_its_topic() -> None:
    """Fields stand under their names; a lone surrogate from a source is kept."""
    message = ContradictoryStatus(
        source="parley", event=3, delivered_status="\ud800", event_type="none", taken_as="other"
    )
    assert json.loads(to_json(message)) == {
        "topic": "status_conflict",
        "source": "parley",
        "event": 3,
        "delivered_status": "\ud800",
        "event_type": "none",
        "taken_as": "other",
    }
    assert from_json(to_json(message)) == message


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "no JSON",
        "[]",
        '["held", "one"]',
        "{}",
        '{"topic": "solar_flare", "count": 9}',
        '{"topic": 9}',
        '{"topic": "event_undecided"}',
        '{"topic": "event_undecided", "event": "three"}',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_none(stored: object) -> None:
    """A topic of another release or a damaged row is no error: it would hold up its channel."""
    assert from_json(stored) is None


def test_fields_of_a_later_release_are_passed_over() -> None:
    """A known topic with more fields is read with those that are known."""
    stored = '{"topic": "event_undecided", "event": 3, "since": 4}'
    assert from_json(stored) == EventUndecided(event=3)


def test_topics_have_names_of_their_own() -> None:
    """No two types are stored under one name."""
    names = [topic.__struct_config__.tag for topic in TOPICS]
    assert len(set(names)) == len(names) == len(list(leaves(OpsMessage)))


def test_nobody_changes_a_message() -> None:
    """A message is frozen."""
    message = EventUndecided(event=3)
    with pytest.raises(AttributeError):
        message.event = 4  # type: ignore[misc]
