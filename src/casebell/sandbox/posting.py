"""How an upstream posts a webhook: proven, in one attempt, and again after growing waits.

The demo's upstream and the simulator both deliver by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import httpx2

from casebell.errors import ServerUnreachable
from casebell.sandbox.deliveries import headers_for
from casebell.settings import SourceSettings

#: Seconds for an answer.
TIMEOUT = 30.0
#: Seconds a connection is kept for the next post; any server keeps it for longer.
KEEP_ALIVE = 2.0


class Flaw(StrEnum):
    """What can be wrong with a delivery on its way."""

    #: Without signature and secret.
    UNSIGNED = "unsigned"
    #: Signed with another secret.
    FORGED = "forged"
    #: The body lost its second half after it was signed.
    CUT_SHORT = "cut_short"


@dataclass(frozen=True, kw_only=True, slots=True)
class Posting:
    """One request, ready to be sent."""

    body: bytes
    headers: dict[str, str]


def posting_of(
    source: SourceSettings,
    body: bytes,
    *,
    secret: str,
    at: int,
    idempotency_key: str,
    also: Sequence[str] = (),
    flaw: Flaw | None = None,
) -> Posting:
    """A body with what proves it, or with a flaw.

    Args:
        source: how its receiver is to be convinced.
        body: the exact bytes.
        secret: that signs it, or stands in the header.
        at: when it is signed, in seconds since 1970.
        idempotency_key: the same for every delivery of it.
        also: secrets that sign as well.
        flaw: what goes wrong on its way.
    """
    if flaw is Flaw.UNSIGNED:
        return Posting(body=body, headers={"Content-Type": "application/json"})
    if flaw is Flaw.FORGED:
        secret, also = "a stranger's guess at it", ()
    headers = headers_for(
        source, body, secret=secret, also=also, at=at, idempotency_key=idempotency_key
    )
    sent = body[: len(body) // 2] if flaw is Flaw.CUT_SHORT else body
    return Posting(body=sent, headers=headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Seconds from one try to the next: twice as many each time, up to a limit."""

    first: float
    longest: float

    def after(self, tries: int) -> float:
        """The wait after so many tries, at least one."""
        # No larger power than any limit needs: a float has an end.
        return float(min(self.first * 2 ** min(tries - 1, 60), self.longest))


class Poster:
    """Posts over HTTP; use it with `async with`."""

    def __init__(self) -> None:
        limits = httpx2.Limits(keepalive_expiry=KEEP_ALIVE)
        self._client = httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False, limits=limits)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(None, None, None)

    async def post(self, url: str, posting: Posting) -> httpx2.Response:
        """The receiver's answer to one attempt; a redirect is not followed.

        Raises:
            ServerUnreachable: there was none.
        """
        try:
            return await self._client.post(url, content=posting.body, headers=posting.headers)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise ServerUnreachable("The receiver does not answer.") from None
