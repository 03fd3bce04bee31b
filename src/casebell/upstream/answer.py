"""An answer of an API, and what it means where it is no success: one error for each.

Foreign errors and answers become ours here and nowhere else. What the API says of itself is shown
capped and inert, and never with the token or another secret of the request.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

import httpx2

from casebell.alerts import FailureReason
from casebell.clock import Clock
from casebell.errors import (
    UpstreamConflict,
    UpstreamError,
    UpstreamFailed,
    UpstreamKeyRefused,
    UpstreamLimited,
    UpstreamRedirected,
    UpstreamRefused,
    UpstreamUnreachable,
    UpstreamUnreadable,
    WrongReceipt,
)
from casebell.events import Value
from casebell.notify.inert_text import quoted
from casebell.notify.reasons import HttpExchange, Reached, result_of, retry_after

#: Characters that are shown of what an API says.
_MAX_SAID: Final = 200
_MAX_WORD: Final = 60
#: Names under which APIs tell of an error, the page's own first.
_CODES: Final = ("error", "code", "type", "error_code")
_MESSAGES: Final = ("message", "detail", "error_description", "title", "msg", "reason", "errors")
_REQUESTS: Final = ("request_id", "requestId", "trace_id")
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_.:/-]+")
_MARKUP: Final = re.compile(r"\s*<(?:!doctype|html|\?xml|head|body|script|!--)", re.IGNORECASE)
#: Why there was no answer, in words; other reasons have a detail that says it.
_WORDS: Final = {
    FailureReason.CONNECTION_REFUSED: "nothing listens at its address",
    FailureReason.NAME_NOT_RESOLVED: "its name has no address",
    FailureReason.CONNECT_TIMEOUT: "it takes no connection",
    FailureReason.CONNECTION_LOST: "the connection broke off before the answer was whole",
}
#: What no later try mends.
_LASTING: Final = frozenset(
    {FailureReason.TLS_FAILED, FailureReason.PROXY_AUTH_FAILED, FailureReason.REJECTED}
)


class Answer(Value):
    """An answer to one request, whatever it says."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Whether what was asked was done."""
        return 200 <= self.status < 300

    @property
    def is_markup(self) -> bool:
        """Whether it is a page for a browser."""
        return bool(_MARKUP.match(self.body[:400].decode("utf-8", "replace")))


class Translator:
    """Makes errors of what one API answers, and of what keeps it from answering.

    Args:
        name: the API's, in the configuration.
        secrets: what no message may hold.
    """

    def __init__(self, name: str, *, secrets: Iterable[str], clock: Clock) -> None:
        self._name = name
        self._secrets = tuple(sorted((one for one in secrets if one), key=len, reverse=True))
        self._clock = clock

    def also_hiding(self, *secrets: str) -> "Translator":
        """The same, where a request holds further secrets."""
        return Translator(self._name, secrets=(*self._secrets, *secrets), clock=self._clock)

    def unreachable(self, error: Exception, reached: Reached, *, within: float) -> UpstreamError:
        """The error of a request without an answer; its `passes` says whether to try again."""
        exchange = HttpExchange(error=error, reached=reached)
        result = result_of(delivered=False, exchanges=[exchange], service="", watched=True, now=0)
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            message = f"{self._it} did not answer within {within:g} s."
        else:
            why = _WORDS.get(result.reason or FailureReason.UNKNOWN, result.detail)
            message = f"{self._it} cannot be reached: {self._safe(why)}."
        return UpstreamUnreachable(message, passes=result.reason not in _LASTING)

    def unreadable(self, why: str, *, hint: str = "") -> UpstreamUnreadable:
        """The error of an answer that is no such answer."""
        message = f'The answer of the API "{self._name}" cannot be read: {why}.'
        return UpstreamUnreadable(message, hint=hint)

    def wrong_receipt(self, masked: str) -> WrongReceipt:
        """The error of an answer about another case, of which a masked receipt is shown."""
        return WrongReceipt(f"{self._it} answered about {masked}, which was not asked for.")

    def no_json(self, answer: Answer) -> UpstreamUnreadable:
        """The error of a success whose body is not JSON."""
        if answer.is_markup:
            kind = answer.headers.get("content-type", "").partition(";")[0] or "markup"
            return UpstreamUnreadable(
                f"{self._it} answered with a page ({self._word(kind)}) where JSON was due."
            )
        if not answer.body.strip():
            return self.unreadable("it is empty")
        hint = "It may have been cut on its way. If it lasts, ask the provider."
        return self.unreadable("it is no JSON, or was cut short", hint=hint)

    def of_status(self, answer: Answer) -> UpstreamError:
        """The error of an answer that is no success."""
        status = answer.status
        if 300 <= status < 400:
            host = _host(answer.headers.get("location", ""))
            where = f" to {self._safe(host)}" if host else ""
            return UpstreamRedirected(f"{self._it} answered {status} with a redirect{where}.")
        said = self._said(answer)
        if status in (401, 403):
            message = f"{self._it} does not take the token ({said})."
            return UpstreamKeyRefused(message, status=status)
        if status == 409:
            message = f"{self._it} says that this conflicts with what it has ({said})."
            return UpstreamConflict(message, status=status)
        if status == 429:
            message = f"{self._it} takes no more requests now ({said})."
            return UpstreamLimited(message, asked=self._asked(answer))
        if status >= 500:
            return UpstreamFailed(f"{self._it} failed ({said}).", asked=self._asked(answer))
        message = f"{self._it} does not take this request ({said})."
        return UpstreamRefused(message, status=status, is_page=answer.is_markup)

    def shown(self, text: str) -> str:
        """Text of the API as a message may hold it."""
        return f'"{quoted(self._safe(text), limit=_MAX_SAID)}"'

    def _asked(self, answer: Answer) -> float | None:
        headers = answer.headers
        given, date = headers.get("retry-after", ""), headers.get("date", "")
        return retry_after(given, date=date, now=self._clock.now()) if given else None

    @property
    def _it(self) -> str:
        return f'The API "{self._name}"'

    def _said(self, answer: Answer) -> str:
        """`400 invalid_receipt: "…"; request req_123`, as far as it says so."""
        status = str(answer.status)
        if answer.is_markup:
            return f"{status}, with a page where JSON was due"
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        code, message, request = _parts(document)
        request = request or answer.headers.get("x-request-id", "")
        words = f"{status} {self._word(code)}".rstrip()
        if message:
            words += f": {self.shown(message)}"
        if request:
            words += f"; request {self._word(request)}"
        return words

    def _word(self, text: str) -> str:
        return _UNUSUAL.sub("_", self._safe(text))[:_MAX_WORD]

    def _safe(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def _parts(document: object) -> tuple[str, str, str]:
    """Code, message and request of an error's document; "" for what it does not have."""
    if isinstance(document, list):
        document = next(iter(document), None)
    if isinstance(document, str):
        return "", document, ""
    if not isinstance(document, Mapping):
        return "", "", ""
    request = _first(document, _REQUESTS)
    # `{"error": {"code": …, "message": …}}`.
    inner = document.get("error")
    if isinstance(inner, Mapping):
        return (
            _first(inner, _CODES[1:]),
            _first(inner, _MESSAGES),
            request or _first(inner, _REQUESTS),
        )
    return _first(document, _CODES), _first(document, _MESSAGES), request


def _first(document: Mapping[str, object], names: Iterable[str]) -> str:
    for name in names:
        value = document.get(name)
        if isinstance(value, list) and value:
            value = _parts(value)[1]
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _host(location: str) -> str:
    try:
        return httpx2.URL(location).host
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        return ""
