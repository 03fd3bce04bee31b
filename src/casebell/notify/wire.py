"""Records the answers and errors of a send, which apprise does not return.

Apprise reports a refused login, an unknown name and a bad certificate in the same words. Only its
debug records tell them apart, and those hold message text and tokens. So the two libraries that
nearly all of its services use are wrapped once per process. The wrappers record each exchange
inside `recorded_exchanges()`; elsewhere they change nothing.
"""

import functools
import json
import logging
import re
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import requests

#: Loggers that write URLs with tokens, or message text.
_MUTED = ("apprise", "requests", "urllib3")
#: A level above every record.
SILENT = logging.CRITICAL * 100
#: The calls of a mail conversation, from connecting to handing over the text.
_SMTP_STEPS = ("__init__", "starttls", "login", "sendmail", "data")
_ERROR_WORD = re.compile(r"[a-z][a-z0-9_]{2,39}")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpFailure:
    """One step of a mail conversation that failed."""

    #: The innermost call of smtplib that raised: one of `_SMTP_STEPS`.
    step: str
    error: Exception = field(repr=False)


Exchange: TypeAlias = HttpExchange | SmtpFailure

#: The exchanges of this context; None outside `recorded_exchanges()`.
_recorded: ContextVar[list[Exchange] | None] = ContextVar("casebell_wire", default=None)


@contextmanager
def recorded_exchanges() -> Iterator[list[Exchange]]:
    """Record every exchange that this thread makes inside the block."""
    _wrap_libraries()
    recorded: list[Exchange] = []
    token = _recorded.set(recorded)
    try:
        yield recorded
    finally:
        _recorded.reset(token)


@functools.cache
def mute_loggers() -> None:
    """Turn the libraries' logging off, for the life of the process.

    At debug level their records hold the message and tokens, and a warning of urllib3 holds the
    whole URL of an answer that it cannot read. The result of a send has the same facts.
    """
    for name in _MUTED:
        logger = logging.getLogger(name)
        logger.setLevel(SILENT)
        logger.propagate = False


@functools.cache
def _wrap_libraries() -> None:
    mute_loggers()
    wrapped = _recording_http(requests.Session.send)
    requests.Session.send = wrapped  # type: ignore[method-assign]
    for step in _SMTP_STEPS:
        setattr(smtplib.SMTP, step, _recording_smtp(step, getattr(smtplib.SMTP, step)))


def _recording_http(send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    @functools.wraps(send)
    def recording(*args: Any, **options: Any) -> requests.Response:
        recorded = _recorded.get()
        if recorded is None:
            return send(*args, **options)
        try:
            response = send(*args, **options)
        except Exception as error:
            recorded.append(HttpExchange(error=error))
            raise
        # The caller reads the body of a streamed answer.
        body = b"" if options.get("stream") else response.content
        recorded.append(
            HttpExchange(
                status=response.status_code,
                retry_after=response.headers.get("Retry-After", ""),
                date=response.headers.get("Date", ""),
                word=_error_word(body),
            )
        )
        return response

    return recording


def _recording_smtp(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def recording(*args: Any, **options: Any) -> Any:
        try:
            return call(*args, **options)
        except Exception as error:
            recorded = _recorded.get()
            # `sendmail` passes on errors of inner calls, which are recorded already.
            if recorded is not None and not any(seen.error is error for seen in recorded):
                # `sendmail` itself raises the server's refusal of the text.
                refused_text = isinstance(error, smtplib.SMTPDataError)
                recorded.append(SmtpFailure(step="data" if refused_text else step, error=error))
            raise

    return recording


def _error_word(body: bytes) -> str:
    """The word in `{"error": "word"}` or in a body that is nothing else; "" for any other."""
    if len(body) > 2000:
        return ""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        text = str(answer.get("error", ""))
    return text if _ERROR_WORD.fullmatch(text) else ""
