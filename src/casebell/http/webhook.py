"""`POST /webhooks/{source}`: read a delivery, have it accepted, say so.

    request → read → accept → note → answer
                │       └ cannot, did not authenticate  → its error
                └ too large, encoded, unknown source    → its error

The connection's guard answers a body that is too slow; here its sender went away.

A plain ASGI application; `receive/accept.py` goes on from here.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import cache
from typing import Any

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
from casebell.http.answers import Headers, accepted_answer, error_answer, respond
from casebell.http.throttle import LogThrottle
from casebell.receive.accept import Accepted, Held, Receiver
from casebell.receive.address import client_address
from casebell.settings.models import ServerSettings
from casebell.telemetry import Log, Metrics
from casebell.uscis.receipts import mask

#: Where sources post to, each under its name.
WEBHOOKS = "/webhooks/"
#: How long, and how much of, a body that is refused unread may still come in.
LINGER_SECONDS = 1.0
LINGER_BYTES = 4 * 1024 * 1024
#: What costs a stranger nothing to repeat: the log names some of them.
_CHEAP = (TooManyRefusals, UnknownSource, WrongMethod)


class SenderWentAway(Exception):
    """The sender closed the connection before its body was complete."""


class WebhookEndpoint:
    """Answers each delivery as docs/contract.md says, counts it and logs what became of it.

    Args:
        limits: the settings in force, asked for each request.
    """

    def __init__(
        self,
        *,
        receiver: Receiver,
        limits: Callable[[], ServerSettings],
        clock: Clock,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._receiver = receiver
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        #: Looked up once for each source and outcome.
        self._counter = cache(metrics.deliveries.labels)
        self._log = log
        self._throttle = LogThrottle(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        source, request_id = scope["path_params"]["source"], new_request_id()
        since = self._clock.monotonic()
        try:
            delivery = await self._read(scope, receive, source, request_id)
            since = self._clock.monotonic()
            accepted = await self._receiver.accept(delivery)
        except SenderWentAway:
            self._log.info("delivery.abandoned", source=source)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told apart there
            failure = self._failure(error, source, request_id)
            self._note_failure(failure, source, request_id, since)
            # The server may be ending: the sender must hear all the same that it may try again.
            unread = isinstance(failure, BodyTooLarge | EncodedBody)
            await respond(send, error_answer(failure, request_id), last=not unread)
            if unread:
                await _linger(receive)
                await send({"type": "http.response.body"})
        else:
            self._note(accepted, source, request_id, since)
            await respond(send, accepted_answer(accepted, request_id))

    async def _read(self, scope: Scope, receive: Receive, source: str, request_id: str) -> Delivery:
        """The whole delivery; what can be refused without its body is refused first."""
        if not self._receiver.knows(source):
            raise UnknownSource
        if scope["method"] != "POST":
            raise WrongMethod
        limits = self._limits()
        headers, peer = scope["headers"], scope.get("client")
        forwarded = _see_head(headers, max_body=limits.max_body)
        body = await _read_body(receive, max_body=limits.max_body)
        return Delivery(
            source=source,
            body=body,
            headers=tuple(headers),
            address=client_address(peer[0] if peer else "", forwarded, limits.trusted_proxies),
            received_at=self._clock.now(),
            request_id=request_id,
        )

    def _failure(self, error: BaseException, source: str, request_id: str) -> CasebellError:
        if isinstance(error, CasebellError):
            return error
        if isinstance(error, asyncio.CancelledError):
            # The server ends and waited long enough.
            return ShuttingDown()
        # A defect of ours must make the sender try again.
        self._log.error("delivery.defect", source=source, request_id=request_id, error=error)
        return Unavailable()

    def _note(self, accepted: Accepted, source: str, request_id: str, since: float) -> None:
        seconds = self._clock.monotonic() - since
        self._counter(source, accepted.status).inc()
        self._metrics.delivery_seconds.observe(seconds)
        which: dict[str, Any]
        if isinstance(accepted, Held):
            which = {"row": accepted.held_id, "reason": accepted.reason.value}
        else:
            which = {"row": accepted.event_id, "receipt": mask(accepted.event.receipt)}
            if (decided := accepted.decided) is not None:
                which["status"] = decided.event.status.value
                which["decision"] = decided.outcome.value
                which["change"] = decided.change.id
        self._log.info(
            "delivery.received",
            source=source,
            outcome=accepted.status,
            request_id=request_id,
            ms=round(seconds * 1000, 3),
            **which,
        )

    def _note_failure(
        self, failure: CasebellError, source: str, request_id: str, since: float
    ) -> None:
        # A stranger's path must not make up label values.
        known = source if self._receiver.knows(source) else "unknown"
        self._counter(known, failure.code).inc()
        left_out = self._throttle.line(failure.code) if isinstance(failure, _CHEAP) else 0
        if left_out is not None:
            self._log.info(
                "delivery.received",
                source=known,
                outcome=failure.code,
                request_id=request_id,
                ms=round((self._clock.monotonic() - since) * 1000, 3),
                **({"left_out": left_out} if left_out else {}),
            )


def _see_head(headers: Headers, *, max_body: int) -> list[bytes]:
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


async def _read_body(receive: Receive, *, max_body: int) -> bytes:
    """The whole body, read once and bounded."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderWentAway
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_body:
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _linger(receive: Receive) -> None:
    """Take some more of a body that was answered already, and throw it away.

    Closing while the sender still writes would reset the connection, and the sender would see that
    instead of the answer.
    """
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while size < LINGER_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
