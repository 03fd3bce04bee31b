"""What the browser carries to the identity provider and back."""

import base64
import json

import pytest

from casebell.clock import SECOND
from casebell.service.oidc.pending import MAX_TEXT, OPEN_FOR, Pending

NOW = 1_764_400_000 * SECOND


def begun(next_path: str = "/") -> Pending:
    return Pending.begin(next_path=next_path, now=NOW)


def test_it_is_carried() -> None:
    """As a cookie's value, whatever the path is; the secrets are others each time."""
    one, other = begun('/events?text=é;,"'), begun()
    assert Pending.read(one.text()) == one
    assert set(one.text()) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
    )
    values = [
        getattr(each, name) for each in (one, other) for name in ("state", "nonce", "verifier")
    ]
    assert len(set(values)) == 6
    assert all(len(value) == 43 for value in values)


def test_a_path_that_is_too_long() -> None:
    """Is left out: a browser would drop the cookie, and the sign-in with it."""
    long = begun("/events?text=" + "x" * 4_000)
    assert (long.next, len(long.text()) <= MAX_TEXT) == ("/", True)
    kept = begun("/events?text=" + "x" * 1_000)
    assert kept.next.endswith("x" * 1_000)


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "====", "é", "\ud800", "e30", _encoded([]), _encoded(7), _encoded({}),
        _encoded({"state": "s"}),
        _encoded({"state": 1, "nonce": "n", "verifier": "v", "next": "/", "began_at": 1}),
        _encoded({"state": "s", "nonce": "n", "verifier": "v", "next": "/", "began_at": "1"}),
        _encoded({"state": "s", "nonce": "n", "verifier": "v", "next": "/", "began_at": 1, "x": 1}),
        base64.urlsafe_b64encode(b"[" * 2_000).decode(),
        begun("/" + "x" * 1_000).text() * 3,
    ],
)  # fmt: skip
def test_what_is_no_sign_in(text: str) -> None:
    """Anybody can send any cookie."""
    assert Pending.read(text) is None


def test_what_answers_it() -> None:
    """The same state, and nothing that is like it."""
    pending = begun()
    assert pending.is_answered_by(pending.state)
    for other in ("", pending.state[:-1], pending.state + "x", "\ud800", begun().state):
        assert not pending.is_answered_by(other)


@pytest.mark.parametrize(
    ("later", "is_open"), [(0, True), (OPEN_FOR - 1, True), (OPEN_FOR, False), (-1, False)]
)
def test_how_long_it_is_open(later: int, is_open: bool) -> None:
    """Ten minutes; one that began in the future was made up."""
    assert begun().is_open(NOW + later) is is_open
