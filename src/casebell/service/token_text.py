"""The text of a token: a prefix for scanners of secrets, 256 random bits, a check sum.

    cbl_ + base64url(32 random bytes + CRC-32 of them): 52 characters

The check sum tells a typing error without a look into the database. It protects nothing.
"""

import base64
import re
import secrets
import zlib
from collections.abc import Callable
from typing import TypeAlias

PREFIX = "cbl_"
RANDOM_BYTES = 32

#: 36 bytes are 48 characters without padding or spare bits: a token has one spelling.
_TOKEN = re.compile(rf"{PREFIX}([A-Za-z0-9_-]{{48}})", re.ASCII)

#: Returns that many random bytes.
Randomness: TypeAlias = Callable[[int], bytes]


def new_token(randomness: Randomness = secrets.token_bytes) -> str:
    """A token that nobody has."""
    random = randomness(RANDOM_BYTES)
    return PREFIX + base64.urlsafe_b64encode(random + _check_sum(random)).decode()


def is_token(text: str) -> bool:
    """Whether a text is written as tokens are; nearly every typing error is found."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return False
    content = base64.urlsafe_b64decode(found[1])
    return content[RANDOM_BYTES:] == _check_sum(content[:RANDOM_BYTES])


def _check_sum(random: bytes) -> bytes:
    return zlib.crc32(random).to_bytes(4, "big")
