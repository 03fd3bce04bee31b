"""What is wrong with a server, as sentences; `tests/cli/test_doctor.py` has the others."""

from casebell.service import troubles


def test_checks() -> None:
    """A server that is not ready, and one that works by other settings than another."""
    fine = {"storage": "ok", "loops": "ok", "settings": "ok"}
    assert list(troubles.of_checks(fine)) == []
    found = troubles.of_checks({"storage": "failing", "loops": "failing", "settings": "differs"})
    assert [one.what for one in found] == [
        "not ready: storage, loops",
        "another server on this database works by other settings",
    ]


def test_storage() -> None:
    """For how long nothing can be stored, why, and what helps."""
    assert list(troubles.of_storage({"failing": False})) == []
    state = {"failing": True, "seconds": 1, "reason": "The disk is full.", "hint": "Make room."}
    (found,) = troubles.of_storage(state)
    assert found.what == "nothing could be stored for 1 second. The disk is full"
    assert found.then == "Make room."


def test_what_is_left_of_a_flood() -> None:
    """Each source whose deliveries can no longer be readmitted."""
    assert list(troubles.of_lost({})) == []
    (found,) = troubles.of_lost({"parley": 3})
    assert found.what.startswith("3 deliveries of source parley")
