"""`/feeds/…`: private calendars, for programs that cannot sign in.

Whoever has an address has all that there is, so it is in no log, no answer and no error: the log
has the path of the route. GET and HEAD only.
"""

import asyncio
import hashlib
from typing import Final

from starlette.types import Receive, Scope, Send

from casebell.api.slots import Turns
from casebell.clock import Clock, new_request_id
from casebell.console.request import request_log
from casebell.errors import WrongMethod
from casebell.http.answers import Answer, error_answer, respond
from casebell.http.request_log import Facts
from casebell.service.feeds import ENDING, PATH, Feeds
from casebell.telemetry import Log, Metrics

#: The path of its route.
ROUTE: Final = f"{PATH}{{token}}{ENDING}"

#: Of every answer. Neither a proxy nor a browser keeps one, and no search engine lists it.
_HEADERS: Final = (
    (b"cache-control", b"private, no-store"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class FeedEndpoint:
    """Answers each request below `/feeds/`, counts and logs it.

    Args:
        turns: shared with the API and the pages.
    """

    def __init__(
        self, *, feeds: Feeds, turns: Turns, clock: Clock, metrics: Metrics, log: Log
    ) -> None:
        self._feeds = feeds
        self._turns = turns
        self._clock = clock
        self._requests = request_log(metrics=metrics, log=log, clock=clock)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = new_request_id()
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        facts = Facts(
            route=ROUTE,
            method=method if method == "GET" else "",
            request_id=request_id,
            since=self._clock.monotonic(),
            actor=None,
        )
        try:
            body = await self._body(method, scope["path"].removeprefix(PATH))
            answer = _answer(body, dict(scope["headers"]), request_id)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see RequestLog.failure
            failure = self._requests.failure(error, facts)
            answer = error_answer(failure, request_id)
            answer.headers.extend(_HEADERS)
            self._requests.note(facts, status=answer.status, outcome=failure.code)
        else:
            self._requests.note(facts, status=answer.status)
        await respond(send, answer)

    async def _body(self, method: str, name: str) -> bytes:
        if method != "GET":
            raise WrongMethod(allow="GET, HEAD")
        feed = await self._feeds.find(name)
        # Only whoever has an address waits for a turn among programs and people.
        async with self._turns.reads.one(f"feed:{feed.id}"):
            return await self._feeds.read(feed)


def _answer(body: bytes, headers: dict[bytes, bytes], request_id: str) -> Answer:
    tag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
    common = [*_HEADERS, (b"etag", tag), (b"x-request-id", request_id.encode())]
    if tag in headers.get(b"if-none-match", b""):
        return Answer(304, common, b"")
    length = b"%d" % len(body)
    kind = b"text/calendar; charset=utf-8"
    more = [(b"content-type", kind), (b"content-length", length)]
    return Answer(200, [*common, *more], body)
