"""Classifies the exchanges of a send as a SendResult: tables and pure functions.

A server's text is never repeated: it may quote the message, an address or a token. An operator
reads the status code, and our own words for it.
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import TypeAlias

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
)

from casebell.alerts import FailureReason, Outcome, SendResult
from casebell.events import Micros
from casebell.notify.outward import authorities

#: Seconds; a service that asks for a longer wait is tried after this one.
MAX_RETRY_AFTER = 3600.0


class Reached(Enum):
    """How far a request came that got no answer."""

    #: No connection yet.
    NOTHING = auto()
    #: The proxy that leads out, or not even that.
    PROXY = auto()
    #: Connected; TLS was not made yet.
    HANDSHAKE = auto()
    #: The service may have it.
    SERVICE = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpExchange:
    """One HTTP request, with its answer or error."""

    #: Status of the answer; None without one.
    status: int | None = None
    #: The headers of these names, as sent; "" without one.
    retry_after: str = ""
    date: str = ""
    #: The single word by which some services name an error: `invalid_token`.
    word: str = ""
    error: Exception | None = field(default=None, repr=False)
    #: How far it came before `error`; None where only the error itself tells.
    reached: Reached | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpFailure:
    """One step of a mail conversation that failed."""

    #: The innermost call of smtplib that raised: one of `MAIL_STEPS`.
    step: str
    error: Exception = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpDelivery:
    """A mail that the server took."""


Exchange: TypeAlias = HttpExchange | SmtpFailure | SmtpDelivery

_FailureClass: TypeAlias = tuple[Outcome, FailureReason]

_NOT_FOUND: _FailureClass = (Outcome.PERMANENT, FailureReason.NOT_FOUND)
_REJECTED: _FailureClass = (Outcome.PERMANENT, FailureReason.REJECTED)
_RECIPIENT: _FailureClass = (Outcome.PERMANENT, FailureReason.RECIPIENT_REFUSED)
_AUTH: _FailureClass = (Outcome.AUTH, FailureReason.AUTH_FAILED)
_LIMITED: _FailureClass = (Outcome.RATE_LIMITED, FailureReason.RATE_LIMITED)
_SERVER: _FailureClass = (Outcome.RETRYABLE, FailureReason.SERVER_ERROR)
#: Retried, since certificates are renewed.
_TLS: _FailureClass = (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
#: As a refused login: the channel's fallback may not need the proxy.
_PROXY_AUTH: _FailureClass = (Outcome.AUTH, FailureReason.PROXY_AUTH_FAILED)
_PROXY: _FailureClass = (Outcome.RETRYABLE, FailureReason.PROXY_FAILED)
_REFUSED: _FailureClass = (Outcome.RETRYABLE, FailureReason.CONNECTION_REFUSED)
_NO_NAME: _FailureClass = (Outcome.RETRYABLE, FailureReason.NAME_NOT_RESOLVED)
_NO_CONNECTION: _FailureClass = (Outcome.RETRYABLE, FailureReason.CONNECT_TIMEOUT)
_NO_ANSWER: _FailureClass = (Outcome.AMBIGUOUS, FailureReason.TIMEOUT)
_LOST: _FailureClass = (Outcome.AMBIGUOUS, FailureReason.CONNECTION_LOST)
#: The same two before the message was sent.
_NO_ANSWER_BEFORE: _FailureClass = (Outcome.RETRYABLE, FailureReason.TIMEOUT)
_LOST_BEFORE: _FailureClass = (Outcome.RETRYABLE, FailureReason.CONNECTION_LOST)
_UNKNOWN: _FailureClass = (Outcome.AMBIGUOUS, FailureReason.UNKNOWN)

_STATUSES: dict[int, _FailureClass] = {
    401: _AUTH,
    403: _AUTH,
    404: _NOT_FOUND,
    407: _PROXY_AUTH,
    # The server timed out waiting for the request, so it did not process it.
    408: _NO_ANSWER_BEFORE,
    410: _NOT_FOUND,
    425: _SERVER,
    429: _LIMITED,
    # A gateway timed out; the server behind it may have accepted the message.
    504: _NO_ANSWER,
}

#: By OpenSSL's code, what is wrong with a certificate; other codes are of its authority.
_CERTIFICATES = {
    9: "the server's certificate is not valid yet: look at this machine's clock",
    10: "the server's certificate has expired",
    62: "the server's certificate is for another name: look at the host in the URL",
    64: "the server's certificate is for another address: give the host by its name",
}
#: How Python tells of an answer to CONNECT.
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")
#: The function of urllib3 that makes a connection, TLS and the way through a proxy included.
_CONNECTS = "connect"

#: Slack's words, from the error tables of chat.postMessage and incoming webhooks. Another word
#: leaves the class to the status.
_SLACK_WORDS: dict[str, _FailureClass] = {
    **dict.fromkeys(
        (
            "access_denied", "account_inactive", "invalid_auth", "invalid_token", "missing_scope",
            "no_permission", "not_allowed_token_type", "not_authed", "org_login_required",
            "team_access_not_granted", "token_expired", "token_revoked",
        ),
        _AUTH,
    ),
    **dict.fromkeys(
        (
            "channel_is_archived", "channel_not_found", "is_archived", "no_active_hooks",
            "no_service", "no_service_id", "no_team", "team_disabled",
        ),
        _NOT_FOUND,
    ),
    **dict.fromkeys(("user_not_found", "users_not_found"), _RECIPIENT),
    **dict.fromkeys(("message_limit_exceeded", "rate_limited", "ratelimited"), _LIMITED),
    **dict.fromkeys(
        ("fatal_error", "internal_error", "request_timeout", "service_unavailable"), _SERVER
    ),
}  # fmt: skip

#: By how far the request came; at the proxy it is the proxy's fault.
_TIMEOUTS = {
    Reached.NOTHING: _NO_CONNECTION,
    Reached.HANDSHAKE: _NO_ANSWER_BEFORE,
    Reached.SERVICE: _NO_ANSWER,
}

#: Enhanced mail status codes (RFC 3463 and Microsoft's) that have a usual cause.
_MAIL_NOTES = {
    "5.1.1": "no such mailbox",
    "5.7.57": "the server wants a login",
    "5.7.8": "user name or password refused",
    "5.7.139": "basic authentication is turned off for the mailbox or the tenant",
}
_ENHANCED_CODE = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")

#: Time-outs by step of a mail conversation; at other steps the message was not sent yet.
_MAIL_TIMEOUTS = {"__init__": _NO_CONNECTION, "data": _NO_ANSWER}

#: The calls of smtplib in a mail conversation, in our words.
MAIL_STEPS = {
    "__init__": "connecting",
    "starttls": "starting TLS",
    "login": "logging in",
    "sendmail": "naming sender and recipient",
    "data": "handing over the message",
}


def result_of(
    *, delivered: bool, exchanges: Sequence[Exchange], service: str, watched: bool, now: Micros
) -> SendResult:
    """The result of one send.

    Args:
        delivered: whether apprise reports success.
        exchanges: as recorded.
        service: its schema, such as "slack".
        watched: whether the service uses a library whose exchanges are recorded.
        now: for a Retry-After without a Date header.
    """
    last = exchanges[-1] if exchanges else None
    if delivered and watched and last is None:
        # A plug-in without anybody to send to may call that a success.
        return _result(_REJECTED, detail="nothing was sent, although the service reports success")
    if delivered:
        queued = isinstance(last, HttpExchange) and last.status == 202
        return SendResult(outcome=Outcome.ACCEPTED if queued else Outcome.SENT)
    if isinstance(last, SmtpFailure):
        return _mail_result(last)
    if isinstance(last, HttpExchange):
        return _http_result(last, service=service, now=now)
    if watched:
        # Nothing was sent, and a retry would not send either: the recipient has a wrong form.
        return _result(_REJECTED, detail="not sent: the service's address or recipient is invalid")
    return _result(_UNKNOWN, detail="the service gave no reason")


def retry_after(value: str, *, date: str, now: Micros) -> float | None:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3), at most an hour; None if unreadable.

    A date counts from the answer's own Date header, else from `now`.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # int() refuses thousands of digits.
        return min(float(value[:9]), MAX_RETRY_AFTER)
    until = _http_date(value)
    if until is None:
        return None
    since = _http_date(date) or datetime.fromtimestamp(now // 1_000_000, UTC)
    return min(max((until - since).total_seconds(), 0.0), MAX_RETRY_AFTER)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _result(failure_class: _FailureClass, *, detail: str, wait: float | None = None) -> SendResult:
    outcome, reason = failure_class
    return SendResult(outcome=outcome, reason=reason, retry_after=wait, detail=detail)


def _http_result(exchange: HttpExchange, *, service: str, now: Micros) -> SendResult:
    if exchange.error is not None:
        error = exchange.error
        if (code := _proxy_code(error, exchange.reached)) is not None:
            detail = f"the proxy answered {code}" if code else "the proxy cannot be reached"
            return _result(_PROXY_AUTH if code == "407" else _PROXY, detail=detail)
        detail = _tls_detail(error) or type(error).__name__
        return _result(_http_error(error, exchange.reached), detail=detail)
    status, word = exchange.status or 0, exchange.word if service == "slack" else ""
    # A failure with status 2xx: the service refuses in its body.
    by_status = _STATUSES.get(status, _SERVER if 500 <= status < 600 else _REJECTED)
    failure_class = _SLACK_WORDS.get(word, by_status)
    wait = retry_after(exchange.retry_after, date=exchange.date, now=now)
    if 300 <= status < 400:
        return _result(failure_class, detail=f"HTTP {status}: redirects are not followed")
    return _result(failure_class, detail=f"HTTP {status} {word}".rstrip(), wait=wait)


def _http_error(error: Exception, reached: Reached | None) -> _FailureClass:
    causes = tuple(_causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if reached and has(TimeoutError):
        return _TIMEOUTS[reached]
    # From the narrow to the wide: urllib3 counts the first two among the third.
    if has(NameResolutionError, socket.gaierror):
        return _NO_NAME
    if has(NewConnectionError) or reached is Reached.NOTHING:
        return _REFUSED
    if has(ConnectTimeoutError):
        return _NO_CONNECTION
    early = reached is Reached.HANDSHAKE or (reached is None and _while_connecting(causes))
    if has(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        # An end of file can also come after the request.
        return _LOST_BEFORE if early else _LOST
    if has(ssl.SSLError):
        return _TLS
    if has(requests.Timeout, TimeoutError):
        return _NO_ANSWER_BEFORE if early else _NO_ANSWER
    if reached or has(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return _LOST_BEFORE if early else _LOST
    # The request could not even be made: a malformed address or header.
    return _REJECTED


def _proxy_code(error: Exception, reached: Reached | None) -> str | None:
    """What a proxy answered instead of connecting; "" if it did not; None if it is no proxy's."""
    if reached is Reached.PROXY:
        # So httpx2 begins: "407 Proxy Authentication Required".
        code = str(error)[:3]
        return code if code.isdigit() else ""
    causes = tuple(_causes(error))
    if not any(isinstance(cause, ProxyError | requests.exceptions.ProxyError) for cause in causes):
        return None
    answers = (_TUNNEL.match(str(cause)) for cause in causes if isinstance(cause, OSError))
    return next((answer[1] for answer in answers if answer), "")


