"""Authenticates by a header whose value is the secret itself.

The reasons: docs/decisions/upstream.md, B1 to B4.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence

from casebell.errors import SecretMismatch, SecretMissing

#: Bytes of a secret header; a longer one is refused.
MAX_HEADER = 4096


class SharedSecrets:
    """The secrets of one source, kept only as digests under a random key of this object.

    All digests have the same length, so that the time of a comparison does not depend on a
    secret's.
    """

    def __init__(
        self,
        labelled: Sequence[tuple[str, bytes]],
        *,
        prefix: str,
        compare: Callable[[bytes, bytes], bool],
    ) -> None:
        """Digest the secrets.

        Args:
            labelled: pairs of label and secret.
            prefix: text that may precede the secret in the header, such as "Bearer".
            compare: takes the same time wherever its arguments differ.
        """
        self._key = secrets.token_bytes(32)
        self._prefix = prefix.strip().lower().encode()
        self._compare = compare
        self._expected = tuple((label, self._digest(secret)) for label, secret in labelled)

    def match(self, values: Sequence[bytes]) -> str:
        """The label of the secret that the header's values hold.

        Raises:
            SecretMissing: there is no value.
            SecretMismatch: no secret matches, or there are two different values.
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
        """The value without its prefix, if it is the only one and may be a secret; else None."""
        given = {self._without_prefix(stripped) for value in values if (stripped := value.strip())}
        if len(given) != 1 or sum(map(len, values)) > MAX_HEADER:
            return None
        value = given.pop()
        # A person's name and password, for another scheme: they are not ours to keep.
        return None if value[:6].lower() == b"basic " else value

    def _without_prefix(self, value: bytes) -> bytes:
        # The prefix is case-insensitive, like an authentication scheme (RFC 9110, 11.1). A sender
        # may leave it out: the rest must equal the secret in any case.
        size = len(self._prefix)
        if size and value[:size].lower() == self._prefix:
            return value[size:].strip()
        return value

    def _digest(self, value: bytes) -> bytes:
        return keyed_digest(value, key=self._key)


def keyed_digest(value: bytes, *, key: bytes) -> bytes:
    """HMAC-SHA256: without the key, digests say nothing of the values."""
    return hmac.digest(key, value, "sha256")


def match_digest(
    digest: bytes,
    labelled: Sequence[tuple[str, bytes]],
    *,
    compare: Callable[[bytes, bytes], bool],
) -> str:
    """The label of the equal digest; `labelled` are pairs of label and digest.

    Raises:
        SecretMismatch: none is equal.
    """
    matched: str | None = None
    for label, expected in labelled:
        # Every secret is compared, also after a match: the time must not tell which one matched.
        equal = compare(expected, digest)
        matched = label if equal and matched is None else matched
    if matched is None:
        raise SecretMismatch
    return matched
