"""Fields are found wherever a field map says, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.receive.bodies import find
from contracts.examples import few

PATHS = ("id", "event_id", "data.id")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"id": "a", "event_id": "b"}, "id"),
        ({"event_id": "b", "id": None}, "event_id"),
        ({"id": "", "event_id": " \t", "data": {"id": "c"}}, "data.id"),
        ({"id": 0}, "id"),
        ({"id": False}, "id"),
        ({"id": []}, "id"),
    ],
)
def test_the_first_that_holds_something_counts(document: dict[str, object], path: str) -> None:
    """Null, empty and blank are absent; zero, false and an empty list are values."""
    found = find(document, PATHS)
    assert found is not None
    assert found[0] == path


@pytest.mark.parametrize(
    "document",
    [{}, {"data": None}, {"data": "id"}, {"data": ["id"]}, {"data": {"x": {"id": 1}}}, {"ID": 1}],
)
def test_nothing_is_nothing(document: dict[str, object]) -> None:
    """A path that leads through something other than an object leads nowhere."""
    assert find(document, PATHS) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "data", "x"]), inner),
)


@few
@given(
    document=st.dictionaries(st.sampled_from(["id", "data", "x"]), JSON),
    paths=st.lists(st.lists(st.sampled_from(["id", "data", "x"]), min_size=1).map(".".join)),
)
def test_any_document_can_be_searched(document: dict[str, object], paths: list[str]) -> None:
    """What is found really stands at the path that is named."""
    if found := find(document, paths):
        path, stands_there = found
        value: object = document
        for name in path.split("."):
            assert isinstance(value, dict)
            value = value[name]
        assert value is stands_there
        assert path in paths
