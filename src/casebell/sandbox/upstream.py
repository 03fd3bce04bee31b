"""The demo's upstream: it delivers what it is told to, again and again, or all at once."""

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from casebell.clock import SECOND, Clock
from casebell.errors import ServerUnreachable
from casebell.events import Micros
from casebell.sandbox.posting import Backoff, Flaw, Poster, posting_of
from casebell.settings import SourceSettings
from casebell.settings.sources import WEBHOOKS

#: A demo has no time to lose.
BACKOFF = Backoff(first=0.1, longest=0.8)
#: Posts under way at once in a storm.
AT_ONCE = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """A body for one source; the upstream may deliver it any number of times."""

    source: str
    body: bytes
    #: The same for every delivery of it.
    idempotency_key: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def of(cls, source: str, document: Mapping[str, Any]) -> Self:
        """A document as the bytes of a body."""
        return cls(source=source, body=json.dumps(document, ensure_ascii=False).encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryAnswer:
    """The receiver's answer to one delivery."""

    status: int
    content: Mapping[str, Any]
    #: How many times it had been tried.
    tries: int
    posted_at: Micros
    answered_at: Micros

    @property
    def word(self) -> str:
        """`stored`, `duplicate`, `conflict`, `held` or an error's code."""
        return str(self.content.get("status", self.content.get("error", "")))

    def __str__(self) -> str:
        reason = f": {self.content['reason']}" if "reason" in self.content else ""
        return f"{self.status} {self.word}{reason}"


class Upstream:
    """Delivers for several sources; use it with `async with`.

    Args:
        url: called before each post, since a restarted server may have another port.
        chance: shuffles the deliveries of a storm.
    """

    def __init__(
        self,
        *,
        url: Callable[[], str],
        sources: Mapping[str, SourceSettings],
        secrets: Mapping[str, str],
        clock: Clock,
        chance: random.Random,
    ) -> None:
        #: Every answer so far.
        self.answers: list[tuple[Outgoing, DeliveryAnswer]] = []
        self._url = url
        self._sources = sources
        self._secrets = secrets
        self._clock = clock
        self._chance = chance
        self._poster = Poster()

    async def __aenter__(self) -> Self:
        await self._poster.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._poster.__aexit__(None, None, None)

    async def post(
        self, outgoing: Outgoing, flaw: Flaw | None = None, *, tries: int = 1
    ) -> DeliveryAnswer:
        """Deliver it once; that is its try number `tries`.

        Raises:
            ServerUnreachable: there was no answer.
        """
        posted_at = self._clock.now()
        posting = posting_of(
            self._sources[outgoing.source],
            outgoing.body,
            secret=self._secrets[outgoing.source],
            at=posted_at // SECOND,
            idempotency_key=outgoing.idempotency_key,
            flaw=flaw,
        )
        url = f"{self._url()}{WEBHOOKS}{outgoing.source}"
        response = await self._poster.post(url, posting)
        try:
            content = response.json()
        except ValueError:
            raise ServerUnreachable("The receiver does not answer.") from None
        answer = DeliveryAnswer(
            status=response.status_code,
            content=content if isinstance(content, dict) else {},
            tries=tries,
            posted_at=posted_at,
            answered_at=self._clock.now(),
        )
        self.answers.append((outgoing, answer))
        return answer

    async def deliver_with_retries(self, outgoing: Outgoing, *, retry_for: float) -> DeliveryAnswer:
        """Deliver it, again and again with growing waits, until it is answered 2xx or for good.

        Args:
            retry_for: seconds after which no other try is begun.

        Raises:
            ServerUnreachable: the last try had no answer.
        """
        last_moment = self._clock.monotonic() + retry_for
        tries = 0
        while True:
            tries += 1
            wait = BACKOFF.after(tries)
            over = self._clock.monotonic() + wait > last_moment
            try:
                answer = await self.post(outgoing, tries=tries)
            except ServerUnreachable:
                if over:
                    raise
            else:
                if over or not (answer.status >= 500 or answer.status == 429):
                    return answer
            await self._clock.sleep(wait)

    async def storm(
        self, outgoings: Sequence[Outgoing], *, copies: int, flaws: Sequence[Flaw] = ()
    ) -> list[DeliveryAnswer]:
        """Deliver each several times and once with each flaw, in any order and many at once."""
        deliveries: list[tuple[Outgoing, Flaw | None]] = [
            (outgoing, flaw) for outgoing in outgoings for flaw in (*[None] * copies, *flaws)
        ]
        self._chance.shuffle(deliveries)
        turns = asyncio.Semaphore(AT_ONCE)

        async def take_turn(outgoing: Outgoing, flaw: Flaw | None) -> DeliveryAnswer:
            async with turns:
                return await self.post(outgoing, flaw)

        return await asyncio.gather(*(take_turn(*delivery) for delivery in deliveries))
