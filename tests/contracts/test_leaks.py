"""The proof itself: it fails where it must."""

import logging
import sys

import pytest

from contracts.leaks import LeakWatch

SECRET = "xoxb-1234"


@pytest.mark.parametrize("way", ["log", "print", "show"])
def test_the_leak_watch_finds_a_leak(
    way: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A secret that is logged at debug level, printed or shown, in any case, is found."""
    leaks = LeakWatch(caplog=caplog, capfd=capfd)
    leaks.assert_none([SECRET], shown=["innocent"])
    if way == "log":
        logging.getLogger("x").debug("token %s", SECRET)
    elif way == "print":
        sys.stderr.write(SECRET.upper())
    with pytest.raises(AssertionError, match="a secret is in"):
        leaks.assert_none([SECRET], shown=[f"a {SECRET}"] if way == "show" else [])
