"""What apprise complains of while a URL is loaded, in words that are safe to show."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

#: Shortest run of characters that counts as a part of the URL.
_TELLING = 4
#: Characters of a complaint that are shown.
_LONGEST = 200


@contextmanager
def kept_warnings() -> Iterator[list[str]]:
    """Every warning and error that apprise logs inside the block; they may hold secrets."""
    logger = logging.getLogger("apprise")
    kept: list[str] = []
    thread = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        # Other channels may be sending meanwhile.
        if record.thread == thread:
            kept.append(record.getMessage())
        # No handler is to see it.
        return False

    level = logger.level
    logger.addFilter(keep)
    # Whatever the root logger says; and not below, where URLs are written out in full.
    logger.setLevel(logging.WARNING)
    try:
        yield kept
    finally:
        logger.setLevel(level)
        logger.removeFilter(keep)


def without_url(complaint: str, url: str) -> str:
    """The complaint with "…" for each word that has anything in common with the URL."""
    rest = url.partition("://")[2]
    secret = f"{rest}\n{unquote(rest)}".casefold()
    pieces = set(re.split(r"\W+", secret)) - {""}

    def is_telling(word: str) -> bool:
        folded = word.casefold()
        runs = (folded[at : at + _TELLING] for at in range(len(folded) - _TELLING + 1))
        return any(run in secret for run in runs) or not pieces.isdisjoint(re.split(r"\W+", folded))

    return " ".join("…" if is_telling(word) else word for word in complaint.split())[:_LONGEST]
