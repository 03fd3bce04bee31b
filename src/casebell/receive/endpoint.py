"""HTTP in and out for `POST /webhooks/{source}`, for deliveries that do not come in one piece.

A plain ASGI application: reads the body once, bounded in size and time, and hands it to the
reception, which the connection itself does where it has all of it at once.
"""

import asyncio
import contextlib

from starlette.types import Receive, Scope, Send

from casebell.errors import (
    BodyTooLarge,
    EncodedBody,
    ShuttingDown,
    UnknownSource,
    WrongMethod,
)
from casebell.receive.answers import Answer, respond
from casebell.receive.deadline import Deadline
from casebell.receive.reception import Reception, see_head

#: Where sources post to, each under its name.
WEBHOOKS = "/webhooks/"
#: How long, and how much of, a body that is refused unread may still come in.
LINGER_SECONDS = 1.0
LINGER_BYTES = 4 * 1024 * 1024


class SenderWentAway(Exception):
    """The sender closed the connection before its body was complete."""


class WebhookEndpoint:
    """Reads a delivery off the wire, has it accepted, and answers as the contract says.

    Args:
        body_timeout: seconds for a whole body.
    """

    def __init__(self, reception: Reception, *, body_timeout: float) -> None:
        self._reception = reception
        self._body_timeout = body_timeout

    def use(self, *, body_timeout: float) -> None:
        """Wait this long from now on (E10)."""
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        source = scope["path_params"]["source"]
        try:
            body = await self._read(scope, receive, source)
        except SenderWentAway:
            self._reception.abandoned(source)
            return
        except asyncio.CancelledError:
            # The server ends and waited long enough: the sender must hear that it may try again.
            await respond(send, *self._reception.refuse(source, ShuttingDown()))
            return
        except Exception as error:  # noqa: BLE001 - the reception tells them apart
            unread = isinstance(error, BodyTooLarge | EncodedBody)
            await respond(send, *self._reception.refuse(source, error), last=not unread)
            if unread:
                await self._linger(receive)
                await send({"type": "http.response.body"})
            return
        await respond(send, *await self._accepted(scope, source, body))

    async def _read(self, scope: Scope, receive: Receive, source: str) -> bytes:
        """The whole body, read once and bounded."""
        if not self._reception.knows(source):
            raise UnknownSource
        if scope["method"] != "POST":
            raise WrongMethod
        see_head(scope["headers"], max_body=self._reception.max_body)
        chunks: list[bytes] = []
        size = 0
        with Deadline(self._body_timeout):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise SenderWentAway
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > self._reception.max_body:
                    raise BodyTooLarge
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)

    async def _accepted(self, scope: Scope, source: str, body: bytes) -> Answer:
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        client = scope.get("client")
        accepting = self._reception.take(
            source, scope["headers"], body, peer=client[0] if client else "", tell=told.set_result
        )
        try:
            return await asyncio.shield(told)
        except asyncio.CancelledError:
            # The server ends and waited long enough.
            if accepting is not None:
                accepting.cancel()
            return await told

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