def _while_connecting(causes: Sequence[BaseException]) -> bool:
    """Whether the connection was not made yet, so that no request can have been sent."""
    for cause in causes:
        frame = cause.__traceback__
        while frame is not None:
            code = frame.tb_frame.f_code
            if code.co_name == _CONNECTS and "urllib3" in code.co_filename:
                return True
            frame = frame.tb_next
    return False


def _tls_detail(error: BaseException) -> str:
    """What is wrong with a certificate, and the cure; "" for another error."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = _CERTIFICATES.get(cause.verify_code)
            if words is None:
                return (
                    f"the certificate is not from {authorities()}: name the file of your own "
                    "authority in SSL_CERT_FILE"
                )
            return words
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and all that it was made of or raised from; no step of a handshake."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen or isinstance(cause, ssl.SSLWantReadError):
            continue
        seen.add(id(cause))
        yield cause
        wrapped = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        waiting.extend(each for each in wrapped if isinstance(each, BaseException))


def _mail_result(failure: SmtpFailure) -> SendResult:
    error, step = failure.error, MAIL_STEPS[failure.step]
    code, reply = _mail_reply(error)
    if code is None:
        words = _tls_detail(error) or type(error).__name__
        return _result(_mail_error(failure), detail=f"{words} while {step}")
    enhanced = _ENHANCED_CODE.match(reply.lstrip())
    fine_code = enhanced.group().decode() if enhanced else ""
    note = _MAIL_NOTES.get(fine_code, "")
    words = f"SMTP {code} {fine_code}".rstrip() + f" while {step}" + (f": {note}" if note else "")
    return _result(_mail_code(error, code), detail=words)


def _mail_reply(error: Exception) -> tuple[int | None, bytes]:
    """Code and text of the server's reply; (None, b"") for an error that is not one."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # One target is one recipient.
        return next(iter(error.recipients.values()))
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error
        return error.smtp_code, reply.encode() if isinstance(reply, str) else reply
    return None, b""


