"""What the libraries that send log: muted, but for complaints about a URL, made safe to show."""

import functools
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

#: Loggers that write URLs with tokens, or message text.
_MUTED = ("apprise", "requests", "urllib3", "httpx2", "httpcore2")
#: A level above every record.
SILENT = logging.CRITICAL * 100
#: Characters in a row that a word must share with the URL to be hidden.
_MIN_MATCH = 4
#: Characters of a complaint that are shown.
_MAX_SHOWN = 200


@functools.cache
def mute_loggers() -> None:
    """Turn the libraries' logging off, for the life of the process.

    At debug level their records hold the message and tokens, and a warning of urllib3 holds the
    whole URL of an answer that it cannot read. The result of a send has the same facts.
    """
    for name in _MUTED:
        logger = logging.getLogger(name)
        logger.setLevel(SILENT)
        logger.propagate = False


@contextmanager
def kept_warnings() -> Iterator[list[str]]:
    """Every warning and error that apprise logs inside the block; they may hold secrets."""
    logger = logging.getLogger("apprise")
    kept: list[str] = []
    thread = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        # Other channels may send at the same time.
        if record.thread == thread:
            kept.append(record.getMessage())
        # No handler is to see it.
        return False

    level = logger.level
    logger.addFilter(keep)
    # Whatever the root logger's level; not lower, where whole URLs are logged.
    logger.setLevel(logging.WARNING)
    try:
        yield kept
    finally:
        logger.setLevel(level)
        logger.removeFilter(keep)


def without_url(complaint: str, url: str) -> str:
    """The complaint with "…" for each word that shares characters with the URL."""
    rest = url.partition("://")[2]
    secret = f"{rest}\n{unquote(rest)}".casefold()
    parts = set(re.split(r"\W+", secret)) - {""}

    def is_of_url(word: str) -> bool:
        folded = word.casefold()
        runs = (folded[at : at + _MIN_MATCH] for at in range(len(folded) - _MIN_MATCH + 1))
        return any(run in secret for run in runs) or not parts.isdisjoint(re.split(r"\W+", folded))

    return " ".join("…" if is_of_url(word) else word for word in complaint.split())[:_MAX_SHOWN]
