"""A real mail server on loopback that keeps what it is sent; aiosmtpd comes with `casebell[demo]`.

It listens on 127.0.0.1 at a free port for as long as its `async with` block runs, and answers as it
is told to: well, slowly, with a refusal, or by hanging up.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from casebell.clock import SystemClock
from casebell.errors import Refusal
from casebell.events import Micros
from casebell.sandbox.http_sink import HOST, Ending, reset_connection, stop_listening, wait_until

try:
    from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword
except ModuleNotFoundError:
    # The module can be imported without the extra; a sink cannot be made.
    _INSTALLED = False
else:
    _INSTALLED = True

#: A log level above every record.
_SILENT = logging.CRITICAL * 100


class SmtpStep(StrEnum):
    """The points of a mail conversation at which the sink can be made to answer otherwise."""

    HELLO = "hello"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpAnswer:
    """The sink's behaviour at one step."""

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

    With `tls` it insists on STARTTLS, or with `at_once` on TLS from the first byte; with `login`
    (user, password) on authentication.

    Raises:
        Refusal: the extra `demo` is not installed.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        at_once: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        if not _INSTALLED:
            raise Refusal(
                "The mail server of `casebell demo` is not installed.",
                hint=f"Install it: {sys.executable} -m pip install 'casebell[demo]'",
            )
        self.mails: list[Mail] = []
        #: User and password of each login, whether it was the right one or not.
        self.logins: list[tuple[str, str]] = []
        self.port = 0
        self.host = HOST
        self._tls = tls
        self._at_once = at_once
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
        await wait_until(lambda: len(self.mails) >= count, self._arrival)
        return tuple(self.mails)

    async def __aenter__(self) -> Self:
        # What comes in is in `mails`; aiosmtpd would write every line of it to the log.
        logging.getLogger("mail.log").setLevel(_SILENT)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._conversation, HOST, 0, ssl=self._tls if self._at_once else None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        for conversation in self._open:
            transport: Any = conversation.transport
            if transport is not None:
                transport.abort()
        # One turn for the connections to notice.
        await asyncio.sleep(0)

    def _conversation(self) -> SMTP:
        starttls = None if self._at_once else self._tls
        conversation = SMTP(
            self,
            # Without a name aiosmtpd would ask the resolver for one.
            hostname="localhost",
            tls_context=starttls,
            require_starttls=starttls is not None,
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
        reply = self._answers.get(SmtpStep.LOGIN, SmtpAnswer()).reply
        if reply:
            return AuthResult(success=False, handled=False, message=reply)
        if not isinstance(offered, LoginPassword) or self._login is None:
            return AuthResult(success=False, handled=False)
        user, password = (part.decode() for part in (offered.login, offered.password))
        self.logins.append((user, password))
        return AuthResult(success=(user, password) == self._login, handled=False, auth_data=user)

    async def _reply(self, step: SmtpStep, server: SMTP) -> Any:
        """The reply for this step; MISSING has aiosmtpd do and say what is usual."""
        answer = self._answers.get(step, SmtpAnswer())
        await asyncio.sleep(answer.delay)
        if answer.ending is not None and server.transport is not None:
            if answer.ending is Ending.RESET:
                reset_connection(server.transport)
            else:
                server.transport.close()
        return answer.reply or MISSING

    # aiosmtpd finds these by their names.

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Answer the greeting."""
        session.host_name = hostname
        reply = await self._reply(SmtpStep.HELLO, server)
        return responses if reply is MISSING else [reply]

    async def handle_HELO(self, server: SMTP, *_: Any) -> Any:  # noqa: N802 - aiosmtpd's name
        """Answer the plain greeting, which clients try when the other one is refused."""
        return await self._reply(SmtpStep.HELLO, server)

    async def handle_MAIL(self, server: SMTP, *_: Any) -> Any:  # noqa: N802 - aiosmtpd's name
        """Take or refuse the sender."""
        return await self._reply(SmtpStep.SENDER, server)

    async def handle_RCPT(self, server: SMTP, *_: Any) -> Any:  # noqa: N802 - aiosmtpd's name
        """Take or refuse a recipient."""
        return await self._reply(SmtpStep.RECIPIENT, server)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, envelope: Any
    ) -> Any:
        """Keep or refuse the message."""
        reply = await self._reply(SmtpStep.DATA, server)
        if reply is MISSING:
            mail = Mail(
                sender=envelope.mail_from,
                recipients=tuple(envelope.rcpt_tos),
                content=envelope.original_content,
                encrypted=self._at_once or session.ssl is not None,
                user=session.auth_data or "",
                at=SystemClock().now(),
            )
            self.mails.append(mail)
            self._arrival.set()
        return reply
