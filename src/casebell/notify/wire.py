"""What a send really did: the answers and errors that the sending library keeps to itself.

Apprise reports a refused login, an unknown name and a bad certificate in the same words, and tells
the difference only in debug records that carry message text and tokens as well. So the two
libraries through which nearly every one of its services speaks are wrapped once per process, and
each exchange made inside `watching()` is noted. Elsewhere the wrapped functions do what they
always did.
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
_TALKATIVE = ("apprise", "requests", "urllib3")
#: A level above every record.
SILENT = logging.CRITICAL * 100
#: The calls of a mail conversation, from connecting to handing over the text.
_SMTP_STEPS = ("__init__", "starttls", "login", "sendmail", "data")
_ERROR_WORD = re.compile(r"[a-z][a-z0-9_]{2,39}")


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpExchange:
    """One HTTP request and what came of it: an answer or an error."""

    #: Status of the answer; None without one.
    status: int | None = None
    #: The headers of that name, as sent; "" when absent.
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

#: Where the exchanges of this context are noted; None outside `watching()`.
_noted: ContextVar[list[Exchange] | None] = ContextVar("casebell_wire", default=None)


@contextmanager
def watching() -> Iterator[list[Exchange]]:
    """Note every exchange made inside the block by this thread."""
    _wrap_once()
    noted: list[Exchange] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


@functools.cache
def mute_loggers() -> None:
    """Keep the libraries from logging anything at all, for the life of the process.

    At debug level their records hold the message and tokens, and urllib3 warns with the whole URL
    of an answer that it cannot read. What matters of it comes back as a result.
    """
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(SILENT)
        logger.propagate = False


@functools.cache
def _wrap_once() -> None:
    mute_loggers()
    wrapped = _noting_http(requests.Session.send)
    requests.Session.send = wrapped  # type: ignore[method-assign]
    for step in _SMTP_STEPS:
        setattr(smtplib.SMTP, step, _noting_smtp(step, getattr(smtplib.SMTP, step)))


def _noting_http(send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    @functools.wraps(send)
    def noting(*args: Any, **options: Any) -> requests.Response:
        noted = _noted.get()
        if noted is None:
            return send(*args, **options)
        try:
            response = send(*args, **options)
        except Exception as error:
            noted.append(HttpExchange(error=error))
            raise
        # The body of a streamed answer is not ours to consume.
        body = b"" if options.get("stream") else response.content
        noted.append(
            HttpExchange(
                status=response.status_code,
                retry_after=response.headers.get("Retry-After", ""),
                date=response.headers.get("Date", ""),
                word=_error_word(body),
            )
        )
        return response

    return noting


def _noting_smtp(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def noting(*args: Any, **options: Any) -> Any:
        try:
            return call(*args, **options)
        except Exception as error:
            noted = _noted.get()
            # An error on its way out of `sendmail` was noted at the call inside that raised it.
            if noted is not None and not any(seen.error is error for seen in noted):
                # `sendmail` itself raises what the server said to the text.
                refused_text = isinstance(error, smtplib.SMTPDataError)
                noted.append(SmtpFailure(step="data" if refused_text else step, error=error))
            raise

    return noting


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
