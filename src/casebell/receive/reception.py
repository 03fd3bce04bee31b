"""Whole deliveries in, answers out: each sender is told what became of its own, in any case.

By a callback, not from a coroutine: on the usual way nothing is waited for but the disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from prometheus_client import Counter

from casebell.clock import Clock, new_request_id
from casebell.errors import (
    BodyTooLarge,
    CasebellError,
    EncodedBody,
    ShuttingDown,
    TooManyRefusals,
    Unavailable,
    UnknownSource,
    WrongMethod,
)
from casebell.events import Delivery
from casebell.receive.accept import Accepted, Held, Receiver
from casebell.receive.address import Network, client_address
from casebell.receive.answers import Answer, Headers, answer
from casebell.receive.sparing import Sparing
from casebell.telemetry import Log, Metrics
from casebell.uscis.receipts import mask

#: What costs a stranger nothing to repeat: the log names some of them.
_CHEAP = (TooManyRefusals, UnknownSource, WrongMethod)
#: Gets what a sender is told.
Tell: TypeAlias = Callable[[Answer], None]


class _Sender(NamedTuple):
    """Who waits to be told."""

    source: str
    request_id: str
    #: Monotonic seconds when its delivery was whole.
    since: float
    tell: Tell


class Reception:
    """Has deliveries accepted; answers them, counts them and logs what became of them.

    Args:
        max_body: bytes; more is answered 413.
        trusted_proxies: networks whose X-Forwarded-For is believed.
    """

    def __init__(
        self,
        *,
        receiver: Receiver,
        clock: Clock,
        max_body: int,
        trusted_proxies: Sequence[Network],
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._receiver = receiver
        self._clock = clock
        self._max_body = max_body
        self._trusted_proxies = trusted_proxies
        self._metrics = metrics
        #: Looked up once each: by source and outcome.
        self._counters: dict[tuple[str, str], Counter] = {}
        self._log = log
        self._sparing = Sparing(clock)

    def use(self, *, max_body: int, trusted_proxies: Sequence[Network]) -> None:
        """Bear this much from now on (E10); the arguments are those of the class."""
        self._max_body = max_body
        self._trusted_proxies = trusted_proxies

    @property
    def max_body(self) -> int:
        """Bytes that a body may have."""
        return self._max_body

    def knows(self, source: str) -> bool:
        """Whether a source has this name."""
        return self._receiver.knows(source)

    def take(
        self, source: str, headers: Headers, body: bytes, *, peer: str, tell: Tell
    ) -> asyncio.Future[Any] | None:
        """Accept a delivery and have its sender told: now, or after the commit.

        Args:
            source: as in the address it was posted to.
            headers: names in lower case, in the order received.
            body: all of it.
            peer: the address at the other end of the connection; "" when unknown.
            tell: called once, whatever happens.

        Returns what is waited for, if anything. When that is cancelled, the sender is told to try
        again.
        """
        sender = _Sender(source, new_request_id(), self._clock.monotonic(), tell)
        try:
            accepting = self._accept(sender, headers, body, peer)
        except Exception as error:  # noqa: BLE001 - `_failure` tells them apart
            self._settle(sender, None, self._failure(sender, error))
            return None
        accepting.add_done_callback(partial(self._accepted, sender))
        return accepting

    def refuse(self, source: str, error: Exception) -> Answer:
        """The answer to what is refused before it is a whole delivery."""
        told: list[Answer] = []
        sender = _Sender(source, new_request_id(), self._clock.monotonic(), told.append)
        self._settle(sender, None, self._failure(sender, error))
        return told[0]

    def abandoned(self, source: str) -> None:
        """Note that a sender went away before its delivery was whole."""
        self._log.info("delivery.abandoned", source=source)

    def _accept(
        self, sender: _Sender, headers: Headers, body: bytes, peer: str
    ) -> asyncio.Future[Any]:
        forwarded = see_head(headers, max_body=self._max_body)
        if len(body) > self._max_body:
            raise BodyTooLarge
        delivery = Delivery(
            source=sender.source,
            body=body,
            headers=tuple(headers),
            address=client_address(peer, forwarded, self._trusted_proxies),
            received_at=self._clock.now(),
            request_id=sender.request_id,
        )
        return self._receiver.accept(delivery)

    def _accepted(self, sender: _Sender, accepting: asyncio.Future[Any]) -> None:
        accepted: Accepted | None = None
        failure: CasebellError | None = None
        if accepting.cancelled():
            # The server ends and waited long enough: the sender must hear that it may try again.
            failure = ShuttingDown()
        elif (error := accepting.exception()) is not None:
            failure = self._failure(sender, error)
        else:
            accepted = accepting.result()
        self._settle(sender, accepted, failure)

    def _failure(self, sender: _Sender, error: BaseException) -> CasebellError:
        if isinstance(error, CasebellError):
            return error
        # A defect of ours must make the sender try again.
        self._log.error(
            "delivery.defect", source=sender.source, request_id=sender.request_id, error=error
        )
        return Unavailable()

    def _settle(
        self, sender: _Sender, accepted: Accepted | None, failure: CasebellError | None
    ) -> None:
        sender.tell(answer(accepted, failure, sender.request_id))
        if accepted is None:
            self._note_failure(sender, failure or Unavailable())
        else:
            self._note(sender, accepted)

    def _note(self, sender: _Sender, accepted: Accepted) -> None:
        seconds = self._clock.monotonic() - sender.since
        self._count(sender.source, accepted.status)
        self._metrics.delivery_seconds.observe(seconds)
        if isinstance(accepted, Held):
            what = {"row": accepted.held_id, "reason": accepted.reason.value}
        else:
            what = {"row": accepted.event_id, "receipt": mask(accepted.event.receipt)}
        self._log.info(
            "delivery.received",
            source=sender.source,
            outcome=accepted.status,
            request_id=sender.request_id,
            ms=round(seconds * 1000, 3),
            **what,
        )

    def _note_failure(self, sender: _Sender, failure: CasebellError) -> None:
        seconds = self._clock.monotonic() - sender.since
        # A stranger's path must not make up label values.
        known = sender.source if self._receiver.knows(sender.source) else "unknown"
        self._count(known, failure.code)
        left_out = self._sparing.line(failure.code) if isinstance(failure, _CHEAP) else 0
        if left_out is not None:
            self._log.info(
                "delivery.received",
                source=known,
                outcome=failure.code,
                request_id=sender.request_id,
                ms=round(seconds * 1000, 3),
                **({"left_out": left_out} if left_out else {}),
            )

    def _count(self, source: str, outcome: str) -> None:
        counter = self._counters.get((source, outcome))
        if counter is None:
            counter = self._metrics.deliveries.labels(source, outcome)
            self._counters[source, outcome] = counter
        counter.inc()


def see_head(headers: Headers, *, max_body: int) -> list[bytes]:
    """Look at a delivery's headers before its body; return the values of X-Forwarded-For.

    Raises EncodedBody, BodyTooLarge.
    """
    forwarded: list[bytes] = []
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise EncodedBody
        if name == b"content-length" and _too_long(value, max_body):
            raise BodyTooLarge
        if name == b"x-forwarded-for":
            forwarded.append(value)
    return forwarded


def _too_long(value: bytes, limit: int) -> bool:
    """Whether a Content-Length is over the limit; what is no number is the server's to refuse."""
    return value.isdigit() and (len(value) > 15 or int(value) > limit)
