"""What verbs answer, as sentences."""

from casebell.service.done_in_words import changed


def test_what_differs_stands_in_columns() -> None:
    """However long the name of the longest kind is."""
    names = {"escalations": {"added": ["Unseen"]}, "settings": {"changed": ["ops.heartbeat"]}}
    assert list(changed(names)) == [
        "Escalations  added: Unseen",
        "Settings     changed: ops.heartbeat",
    ]
    assert list(changed({"channels": {"removed": ["team"]}})) == ["Channels  removed: team"]
    assert list(changed({})) == []
