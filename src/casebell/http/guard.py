"""The web server's protocol for one connection, bounded before a request is a request.

uvicorn reads heads without end and waits for them for ever, and takes what stands behind an upgrade
offer for a request of its own. How large a body may be is the endpoint's affair, and how many
connections one address may hold a proxy's (docs/decisions/0016-one-http-path.md).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from casebell.clock import Clock, new_request_id
from casebell.errors import BodyTooSlow, CasebellError, RequestError, Unavailable, WrongMethod
from casebell.http.answers import error_answer, respond
from casebell.http.throttle import LogThrottle
from casebell.settings.models import ServerSettings
from casebell.telemetry import Log

#: Bytes of a head, a trailer or a chunk's extension that may come without completing it.
LARGEST_HEAD = 64 * 1024
#: Bytes of a piece of an answer that does not wait for others.
LARGE = 16 * 1024
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


class Gate:
    """What all connections share: the bounds for them, and how many were sent away.

    Args:
        limits: the settings in force. `body_timeout` is the patience for a head, too.
        most: connections that may be open.
        registry: where the metrics are shown.
    """

    def __init__(
        self,
        *,
        limits: Callable[[], ServerSettings],
        most: int,
        registry: CollectorRegistry,
        clock: Clock,
        log: Log,
    ) -> None:
        self.limits = limits
        self._most = most
        self._open = Gauge("casebell_connections", "Open connections.", registry=registry)
        self._refused = Counter(
            "casebell_connections_refused",
            "Connections answered 503 at once, because too many were open.",
            registry=registry,
        )
        self._throttle = LogThrottle(clock, lines_a_minute=1)
        self._log = log

    def has_place(self, connections: int) -> bool:
        """Whether the newest of so many connections may stay; says where it may not."""
        self._open.set(connections)
        if connections <= self._most:
            return True
        self._refused.inc()
        left_out = self._throttle.line("connections.full")
        if left_out is not None:
            self._log.warning("connections.full", open=connections, left_out=left_out)
        return False

    def left(self, connections: int) -> None:
        """Note how many are still open."""
        self._open.set(connections)


class OneWrite(asyncio.Transport):
    """A transport that sends together what is written in one turn of the loop: head and body.

    It has what the protocol asks of a transport, and no more.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes | bytearray | memoryview] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """About the socket."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Take nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what comes again."""
        self._transport.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        if len(data) > LARGE:
            # Else who streams would not hear that nobody reads.
            self._flush()

    def close(self) -> None:
        """End once everything is sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._parts.clear()
        self._transport.abort()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class Guard(HttpToolsProtocol):
    """One connection, as strangers hold it.

    Reaches into uvicorn and httptools: it overrides the protocol's callbacks, reads its state, and
    knows what the parser does at an upgrade offer.
    """

    #: Until when what is waited for must have come: a head, a body, any request.
    _until: float | None = None
    #: Looks at that now and then: a timer for each request would cost as much as reading its head.
    _watch: asyncio.TimerHandle | None = None
    #: Until when a client that does not read its answers must have begun to.
    _unread_until: asyncio.TimerHandle | None = None
    #: Bytes since the last one that was of use.
    _unfinished = 0
    #: Short pieces of the running body.
    _short = 0
    #: The request to which the running body belongs.
    _body_of: RequestResponseCycle | None = None
    #: Whether nothing more is read: the connection ends with the answers under way.
    _ending = False

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        gate: Gate,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._gate = gate

    # ── The connection ───────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, if there is a place for one more."""
        super().connection_made(OneWrite(transport, self.loop))
        self._wait(self._patience)
        if not self._gate.has_place(len(self.connections)):
            self._refuse(Unavailable())

    def data_received(self, data: bytes) -> None:
        """Take what came, unless too much of it leads nowhere."""
        if self._ending or self.transport.is_closing():
            return
        self._unfinished += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(RequestError())
        if self._unfinished > LARGEST_HEAD and not self._ending:
            self._refuse(RequestError())

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client says no more; what it asked before is answered all the same."""
        if self._body_of is not None:
            self._refuse(RequestError())
        elif self.idle:
            # The last answer may still wait for the end of this turn.
            self.transport.close()
        else:
            self.cycle.keep_alive = False
        self._ending = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._until = None
        if self._watch is not None:
            self._watch.cancel()
        self.resume_writing()
        super().connection_lost(exc)
        self._gate.left(len(self.connections))

    def pause_writing(self) -> None:
        """The client does not read its answers: for so long, then it has had its time."""
        super().pause_writing()
        self._unread_until = self.loop.call_later(self._patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        if self._unread_until is not None:
            self._unread_until.cancel()
            self._unread_until = None

    # ── A request ────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """A head begins, and must end in time; not behind the last answer."""
        if self.transport.is_closing():
            raise TooMuch
        super().on_message_begin()
        self._until = None
        self._wait(self._patience)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers come late for everybody and are dropped."""
        if self._body_of is None:
            if len(self.headers) >= MOST_HEADERS:
                raise TooMuch
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete, and its body must be in time."""
        if self.parser.should_upgrade():
            # It comes again, without the offer.
            return
        if len(self.pipeline) >= MOST_WAITING:
            # A few hundred kilobytes hold ten thousand requests, and each of them takes memory.
            raise TooMuch
        self._unfinished = self._short = 0
        super().on_headers_complete()
        self._body_of = self.cycle
        self._until = None
        self._wait(self._patience)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._unfinished = 0
        if len(body) < SHORT:
            self._short += 1
            if self._short > MOST_SHORT:
                raise TooMuch
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete: from here on the application has the time in hand."""
        if self.parser.should_upgrade():
            return
        self._unfinished = 0
        self._until = None
        self._body_of = None
        super().on_message_complete()
        if not self.parser.should_keep_alive():
            # A trailer can say so, too; the parser then reads nothing more.
            self.cycle.keep_alive = False
        if self.idle:
            # It was answered before its end.
            self._settle()

    def on_response_complete(self) -> None:
        """An answer is complete; its request need not be, and the next one may be there."""
        if self.pipeline:
            super().on_response_complete()
            return
        # As the web server does it, but for its timer for each answer.
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
        self._settle()

    @property
    def idle(self) -> bool:
        """Whether no request is under way: none came yet, or the last one is answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    # ── An upgrade offer ─────────────────────────────────────────────────────────────────────────

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
                self._refuse(WrongMethod())
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

    # ── The end ──────────────────────────────────────────────────────────────────────────────────

    def _refuse(self, error: CasebellError) -> None:
        """Read nothing more; the error is the last answer, in its turn. A request has only one."""
        self._ending = True
        broken, refusal = self._body_of, _refusal(error)
        if self.transport.is_closing():
            return
        if broken is None:
            self._ask(refusal)
        elif broken.response_started:
            broken.keep_alive = False
            if broken.response_complete:
                self._settle()
        elif self.pipeline:
            # The newest one waits at the left.
            self.pipeline[0] = (broken, refusal)
            broken.keep_alive = False
        else:
            # Its application hears that the client has gone, and writes no answer.
            broken.disconnected = True
            broken.message_event.set()
            self.cycle = None  # type: ignore[assignment]
            self._ask(refusal)

    def _ask(self, app: Any) -> None:
        """Have something answered that is no request, behind those that are, as the last."""
        super().on_message_begin()
        self.url, self.app = b"/", app
        super().on_headers_complete()
        # The parser may still know the method of an earlier one, and HEAD would have no body.
        self.scope["method"] = "GET"
        self.cycle.keep_alive = False

    def _settle(self) -> None:
        """Wait for the next request, the rest of a body, or the end of the connection."""
        if not self.cycle.keep_alive:
            self.transport.close()
        if self.transport.is_closing():
            # What was written must be read in time.
            self._until = None
            self._wait(self._patience)
        else:
            self._wait(self._patience if self._body_of else self.timeout_keep_alive)

    @property
    def _patience(self) -> float:
        return self._gate.limits().body_timeout

    def _wait(self, seconds: float) -> None:
        if self._until is None:
            self._until = self.loop.time() + seconds
            if self._watch is None:
                self._watch = self.loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        self._watch = None
        if self._until is None:
            return
        left, late = self._until - self.loop.time(), self._body_of
        if left > 0:
            # What is waited for may have to come sooner next time.
            self._watch = self.loop.call_later(min(left, self._patience), self._look)
        elif self.idle or self.transport.is_closing():
            self.transport.abort()
        elif late is not None and not late.response_started and not self.pipeline:
            self._refuse(BodyTooSlow())
        else:
            # An earlier request is being answered, and nothing is read meanwhile.
            self._watch = self.loop.call_later(self._patience, self._look)


def _refusal(error: CasebellError) -> Any:
    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, error_answer(error, new_request_id()))

    return answer
