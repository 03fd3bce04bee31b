"""Gives the libraries that send their certificates and proxies, which they look up themselves.

They read the environment of the process, at each connection.
"""

import os
import threading
from collections.abc import Mapping

from casebell.settings.outward import AUTHORITIES

_lock = threading.Lock()
#: What was set here, and what stood there before.
_before: dict[str, str | None] = {}


def use(given: Mapping[str, str]) -> None:
    """Have these variables, and no longer those of an earlier configuration."""
    with _lock:
        for name in [name for name in _before if name not in given]:
            _set(name, _before.pop(name))
        for name, value in given.items():
            _before.setdefault(name, os.environ.get(name))
            _set(name, value)


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def authorities() -> str:
    """By which authorities certificates are checked, in words for an operator."""
    named = next((os.environ[name] for name in AUTHORITIES if os.environ.get(name)), "")
    return f"the authorities in {named}" if named else "the public authorities"
