"""HTTP in and out for `POST /webhooks/{source}`: requests to deliveries, results to answers.

A plain ASGI application: the acknowledgement path is the one place where a framework's request and
response objects cost more than they give.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

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
from casebell.receive.accept import Accepted, Receiver
from casebell.receive.address import Network, client_address
from casebell.receive.answers import Headers, answer, respond
from casebell.receive.deadline import Deadline
from casebell.receive.sparing import Sparing
from casebell.telemetry import Log, Metrics
from casebell.uscis.receipts import mask

#: How long, and how much of, a body that is refused unread may still come in.
LINGER_SECONDS = 1.0
LINGER_BYTES = 4 * 1024 * 1024


class SenderWentAway(Exception):
    """The sender closed the connection before its body was complete."""


class WebhookEndpoint:
    """Reads a delivery off the wire, has it accepted, and answers as the contract says.

    Args:
        max_body: bytes; more is answered 413 before it is buffered.
        body_timeout: seconds for a whole body.
        trusted_proxies: networks whose X-Forwarded-For is believed.
    """

    def __init__(
        self,
        *,
        receiver: Receiver,
        clock: Clock,
        max_body: int,
        body_timeout: float,
        trusted_proxies: Sequence[Network],
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._receiver = receiver
        self._clock = clock
        self._max_body = max_body
        self._body_timeout = body_timeout
        self._trusted_proxies = trusted_proxies
        self._metrics = metrics
        #: Looked up once each: by source and outcome.
        self._counters: dict[tuple[str, str], Counter] = {}
        self._log = log
        self._sparing = Sparing(clock)

    def use(
        self, *, max_body: int, body_timeout: float, trusted_proxies: Sequence[Network]
    ) -> None:
        """Bear this much from now on (E10); the arguments are those of the class."""
        self._max_body = max_body
        self._body_timeout = body_timeout
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = new_request_id()
        began = self._clock.monotonic()
        source = scope["path_params"]["source"]
        accepted: Accepted | None = None
        failure: CasebellError | None = None
        try:
            delivery = await self._read(scope, receive, source, request_id)
            began = self._clock.monotonic()
            accepted = await self._receiver.accept(delivery)
        except SenderWentAway:
            self._log.info("delivery.abandoned", source=source, request_id=request_id)
            return
        except CasebellError as error:
            failure = error
        except asyncio.CancelledError:
            # The server ends and waited long enough: the sender must hear that it may try again.
            failure = ShuttingDown()
        except Exception as error:  # noqa: BLE001 - a defect of ours must make the sender try again
            self._log.error("delivery.defect", source=source, request_id=request_id, error=error)
            failure = Unavailable()
        unread = isinstance(failure, BodyTooLarge | EncodedBody)
        await respond(send, *answer(accepted, failure, request_id), last=not unread)
        if unread:
            await self._linger(receive)
            await send({"type": "http.response.body"})
        self._tell(source, request_id, began, accepted, failure)

    async def _read(self, scope: Scope, receive: Receive, source: str, request_id: str) -> Delivery:
        """The whole delivery, its body read once and bounded."""
        if not self._receiver.knows(source):
            raise UnknownSource
        if scope["method"] != "POST":
            raise WrongMethod
        headers: Headers = scope["headers"]
        forwarded: list[bytes] = []
        for name, value in headers:
            if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise EncodedBody
            if name == b"content-length" and _too_long(value, self._max_body):
                raise BodyTooLarge
            if name == b"x-forwarded-for":
                forwarded.append(value)
        body = await self._read_body(receive)
        peer = scope.get("client")
        return Delivery(
            source=source,
            body=body,
            headers=tuple(headers),
            address=client_address(peer[0] if peer else "", forwarded, self._trusted_proxies),
            received_at=self._clock.now(),
            request_id=request_id,
        )

    async def _read_body(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        with Deadline(self._body_timeout):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise SenderWentAway
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > self._max_body:
                    raise BodyTooLarge
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)

    async def _linger(self, receive: Receive) -> None:
        """Take some more of a body that was answered already, and throw it away.

        Closing while the sender still writes would reset the connection, and the sender would see
        that instead of the answer.
        """
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while size < LINGER_BYTES:
                    message = await receive()
                    size += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _tell(
        self,
        source: str,
        request_id: str,
        began: float,
        accepted: Accepted | None,
        failure: CasebellError | None,
    ) -> None:
        seconds = self._clock.monotonic() - began
        outcome = accepted.status if accepted else failure.code if failure else "error"
        # A stranger's path must not make up label values.
        known = source if self._receiver.knows(source) else "unknown"
        self._count(known, outcome)
        fields: dict[str, Any] = {}
        if isinstance(failure, TooManyRefusals | UnknownSource | WrongMethod):
            left_out = self._sparing.line(outcome)
            if left_out is None:
                return
            if left_out:
                fields["left_out"] = left_out
        if accepted is not None:
            self._metrics.delivery_seconds.observe(seconds)
            fields["row"] = accepted.row
            if accepted.event is not None:
                fields["receipt"] = mask(accepted.event.receipt)
                fields["status"] = accepted.event.status.value
            if accepted.reason is not None:
                fields["reason"] = accepted.reason.value
        self._log.info(
            "delivery.received",
            source=known,
            outcome=outcome,
            request_id=request_id,
            ms=round(seconds * 1000, 3),
            **fields,
        )

    def _count(self, source: str, outcome: str) -> None:
        counter = self._counters.get((source, outcome))
        if counter is None:
            counter = self._metrics.deliveries.labels(source, outcome)
            self._counters[source, outcome] = counter
        counter.inc()


def _too_long(value: bytes, limit: int) -> bool:
    """Whether a Content-Length is over the limit; what is no number is the server's to refuse."""
    return value.isdigit() and (len(value) > 15 or int(value) > limit)
