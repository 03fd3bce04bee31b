"""One HTTP connection, as strangers hold it: bounded before a request is a request.

The web server reads heads without end and waits for them for ever; bodies are the endpoint's
affair. So here a connection that does not bring a request about in time, or that sends much which
is neither a complete head nor a body, ends.
"""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from casebell.clock import new_request_id
from casebell.errors import RequestError

#: Bytes of a head, a trailer or a chunk's extension that may come without completing it.
LARGEST_HEAD = 64 * 1024


class Connection(HttpToolsProtocol):
    """The server's protocol, with an end to its patience; subclass it to set the time."""

    #: Seconds for a head, and for the rest of a body that was answered without being read.
    patience: float = 10.0

    _deadline: asyncio.TimerHandle | None = None
    #: Bytes since the last one that was of use.
    _unfinished: int = 0
    #: Whether a head is complete and its body is not.
    _in_body: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless too much of it leads nowhere."""
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers come late for everybody and are dropped."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete: from here on the application has the time in hand."""
        self._arrived()
        self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._arrived()
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is complete; its request need not be."""
        super().on_response_complete()
        if self._in_body:
            self._wait()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's own words
        """Answer what is no request in the contract's shape, and end."""
        request_id = new_request_id()
        content = {
            "error": RequestError.code,
            "message": (RequestError.__doc__ or "").strip(),
            "request_id": request_id,
        }
        body = json.dumps(content).encode()
        head = (
            f"content-type: application/json\r\nx-request-id: {request_id}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[400] + head.encode() + body)
        self.transport.close()

    def _wait(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.patience, self._give_up)

    def _arrived(self) -> None:
        self._unfinished = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # An earlier request on this connection is being answered; the next one may wait.
            self._wait()
        else:
            self.transport.close()
