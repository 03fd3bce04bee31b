"""What is wrong with a server, as sentences; `tests/cli/test_doctor.py` has the others."""

from typing import Any

import pytest

from casebell.clock import DAY, HOUR, MINUTE, iso
from casebell.service import troubles
from contracts.case_events import RECEIVED_AT as NOW


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


def test_a_silent_source() -> None:
    """Only one that is silent for too long."""
    heard = {"name": "torch", "silent_since": None}
    silent = {"name": "parley", "silent_since": "2025-10-14T19:22:03.000000Z"}
    (found,) = troubles.of_silence({"sources": [heard, silent]})
    assert found.what == (
        "nothing authentic came from source parley for longer than its expect_every"
    )


def _channel(due_at: str | None, failed_at: str | None = None) -> dict[str, Any]:
    failure = failed_at and {"at": failed_at, "reason": "not_found", "detail": "HTTP 404"}
    target = {"target": "room", "self_test_due_at": due_at, "last_failure": failure}
    return {"name": "slack", "targets": [target]}


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        (_channel(None), None),
        (_channel(iso(NOW + HOUR)), None),
        (_channel(iso(NOW - MINUTE)), None),
        (_channel(iso(NOW - HOUR)), "is due, and was not sent"),
        (_channel(iso(NOW - HOUR), iso(NOW - DAY)), "is due, and was not sent"),
        (_channel(iso(NOW - HOUR), iso(NOW - MINUTE)), "failed (not_found)"),
    ],
)
def test_self_tests(channel: dict[str, Any], said: str | None) -> None:
    """One that failed, or was not sent within ten minutes; an older failure is not its own."""
    found = [one.what for one in troubles.of_self_tests([channel], now=NOW)]
    expected = said and [f"the self-test of room over channel slack {said}"]
    assert found == (expected or [])


def test_the_heartbeat() -> None:
    """For how long it fails, and why."""
    assert list(troubles.of_heartbeat({"failing": False})) == []
    state = {"failing": True, "seconds": 150, "detail": "HTTP 500"}
    (found,) = troubles.of_heartbeat(state)
    assert "for 2 minutes: ops.heartbeat could not be fetched (HTTP 500)" in found.what
