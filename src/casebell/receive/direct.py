"""Deliveries that came whole in one read, as nearly all do: answered by the connection itself.

The general way gives each request a scope, a task and a row of messages, which costs more than to
authenticate, understand and store a delivery. Here it is a call and a callback. Whatever is not
whole when a read ends, or is no delivery, goes the general way as if this were not there.
"""

import asyncio
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from casebell.receive.answers import Answer
from casebell.receive.connection import Connection
from casebell.receive.endpoint import WEBHOOKS
from casebell.receive.reception import Reception

#: Deliveries taken out of one read; a stranger could put a thousand forged ones into it.
MOST_IN_READ = 32
_PATH = WEBHOOKS.encode()


class Exchange:
    """A request under way, in the eyes of a web server that did not start it.

    Reaches into uvicorn: these are the attributes that its protocol and server ask for.
    """

    __slots__ = ("disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        #: Nobody waits for it.
        self.message_event = _NOBODYS


class _Nobodys:
    """An event that nobody waits for."""

    def set(self) -> None:
        """Nothing."""


_NOBODYS = _Nobodys()


class DirectConnection(Connection):
    """Subclass it to set who takes the deliveries."""

    reception: Reception

    #: The body so far of what may be a whole delivery; None where it is none.
    _whole: list[bytes] | None = None
    #: Deliveries in the running read: nobody else has a turn before it ends.
    _in_read: int = 0

    def data_received(self, data: bytes) -> None:
        """Take what came; what is not whole by now goes the general way."""
        self._in_read = 0
        super().data_received(data)
        if self._whole is not None:
            body, self._whole = b"".join(self._whole), None
            if not self.transport.is_closing():
                self._go_the_general_way()
                super().on_body(body)

    def on_message_begin(self) -> None:
        """A head begins; what only the general way needs is made there."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.head_begins()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        if self.parser.should_upgrade():
            # Comes again, without the offer.
            return
        if self._may_be_direct():
            self.head_is_complete()
            self._whole = []
        else:
            self._go_the_general_way()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if self._whole is None:
            super().on_body(body)
        else:
            self.body_came(body)
            self._whole.append(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self._whole is None:
            super().on_message_complete()
            return
        body, self._whole = b"".join(self._whole), None
        self._in_read += 1
        self.message_is_complete()
        exchange = Exchange(keep_alive=self.parser.should_keep_alive())
        self.cycle = self._answering = cast("RequestResponseCycle", exchange)
        accepting = self.reception.take(
            self._source(),
            self.headers,
            body,
            peer=self.client[0] if self.client else "",
            tell=partial(self._answer, exchange),
        )
        if accepting is not None:
            # The server waits for them when it ends, and cancels them when that takes too long.
            self.tasks.add(cast("asyncio.Task[Any]", accepting))
            accepting.add_done_callback(self.tasks.discard)

    def _source(self) -> str:
        return self.url[len(_PATH) :].decode("latin-1")

    def _may_be_direct(self) -> bool:
        """Whether this head is of a delivery to a source we know, with nothing else under way."""
        return (
            self.url.startswith(_PATH)
            and self.parser.get_method() == b"POST"
            and self.idle
            and not self.expect_100_continue
            and not self.flow.write_paused
            and self._in_read < MOST_IN_READ
            and self.parser.get_http_version() == "1.1"
            and self.reception.knows(self._source())
        )

    def _go_the_general_way(self) -> None:
        url, headers, continues = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, continues
        self.headers.extend(headers)
        super().on_headers_complete()

    def _answer(self, exchange: Exchange, told: Answer) -> None:
        exchange.response_complete = True
        if exchange.disconnected:
            return
        status, headers, body = told
        content = [STATUS_LINE[status]]
        for name, value in [*self.server_state.default_headers, *headers]:
            if name == b"connection":
                # An error that ends the connection; what else such a header may say, we never do.
                exchange.keep_alive = False
            else:
                content += (name, b": ", value, b"\r\n")
        if not exchange.keep_alive:
            content.append(b"connection: close\r\n")
        content += (b"content-length: %d\r\n\r\n" % len(body), body)
        self.transport.write(b"".join(content))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()
