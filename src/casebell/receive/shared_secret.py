"""Proof by a header whose value is the secret itself.

The reasons: docs/decisions/upstream.md, B1 to B4.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence

from casebell.errors import SecretMismatch, SecretMissing

#: Bytes of a secret header that are looked at.
MAX_HEADER = 4096


class SharedSecrets:
    """The secrets of one source, kept only as digests under a key made for this object.

    Digests have one length, so a comparison tells nothing of a secret's length either.
    """

    def __init__(
        self,
        labelled: Sequence[tuple[str, bytes]],
        *,
        prefix: str,
        compare: Callable[[bytes, bytes], bool],
    ) -> None:
        """`labelled` are label and secret; `prefix` may stand before the secret, such as "Bearer".

        `compare` must take the same time wherever its arguments differ.
        """
        self._key = secrets.token_bytes(32)
        self._prefix = prefix.strip().lower().encode()
        self._compare = compare
        self._expected = tuple((label, self._digest(secret)) for label, secret in labelled)

    def match(self, values: Sequence[bytes]) -> str:
        """The label of the secret that the header's values carry.

        Raises SecretMissing, or SecretMismatch: also for two different values.
        """
        values = [stripped for value in values if (stripped := value.strip())]
        if not values:
            raise SecretMissing
        if sum(map(len, values)) > MAX_HEADER:
            raise SecretMismatch
        given = {self._digest(self._without_prefix(value)) for value in values}
        if len(given) != 1:
            raise SecretMismatch
        return match_digest(given.pop(), self._expected, compare=self._compare)

    def presented(self, values: Sequence[bytes]) -> bytes | None:
        """The one value that could be somebody's secret, its prefix taken off; else None."""
        given = {self._without_prefix(stripped) for value in values if (stripped := value.strip())}
        if len(given) != 1 or sum(map(len, values)) > MAX_HEADER:
            return None
        value = given.pop()
        # Another scheme's credentials: a person's name and password, which are not for us to keep.
        return None if value[:6].lower() == b"basic " else value

    def _without_prefix(self, value: bytes) -> bytes:
        # The prefix is an authentication scheme in all but name: case-insensitive (RFC 9110, 11.1).
        # Where a sender leaves it out, what remains must still be the secret.
        size = len(self._prefix)
        if size and value[:size].lower() == self._prefix:
            return value[size:].strip()
        return value

    def _digest(self, value: bytes) -> bytes:
        return keyed_digest(value, key=self._key)


def keyed_digest(value: bytes, *, key: bytes) -> bytes:
    """HMAC-SHA256: tells two values apart, and without the key nothing of either."""
    return hmac.digest(key, value, "sha256")


def match_digest(
    digest: bytes,
    labelled: Sequence[tuple[str, bytes]],
    *,
    compare: Callable[[bytes, bytes], bool],
) -> str:
    """The label of the digest that is the same; `labelled` are label and digest.

    Raises SecretMismatch.
    """
    matched: str | None = None
    for label, expected in labelled:
        # Every secret is compared, also after a match: the time tells nothing of which it was.
        equal = compare(expected, digest)
        matched = label if equal and matched is None else matched
    if matched is None:
        raise SecretMismatch
    return matched
