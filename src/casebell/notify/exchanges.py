"""Records the exchanges of a send: what each library was answered, or why it was not.

Apprise reports a refused login, an unknown name and a bad certificate in the same words. Only its
debug records tell them apart, and those hold message text and tokens. So the two libraries that
nearly all of its services use are wrapped once per process. The wrappers record each exchange
inside `recorded_exchanges()`; elsewhere they change nothing.
"""

import functools
import json
import re
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests

from casebell.notify.apprise_warnings import mute_loggers
from casebell.notify.reasons import (
    MAIL_STEPS,
    Exchange,
    HttpExchange,
    SmtpDelivery,
    SmtpFailure,
)

_ERROR_WORD = re.compile(r"[a-z][a-z0-9_]{2,39}")
#: The exchanges of this context; None outside `recorded_exchanges()`.
_recorded: ContextVar[list[Exchange] | None] = ContextVar("casebell_exchanges", default=None)


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
def _wrap_libraries() -> None:
    mute_loggers()
    wrapped = _recording_http(requests.Session.send)
    requests.Session.send = wrapped  # type: ignore[method-assign]
    for step in MAIL_STEPS:
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
        recorded = _recorded.get()
        try:
            result = call(*args, **options)
        except Exception as error:
            # `sendmail` passes on errors of inner calls, which are recorded already.
            if recorded is not None and not any(
                isinstance(seen, SmtpFailure) and seen.error is error for seen in recorded
            ):
                # `sendmail` itself raises the server's refusal of the text.
                refused_text = isinstance(error, smtplib.SMTPDataError)
                recorded.append(SmtpFailure(step="data" if refused_text else step, error=error))
            raise
        if recorded is not None and step == "sendmail":
            recorded.append(SmtpDelivery())
        return result

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
