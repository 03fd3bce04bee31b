"""Proof that nothing secret got out of a piece of work, for the tests of every channel."""

import logging
from collections.abc import Iterable

import pytest


class LeakWatch:
    """Sees every log record down to debug, standard output and standard error from now on."""

    def __init__(
        self, *, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Both are pytest's own fixtures."""
        caplog.set_level(logging.DEBUG)
        self._caplog = caplog
        self._capfd = capfd

    def assert_none(self, secrets: Iterable[str], *, shown: Iterable[object] = ()) -> None:
        """No secret was logged or printed since the last call, nor is one in what is `shown`."""
        out, err = self._capfd.readouterr()
        places = {"log": self._caplog.text, "standard output": out, "standard error": err}
        places |= {repr(value): f"{value!r}\n{value}" for value in shown}
        for secret in secrets:
            for place, text in places.items():
                assert secret.casefold() not in text.casefold(), f"a secret is in {place}"
        self._caplog.clear()
