"""Codes of the second factor: those of an authenticator, and those for whoever lost it.

An authenticator makes a code of six digits from a secret for every thirty seconds (RFC 6238), on a
device that need not be reachable. A recovery code is random, and serves once.
"""

import base64
import re
import secrets
from collections.abc import Sequence

from pyotp import TOTP

from casebell.clock import SECOND
from casebell.events import Micros
from casebell.service import readable
from casebell.service.token_text import Randomness

#: What an authenticator shows above its codes.
ISSUER = "Casebell"
#: As RFC 4226 recommends (section 4, R6).
SECRET_BYTES = 20
INTERVAL: Micros = 30 * SECOND
#: Intervals before and after the present one whose codes are taken: clocks differ, people type.
WINDOW = 1

RECOVERY_CODES = 10
#: 80 bits, which nobody guesses: SHA-256 may stand for a code.
RECOVERY_BYTES = 10

_DIGITS = re.compile(r"[0-9]{6}")


def new_secret(randomness: Randomness = secrets.token_bytes) -> str:
    """What an authenticator makes its codes from, as base32."""
    return base64.b32encode(randomness(SECRET_BYTES)).decode()


def address_of(secret: str, *, name: str) -> str:
    """A secret as authenticators read it from a picture: `otpauth://totp/…`.

    Args:
        name: whose it is, as the authenticator shows it.
    """
    return TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def six_digits(typed: str) -> str | None:
    """The code of an authenticator that was typed, in groups or not; None if it is none."""
    found = _DIGITS.fullmatch(readable.joined(typed))
    return found and found[0]


def intervals_of(digits: str, *, secret: str, now: Micros) -> Sequence[int]:
    """The intervals, counted from 1970, of which this is the code; nearly always at most one.

    Takes as long whichever it is, and if it is none.
    """
    present = now // INTERVAL
    return [
        interval
        for interval in range(max(0, present - WINDOW), present + WINDOW + 1)
        if secrets.compare_digest(TOTP(secret).generate_otp(interval), digits)
    ]


def new_recovery_codes(randomness: Randomness = secrets.token_bytes) -> list[str]:
    """Recovery codes that nobody has: `7k2m-q9xd-…`."""
    return [readable.written(randomness(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]


def recovery_code(typed: str) -> str | None:
    """The recovery code that was typed, as it was shown; None if it is none."""
    return readable.read(typed, size=RECOVERY_BYTES)
