"""One HTTP connection, as strangers hold it: bounded before a request is a request.

The web server reads heads without end and waits for them for ever; bodies are the endpoint's
affair. So here a connection that does not bring a request about in time, or that sends much which
is neither a complete head nor a body, ends.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from casebell.clock import new_request_id
from casebell.errors import CasebellError, RequestError, WrongMethod
from casebell.receive.answers import error_answer

#: Bytes of a head, a trailer or a chunk's extension that may come without completing it.
LARGEST_HEAD = 64 * 1024
#: Headers of one request: each costs memory, however short it is.
MOST_HEADERS = 100
#: Requests that one connection may have waiting behind one that is being answered.
MOST_WAITING = 64
#: Pieces of one body that are shorter than SHORT bytes. A body in chunks of one byte costs the
#: server seconds of its time, and its sender nothing.
MOST_SHORT = 4_096
SHORT = 64


class TooMuch(Exception):
    """More than a request or a connection may hold; the parser makes a 400 of it."""


class Connection(HttpToolsProtocol):
    """The server's protocol, with an end to its patience; subclass it to set the time.

    Reaches into uvicorn and httptools: it overrides the protocol's callbacks, reads its state, and
    knows what the parser does at an upgrade offer.
    """

    #: Seconds for a head, and for the rest of a body that was answered without being read.
    patience: float = 10.0
    #: Told of its end.
    left: Callable[["Connection"], None] = staticmethod(lambda _: None)
    #: What lets it in, until it is.
    arriving: "asyncio.Task[Any] | None" = None

    #: Until when what is waited for must have come: a head, the rest of a body, any request.
    _until: float | None = None
    #: Looks at that now and then: a timer for each request would cost as much as reading its head.
    _watch: asyncio.TimerHandle | None = None
    #: Until when a client that does not read its answers must have begun to.
    _unread_until: asyncio.TimerHandle | None = None
    #: Bytes since the last one that was of use.
    _unfinished: int = 0
    #: Short pieces of the running body.
    _short: int = 0
    #: Whether a head is complete and its body is not.
    _in_body: bool = False
    #: The request that is being answered; others wait in the pipeline.
    _answering: RequestResponseCycle | None = None
    #: The request to which the running body belongs; None before it is the server's.
    _body_of: RequestResponseCycle | None = None
    #: Whether nothing more is read: the connection ends with the answers under way.
    _ending: bool = False
    #: Answered after those.
    _last_error: CasebellError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.arriving = None
        self._wait(self.patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._until = None
        if self._watch is not None:
            self._watch.cancel()
        self.resume_writing()
        self.left(self)
        # The web server tells only the newest request that nobody reads its answer.
        for cycle in (self._answering, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None:
                _disconnect(cycle)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless too much of it leads nowhere."""
        if self._ending or self.transport.is_closing():
            return
        self._unfinished += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._end(RequestError())
        if self._unfinished > LARGEST_HEAD and not self._ending:
            self._end(RequestError())

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.head_begins()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers come late for everybody and are dropped."""
        if not self._in_body:
            if len(self.headers) >= MOST_HEADERS:
                raise TooMuch
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete: from here on the application has the time in hand."""
        if not self.parser.should_upgrade():
            self.head_is_complete()
            super().on_headers_complete()
            self._body_of = self.cycle

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self.body_came(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if not self.parser.should_upgrade():
            self.message_is_complete()
            super().on_message_complete()
            if not self.parser.should_keep_alive():
                # A trailer can say so, too; the parser then reads nothing more.
                self.cycle.keep_alive = False
            if self.idle:
                # It was answered before its end.
                self._wait(self.timeout_keep_alive)
                if not self.cycle.keep_alive:
                    self._close()

    def head_begins(self) -> None:
        """Begin to wait for the rest of a head, unless the last answer was the last."""
        self._body_of = None
        if self.transport.is_closing():
            raise TooMuch
        self._until = None
        self._wait(self.patience)

    def head_is_complete(self) -> None:
        """Begin to count what comes of a body."""
        if len(self.pipeline) >= MOST_WAITING:
            # A few hundred kilobytes hold ten thousand requests, and each of them takes memory.
            raise TooMuch
        self._unfinished = 0
        self._until = None
        self._in_body = True
        self._short = 0

    def body_came(self, body: bytes) -> None:
        """Count a part of a body."""
        self._unfinished = 0
        if len(body) < SHORT:
            self._short += 1
            if self._short > MOST_SHORT:
                raise TooMuch

    def message_is_complete(self) -> None:
        """Nothing more to wait for."""
        self._unfinished = 0
        self._until = None
        self._in_body = False
        self._body_of = None

    def on_response_complete(self) -> None:
        """An answer is complete; its request need not be, and the next one may be there."""
        if self.pipeline:
            super().on_response_complete()
            return
        if self._last_error is not None:
            self._say_last(self._last_error)
            return
        # As the web server does it, but for its timer for each answer.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._close()
        else:
            self.flow.resume_reading()
            self._wait(self.patience if self._in_body else self.timeout_keep_alive)

    def pause_writing(self) -> None:
        """The client does not read its answers: for so long, then it has had its time."""
        super().pause_writing()
        self._unread_until = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        if self._unread_until is not None:
            self._unread_until.cancel()
            self._unread_until = None

    def _feed(self, data: bytes) -> None:
        """Feed the parser, as if nothing offered an upgrade.

        RFC 9110 7.8 lets a server ignore an offer, and this parser does not: it skips the body and
        takes what follows for another protocol. So the same head goes to a fresh parser, without
        the offer, and the body behind it is read as one.
        """
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                (end_of_head,) = offer.args
            else:
                return
            if self.parser.get_method() == b"CONNECT":
                self._end(WrongMethod())
                return
            head = self._head_without_offer()
            self.parser = httptools.HttpRequestParser(self)
            # As the web server's own: what stands behind the last request of a connection is no
            # reason not to answer that request.
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)
            rest = rest[end_of_head:]

    def _head_without_offer(self) -> bytes:
        """The head just parsed, as it would be without the Upgrade header."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _end(self, error: CasebellError) -> None:
        """Read nothing more, and answer an error after the requests that wait for their answers."""
        self._ending = True
        broken = self._body_of
        if broken is not None and broken.response_started:
            # One request has one answer.
            broken.keep_alive = False
            if broken.response_complete:
                self._close()
        elif broken is not None and self.pipeline:
            # The newest one waits at the left.
            self.pipeline.popleft()
            self._last_error = error
        elif broken is not None:
            _disconnect(broken)
            self._say_last(error)
        elif self.idle:
            self._say_last(error)
        else:
            self._last_error = error

    def _say_last(self, error: CasebellError) -> None:
        """Answer an error in the contract's shape, and close."""
        if self.transport.is_closing():
            return
        self.transport.write(answer_bytes(error, new_request_id()))
        self._close()

    def _close(self) -> None:
        """End once what was written is read, which may be never: for so long, then at once."""
        self.transport.close()
        self._until = None
        self._wait(self.patience)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def idle(self) -> bool:
        """Whether no request is under way: none came yet, or the last one is answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    @property
    def unfinished(self) -> bool:
        """Whether we wait for the rest of a body, of which nothing is acknowledged."""
        return self._in_body and not self.pipeline

    def leave(self) -> None:
        """End at once."""
        if self.arriving is not None:
            self.arriving.cancel()
        else:
            self.transport.abort()

    def _wait(self, seconds: float) -> None:
        if self._until is None:
            self._until = self.loop.time() + seconds
            if self._watch is None:
                self._watch = self.loop.call_later(self.patience, self._look)

    def _look(self) -> None:
        self._watch = None
        if self._until is None:
            return
        left = self._until - self.loop.time()
        if not self.idle and not self.transport.is_closing():
            # An earlier request on this connection is being answered; the next one may wait.
            left = max(left, self.patience)
        if left <= 0:
            self.transport.abort()
        else:
            # What is waited for may have to come sooner next time.
            self._watch = self.loop.call_later(min(left, self.patience), self._look)


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Let a request write no answer."""
    if not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()


def answer_bytes(error: CasebellError, request_id: str) -> bytes:
    """An error in the contract's shape, after which the connection ends."""
    status, headers, body = error_answer(error, request_id)
    headers += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return STATUS_LINE[status] + head + b"\r\n" + body
