"""Gives the libraries that send their certificates and proxies, which they look up themselves.

They read the environment of the process, at each connection. For a channel of our own both are read
here, as `requests` reads them, so that all channels lead out the same way.
"""

import os
import ssl
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import requests.utils

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


def proxy_to(url: str) -> str | None:
    """The proxy that leads to an address, as a URL; None where the way is direct."""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def tls_context() -> ssl.SSLContext:
    """What services over HTTP are checked by; reads a file, so call it in a thread.

    Raises:
        OSError: the file of authorities cannot be read.
    """
    named = (os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    path = next(filter(None, named), requests.utils.DEFAULT_CA_BUNDLE_PATH)
    file = Path(path).stat()
    return _context(path, (file.st_ino, file.st_size, file.st_ctime_ns))


@lru_cache(maxsize=2)
def _context(path: str, _version: tuple[int, int, int]) -> ssl.SSLContext:
    """The context of a file as it is now: the public authorities take 40 ms to parse."""
    return ssl.create_default_context(cafile=path)
