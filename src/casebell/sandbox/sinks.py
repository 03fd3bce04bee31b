"""Real loopback servers that keep what they are sent: an HTTP sink and a mail sink.

Both listen on 127.0.0.1 at a free port for as long as their `async with` block runs, and answer as
they are told to: well, slowly, with a refusal, or by hanging up.
"""

import asyncio
import logging
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from casebell.events import Micros

_HOST = "127.0.0.1"
#: Seconds `received()` waits before it gives up; far more than anything on this machine takes.
_PATIENCE = 20.0
#: Bytes: more than any alert needs.
_LARGEST_BODY = 10 * 1024 * 1024
#: A log level above every record.
_SILENT = logging.CRITICAL * 100


class Ending(StrEnum):
    """How a connection can end instead of with an answer."""

    #: Closed in good order, without a byte of answer.
    CLOSE = "close"
    #: Cut off with a TCP reset.
    RESET = "reset"


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """One request as it came in."""

    method: str
    #: Path and query string.
    path: str
    #: Names in lower case; of a repeated header the last.
    headers: dict[str, str]
    body: bytes
    #: When its last byte had arrived.
    at: Micros
    #: What it is answered.
    answer: "HttpAnswer | None" = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswer:
    """What the sink says to one request."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"ok"
    #: Seconds before the first byte.
    delay: float = 0.0
    #: The first byte waits until it is set, too.
    after: asyncio.Event | None = None
    #: Seconds between one byte and the next; 0 sends them at once.
    drip: float = 0.0
    ending: Ending | None = None


class HttpSink:
    """An HTTP server that keeps every request; over TLS where it is given a context."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self.port = 0
        self._tls = tls
        self._answers: list[HttpAnswer] = [HttpAnswer()]
        self._arrival = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"{'https' if self._tls else 'http'}://{_HOST}:{self.port}"

    def answer(self, *answers: HttpAnswer) -> None:
        """From now on give these answers, one to each request, and the last to all that follow."""
        self._answers = list(answers)

    async def received(self, count: int) -> Sequence[HttpRequest]:
        """Wait until that many requests came in; TimeoutError after twenty seconds."""
        await _until(lambda: len(self.requests) >= count, self._arrival)
        return tuple(self.requests)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, _HOST, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        # One turn for the connections to notice.
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer; the connection is not kept."""
        try:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                request = await _read_request(reader)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                self.requests.append(replace(request, answer=answer))
                self._arrival.set()
                await _write_answer(writer, answer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            # Over TLS a good end takes two; when the sink goes, it is not waited for.
            writer.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> HttpRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.split("\r\n")[:-2]
    method, path, _ = request_line.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = min(int(headers.get("content-length", 0)), _LARGEST_BODY)
    body = await reader.readexactly(length)
    return HttpRequest(method=method, path=path, headers=headers, body=body, at=_now())


async def _write_answer(writer: asyncio.StreamWriter, answer: HttpAnswer) -> None:
    await asyncio.sleep(answer.delay)
    if answer.after is not None:
        await answer.after.wait()
    if answer.ending is Ending.CLOSE:
        return
    if answer.ending is Ending.RESET:
        _cut_off(writer.transport)
        return
    headers = [*answer.headers, ("Content-Length", str(len(answer.body))), ("Connection", "close")]
    reason = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    data = "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
    if not answer.drip:
        writer.write(data)
        await writer.drain()
        return
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(answer.drip)


class SmtpStep(StrEnum):
    """The points of a mail conversation at which the sink can be told what to say."""

    HELLO = "hello"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpAnswer:
    """What the sink does at one step."""

    #: The reply line: `550 5.1.1 no such mailbox`; "" goes on as usual.
    reply: str = ""
    #: Seconds before it.
    delay: float = 0.0
    ending: Ending | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """One message as it came in."""

    sender: str
    recipients: tuple[str, ...]
    #: Headers and body, as they stood on the wire.
    content: bytes
    #: Whether the connection was encrypted.
    encrypted: bool
    #: User name of the login; "" without one.
    user: str
    at: Micros


class SmtpSink:
    """A mail server that keeps every message.

    With `tls` it insists on STARTTLS, with `login` (user, password) on authentication.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
    ) -> None:
        self.mails: list[Mail] = []
        self.port = 0
        self.host = _HOST
        self._tls = tls
        self._login = login
        self._answers: dict[SmtpStep, SmtpAnswer] = {}
        self._arrival = asyncio.Event()
        self._open: set[SMTP] = set()
        self._server: asyncio.Server

    def answer(self, step: SmtpStep, answer: SmtpAnswer) -> None:
        """From now on do this at that step."""
        self._answers[step] = answer

    async def received(self, count: int) -> Sequence[Mail]:
        """Wait until that many mails came in; TimeoutError after twenty seconds."""
        await _until(lambda: len(self.mails) >= count, self._arrival)
        return tuple(self.mails)

    async def __aenter__(self) -> Self:
        # What comes in is in `mails`; aiosmtpd would write every line of it to the log.
        logging.getLogger("mail.log").setLevel(_SILENT)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._conversation, _HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for conversation in self._open:
            transport: Any = conversation.transport
            if transport is not None:
                transport.abort()
        # One turn for the connections to notice.
        await asyncio.sleep(0)

    def _conversation(self) -> SMTP:
        conversation = SMTP(
            self,
            # Without a name aiosmtpd would ask the resolver for one.
            hostname="localhost",
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            auth_required=self._login is not None,
            auth_require_tls=self._login is not None and self._tls is not None,
            authenticator=self._authenticate,
            loop=asyncio.get_running_loop(),
        )
        self._open.add(conversation)
        return conversation

    def _authenticate(
        self, _server: SMTP, _session: object, _envelope: object, _mechanism: str, offered: Any
    ) -> AuthResult:
        told = self._answers.get(SmtpStep.LOGIN, SmtpAnswer()).reply
        if told:
            return AuthResult(success=False, handled=False, message=told)
        if not isinstance(offered, LoginPassword) or self._login is None:
            return AuthResult(success=False, handled=False)
        user, password = (part.decode() for part in (offered.login, offered.password))
        return AuthResult(success=(user, password) == self._login, handled=False, auth_data=user)

    async def _step(self, step: SmtpStep, server: SMTP) -> str:
        """The reply told for this step; "" for the usual one."""
        answer = self._answers.get(step, SmtpAnswer())
        await asyncio.sleep(answer.delay)
        if answer.ending is not None and server.transport is not None:
            if answer.ending is Ending.RESET:
                _cut_off(server.transport)
            else:
                server.transport.close()
        return answer.reply

    # aiosmtpd finds these by their names.

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Answer the greeting."""
        session.host_name = hostname
        told = await self._step(SmtpStep.HELLO, server)
        return [told] if told else responses

    async def handle_HELO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, _envelope: Any, hostname: str
    ) -> str:
        """Answer the plain greeting, which clients try when the other one is refused."""
        session.host_name = hostname
        return await self._step(SmtpStep.HELLO, server) or "250 localhost"

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Take or refuse the sender."""
        told = await self._step(SmtpStep.SENDER, server)
        if told:
            return told
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        told = await self._step(SmtpStep.RECIPIENT, server)
        if told:
            return told
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, envelope: Any
    ) -> str:
        """Keep or refuse the message."""
        told = await self._step(SmtpStep.DATA, server)
        if told:
            return told
        mail = Mail(
            sender=envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            content=envelope.original_content,
            encrypted=session.ssl is not None,
            user=session.auth_data or "",
            at=_now(),
        )
        self.mails.append(mail)
        self._arrival.set()
        return "250 OK"


def _cut_off(transport: Any) -> None:
    """Close so that the peer sees a reset: linger on, zero seconds."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _until(holds: Any, arrival: asyncio.Event) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not holds():
            arrival.clear()
            await arrival.wait()


def _now() -> Micros:
    return time.time_ns() // 1000
