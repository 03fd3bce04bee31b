"""Recognises a provider's own test, such as `{"type": "ping"}`: it is kept, and closed at once.

Only a body without a receipt can be one, and none in which anything looks like news: a name or a
value that may be a receipt number, a value that the classifier reads, a list of lists. So a real
event, under whatever names, is never taken for a test. An empty object says nothing of a test
either, and stays held.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from casebell.events import Status, Tag
from casebell.kinds import word_key
from casebell.receive.unmapped import MAX_FIELDS, MAX_VALUE_CHARACTERS, fields_of
from casebell.uscis.classify import classify_text

#: Names under which providers say what a delivery is.
_KIND_NAMES: Final = frozenset(
    {"type", "event", "event type", "eventtype", "event name", "topic", "action", "kind", "name"}
)
#: Words that make a kind a test, and words that may stand beside them: "endpoint.url_validation".
_TEST_WORDS: Final = frozenset(
    {"ping", "test", "testing", "verification", "verify", "validation", "validate", "challenge"}
)
_NEUTRAL_WORDS: Final = frozenset(
    {"webhook", "webhooks", "hook", "event", "endpoint", "url", "delivery", "connection", "message"}
)
#: Names that say it by themselves: `{"test": true}`.
_TEST_NAMES: Final = frozenset({"test", "ping", "is test", "istest"})
_MAY_BE_RECEIPT: Final = re.compile(r"(?<![A-Z])[A-Z]{3}(?:[\W_]*[0-9]){10}(?![0-9])")


def is_provider_test(document: Mapping[str, object]) -> bool:
    """Whether a body without a receipt is a provider's test, and nothing else."""
    fields = list(fields_of(document))
    values = [one for _, value in fields for one in (value if isinstance(value, list) else [value])]
    if max(len(fields), len(values)) >= MAX_FIELDS or any(map(_may_be_news, values)):
        return False
    if any(_may_be_receipt(name) for path, _ in fields for name in path):
        return False
    return any(len(path) <= 2 and _says_test(path[-1], value) for path, value in fields)


def shape_of(document: Mapping[str, object]) -> str:
    """A digest of a test without what is new each time: numbers, ids, times.

    Its names stay, and the words of what may be a sentence: another sentence is another shape.
    """
    parts = [[*path, _in_general(value)] for path, value in fields_of(document)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _in_general(value: object) -> object:
    if isinstance(value, list):
        return [_in_general(one) for one in value]
    if not isinstance(value, str):
        return type(value).__name__
    words = value.casefold().split()
    if len(words) == 1 and not set(word_key(value).split()) <= _TEST_WORDS | _NEUTRAL_WORDS:
        return "#"
    return ["#" if any(map(str.isdigit, word)) else word for word in words]


def _says_test(name: str, value: object) -> bool:
    key = word_key(name)
    if key in _TEST_NAMES and value is True:
        return True
    if key not in _KIND_NAMES or not isinstance(value, str):
        return False
    words = set(word_key(value).split())
    return bool(words & _TEST_WORDS) and words <= _TEST_WORDS | _NEUTRAL_WORDS


def _may_be_news(value: object) -> bool:
    if isinstance(value, Mapping | list):
        # Deeper than fields are followed.
        return bool(value)
    if not isinstance(value, str):
        return False
    if len(value) > MAX_VALUE_CHARACTERS:
        return True
    if _may_be_receipt(value):
        return True
    reading = classify_text(value)
    return (
        reading.status is not Status.OTHER
        or bool(reading.tags - {Tag.NO_INFO})
        # A type may read as a text: "case.status.updated".
        or (reading.certain and len(value.split()) >= 4)
    )


def _may_be_receipt(text: str) -> bool:
    return bool(_MAY_BE_RECEIPT.search(unicodedata.normalize("NFKC", text).upper()))
