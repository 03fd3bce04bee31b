"""Rows that are known by the digest of a secret, which is kept nowhere."""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.store.statements import Driver, Query, TableRow


class DigestRow(TableRow):
    """Such a row."""

    digest: str


R = TypeVar("R", bound=DigestRow)


def digest_of(secret: str) -> str:
    """What is kept of a random secret: its SHA-256 in hex. Slow hashes are for what one guesses."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def with_digests(
    connection: AsyncConnection, query: Query[R], digests: Collection[str]
) -> Mapping[str, R]:
    """The rows of these digests, by their digests.

    Args:
        query: selects rows by `among`.
    """
    driver = await Driver.of(connection)
    rows = await driver.fetch(query, among=digests)
    # The index finds a row in a time that depends on the digest, whose bits nobody can choose; what
    # decides is a comparison in constant time.
    return {
        digest: row for digest in digests for row in rows if hmac.compare_digest(row.digest, digest)
    }