def _mail_code(error: Exception, code: int) -> _FailureClass:
    if 400 <= code < 500:
        return _SERVER
    if isinstance(error, smtplib.SMTPAuthenticationError) or code in (530, 534, 535, 538):
        return _AUTH
    return _RECIPIENT if isinstance(error, smtplib.SMTPRecipientsRefused) else _REJECTED


def _mail_error(failure: SmtpFailure) -> _FailureClass:
    error, step = failure.error, failure.step
    if isinstance(error, socket.gaierror):
        return _NO_NAME
    if isinstance(error, ConnectionRefusedError):
        return _REFUSED
    if isinstance(error, ssl.SSLError):
        return _TLS
    # smtplib reports a time-out of a reply as a disconnected server.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return _MAIL_TIMEOUTS.get(step, _NO_ANSWER_BEFORE)
    lost = isinstance(error, smtplib.SMTPServerDisconnected) or (
        isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException)
    )
    if lost:
        return _LOST if step == "data" else _LOST_BEFORE
    # The other errors are missing extensions or mechanisms, and addresses of a wrong form.
    return {"starttls": _TLS, "login": _AUTH}.get(step, _REJECTED)


#: How an attempt can end, and with which reason: every class named above, success, and what the
#: sender finds by itself.
ENDS: frozenset[tuple[Outcome, FailureReason | None]] = frozenset(
    {
        (Outcome.SENT, None),
        (Outcome.ACCEPTED, None),
        (Outcome.PERMANENT, FailureReason.TARGET_GONE),
        *(globals()[name] for name, kind in __annotations__.items() if kind == _FailureClass),
    }
)
