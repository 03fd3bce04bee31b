"""A sign-in that has begun: what the browser carries to the provider and back, in a cookie.

Nothing of it is kept here. It needs no signature: whoever changes its own changes the values by
which its own answer is known, and is sent where it could have gone by itself
(docs/decisions/0026-signed-in-by-a-provider.md).
"""

import base64
import hmac
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import msgspec

from casebell.clock import MINUTE
from casebell.events import Micros

#: How long somebody may take at the provider.
OPEN_FOR: Micros = 10 * MINUTE
#: Bytes of its text. Browsers keep 4 KiB; nginx takes no answer with a longer head, all in all.
MAX_TEXT = 2_000


def random_text() -> str:
    """Text that nobody guesses: 256 bits, in the characters that PKCE allows."""
    return secrets.token_urlsafe(32)


class Pending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sign-in that has begun."""

    #: Comes back with the answer: it is an answer to this browser.
    state: str
    #: Comes back inside the ID token: it was made for this sign-in.
    nonce: str
    #: The secret of PKCE: only who has it can use the code.
    verifier: str
    #: Where the browser goes once signed in: a path of ours.
    next: str
    began_at: Micros

    @classmethod
    def begin(cls, *, next_path: str, now: Micros, random: Callable[[], str] = random_text) -> Self:
        """A new one; a path that no cookie can carry is left out."""
        made = cls(state=random(), nonce=random(), verifier=random(), next=next_path, began_at=now)
        return made if len(made.text()) <= MAX_TEXT else msgspec.structs.replace(made, next="/")

    def text(self) -> str:
        """It as the value of a cookie."""
        return base64.urlsafe_b64encode(json.dumps(msgspec.to_builtins(self)).encode()).decode()

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What a cookie has; None if that is no sign-in."""
        if len(text) <= MAX_TEXT:
            with suppress(ValueError, msgspec.ValidationError, RecursionError):
                return msgspec.convert(json.loads(base64.urlsafe_b64decode(text)), cls)
        return None

    def is_answered_by(self, state: str) -> bool:
        """Whether an answer with this state is one to it."""
        given, own = (one.encode("utf-8", "replace") for one in (state, self.state))
        return hmac.compare_digest(given, own)

    def is_open(self, now: Micros) -> bool:
        """Whether it did not begin too long ago."""
        return 0 <= now - self.began_at < OPEN_FOR
