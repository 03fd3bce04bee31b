"""The web server's protocol for one connection, with limits on size and time.

uvicorn reads endless heads and waits for them for ever, and it parses the body behind an upgrade
offer as another request. The endpoint limits the size of a body, and a proxy the connections of one
address (docs/decisions/0016-one-http-path.md).
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
from casebell.http.one_write import OneWrite
from casebell.http.throttle import LogThrottle
from casebell.settings.models import ServerSettings
from casebell.telemetry import Log

#: Bytes of an incomplete head, trailer or chunk extension.
MAX_HEAD_BYTES = 64 * 1024
#: Headers of one request: each costs memory, however short.
MAX_HEADERS = 100
#: Requests of one connection that may wait behind the one that is being answered.
MAX_PIPELINED = 64
#: Chunks of one body that may be shorter than SMALL_CHUNK_BYTES. A body in chunks of one byte costs
#: the server seconds, and its sender nothing.
MAX_SMALL_CHUNKS = 4_096
SMALL_CHUNK_BYTES = 64


#: Beginnings of what is no HTTP/1, and what they are.
_OTHER_PROTOCOLS = {
    b"\x16": "TLS on a port that speaks plain HTTP",
    b"PROXY ": "the PROXY protocol",
    b"\r\n\r\n\0\r\nQUIT\n": "the PROXY protocol",
}


#: What a client says that speaks it, behind TLS too, where no protocol was negotiated.
_HTTP2 = "HTTP/2 without an offer to upgrade"


class OverLimit(Exception):
    """A request or a connection is over a limit; the parser turns this into a 400."""


class ConnectionLimiter:
    """Limits the number of connections, and counts those that it refuses. All of them share it.

    Args:
        limits: returns the settings in force. `body_timeout` limits a head as well.
        max_connections: connections that may be open.
        registry: where the metrics are shown.
        refused: notes a request that a guard refused: its error, a scope, and what is wrong.
    """

    def __init__(
        self,
        *,
        limits: Callable[[], ServerSettings],
        max_connections: int,
        registry: CollectorRegistry,
        clock: Clock,
        log: Log,
        refused: Callable[..., None] = lambda *_, **__: None,
    ) -> None:
        self.limits = limits
        self.refused = refused
        self._max_connections = max_connections
        self._open = Gauge("casebell_connections", "Open connections.", registry=registry)
        self._refused = Counter(
            "casebell_connections_refused",
            "Connections answered 503 at once, because too many were open.",
            registry=registry,
        )
        self._throttle = LogThrottle(clock, lines_a_minute=1)
        self._log = log

    def admits(self, connections: int) -> bool:
        """Whether the newest of so many connections may stay; logs a refusal."""
        self._open.set(connections)
        if connections <= self._max_connections:
            return True
        self._refused.inc()
        left_out = self._throttle.line("connections.full")
        if left_out is not None:
            self._log.warning("connections.full", open=connections, left_out=left_out)
        return False

    def closed(self, connections: int) -> None:
        """Note how many connections are still open."""
        self._open.set(connections)


class Guard(HttpToolsProtocol):
    """One connection with its limits.

    Reaches into uvicorn and httptools: it overrides the protocol's callbacks, reads its state, and
    depends on the parser's behaviour at an upgrade offer.
    """

    #: When the head, the body or the next request that is awaited must be complete.
    _deadline: float | None = None
    #: Checks that now and then: a timer for each request would cost as much as parsing its head.
    _timer: asyncio.TimerHandle | None = None
    #: Ends the connection of a client that does not read its answers.
    _write_timer: asyncio.TimerHandle | None = None
    #: Bytes since the last complete head or part of a body.
    _unfinished = 0
    #: Small chunks of the current body.
    _small_chunks = 0
    #: The request whose body is being read.
    _body_of: RequestResponseCycle | None = None
    #: Whether reading has ended: the connection ends with the answers under way.
    _ending = False

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limiter: ConnectionLimiter,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limiter = limiter

    # ── The connection ───────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; refuse the connection if too many are open."""
        super().connection_made(OneWrite(transport, self.loop))
        self._set_deadline(self._timeout)
        if not self._limiter.admits(len(self.connections)):
            self._refuse(Unavailable())

    def data_received(self, data: bytes) -> None:
        """Parse the data; refuse a request that stays incomplete for too many bytes."""
        if self._ending or self.transport.is_closing():
            return
        self._unfinished += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            # It may come in pieces, as over TLS; the parser has put it together.
            preface = self.parser.get_method() == b"PRI"
            self._refuse(RequestError(), what=_HTTP2 if preface else _what(error, data))
        if self._unfinished > MAX_HEAD_BYTES and not self._ending:
            self._refuse(RequestError(), what=f"more than {MAX_HEAD_BYTES:,} bytes without an end")

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more; its complete requests are answered."""
        if self._body_of is not None:
            self._refuse(RequestError(), what="the body ended early")
        elif self.idle:
            # Not at once: the last answer may wait for the end of this turn.
            self.transport.close()
        else:
            self.cycle.keep_alive = False
        self._ending = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()
        super().connection_lost(exc)
        self._limiter.closed(len(self.connections))

    def pause_writing(self) -> None:
        """The client does not read its answers: end the connection after the time-out."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # ── A request ────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """A head begins, and must end in time. Behind the last answer it is refused."""
        if self.transport.is_closing():
            raise OverLimit
        super().on_message_begin()
        self._deadline = None
        self._set_deadline(self._timeout)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; drop a trailer."""
        if self._body_of is None:
            if len(self.headers) >= MAX_HEADERS:
                raise OverLimit(f"more than {MAX_HEADERS} headers")
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete, and its body must be in time."""
        if self.parser.should_upgrade():
            # The head is parsed again, without the offer.
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            # A few hundred kilobytes can hold ten thousand requests, and each takes memory.
            raise OverLimit(f"more than {MAX_PIPELINED} requests that wait")
        self._unfinished = self._small_chunks = 0
        super().on_headers_complete()
        self._body_of = self.cycle
        self._deadline = None
        self._set_deadline(self._timeout)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._unfinished = 0
        if len(body) < SMALL_CHUNK_BYTES:
            self._small_chunks += 1
            if self._small_chunks > MAX_SMALL_CHUNKS:
                raise OverLimit(f"more than {MAX_SMALL_CHUNKS:,} tiny chunks")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete: it has no deadline any more."""
        if self.parser.should_upgrade():
            return
        self._unfinished = 0
        self._deadline = None
        self._body_of = None
        super().on_message_complete()
        if not self.parser.should_keep_alive():
            # Also by a trailer; the parser then reads nothing more.
            self.cycle.keep_alive = False
        if self.idle:
            # It was answered before its body was complete.
            self._await_next()

    def on_response_complete(self) -> None:
        """An answer is complete; its request may be incomplete, and the next one may wait."""
        if self.pipeline:
            super().on_response_complete()
            if self._body_of is not None:
                # Reading waited for us until now: the rest of the body has its whole time.
                self._deadline = None
                self._set_deadline(self._timeout)
            return
        # As in the web server, without its timer for each answer.
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
        self._await_next()

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    # ── An upgrade offer ─────────────────────────────────────────────────────────────────────────

    def _feed(self, data: bytes) -> None:
        """Feed the parser, ignoring offers of an upgrade.

        RFC 9110 7.8 lets a server ignore an offer, but this parser skips the body and expects
        another protocol. So the same head goes to a new parser, without the offer, and the body is
        read.
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
            # As in the web server: data behind the last request of a connection must not prevent
            # its answer.
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

    def _refuse(self, error: CasebellError, *, what: str = "") -> None:
        """Read nothing more; the error is the last answer, after those of earlier requests.

        Args:
            what: what is wrong, in words of ours.
        """
        self._ending = True
        broken, refusal = self._body_of, _refusal(error)
        if self.transport.is_closing():
            return
        if isinstance(error, RequestError):
            self._limiter.refused(error, broken.scope if broken else self._unread(), what=what)
        if broken is None:
            self._answer_last(refusal)
        elif broken.response_started:
            broken.keep_alive = False
            if broken.response_complete:
                self._await_next()
        elif self.pipeline:
            # The newest request is at the left.
            self.pipeline[0] = (broken, refusal)
            broken.keep_alive = False
        else:
            # Its application is told that the client disconnected, and writes no answer.
            broken.disconnected = True
            broken.message_event.set()
            self.cycle = None  # type: ignore[assignment]
            self._answer_last(refusal)

    def _unread(self) -> Scope:
        """A request of which no more than the beginning was read."""
        path = getattr(self, "url", b"").partition(b"?")[0].decode("latin-1")
        headers = list(self.headers or ())
        return {"path": path, "method": "", "headers": headers, "client": self.client}

    def _answer_last(self, app: Any) -> None:
        """Answer with `app` after all requests, as the last answer."""
        super().on_message_begin()
        self.url, self.app = b"/", app
        super().on_headers_complete()
        # The parser may still have the method of an earlier request; HEAD would have no body.
        self.scope["method"] = "GET"
        self.cycle.keep_alive = False

    def _await_next(self) -> None:
        """Wait for the next request, the rest of a body, or the end of the connection."""
        if not self.cycle.keep_alive:
            self.transport.close()
        if self.transport.is_closing():
            # The client must read the answer in time.
            self._deadline = None
            self._set_deadline(self._timeout)
        else:
            self._set_deadline(self._timeout if self._body_of else self.timeout_keep_alive)

    @property
    def _timeout(self) -> float:
        return self._limiter.limits().body_timeout

    def _set_deadline(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = self.loop.time() + seconds
            if self._timer is None:
                self._timer = self.loop.call_later(self._timeout, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        left, late = self._deadline - self.loop.time(), self._body_of
        if left > 0:
            # The next deadline may be earlier.
            self._timer = self.loop.call_later(min(left, self._timeout), self._check_deadline)
        elif self.idle or self.transport.is_closing():
            self.transport.abort()
        elif late is not None and not late.response_started and not self.pipeline:
            self._refuse(BodyTooSlow())
        else:
            # An earlier request is being answered; reading waits for it.
            self._timer = self.loop.call_later(self._timeout, self._check_deadline)


def _what(error: httptools.HttpParserError, data: bytes) -> str:
    """What is wrong with a request, in words of ours or of the parser's."""
    if isinstance(error.__context__, OverLimit):
        return str(error.__context__)
    for beginning, name in _OTHER_PROTOCOLS.items():
        if data.startswith(beginning):
            return name
    return f"no HTTP/1: {error}"


def _refusal(error: CasebellError) -> Any:
    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, error_answer(error, new_request_id()))

    return answer
