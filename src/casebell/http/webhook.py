"""`POST /webhooks/{source}`: reads a delivery, accepts it, answers.

    request → read → accept → count, log → answer
                │       └ refused, storage fails     → its error
                └ too large, compressed, unknown source → its error

The connection's guard answers a body that is too slow; the endpoint sees a disconnected client.

This is a plain ASGI application; `receive/accept.py` has the next steps.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from casebell.clock import Clock, new_request_id
from casebell.errors import (
    AuthenticationBusy,
    CasebellError,
    EncodedBody,
    RequestError,
    ShuttingDown,
    StorageUnavailable,
    TooManyRefusals,
    Unavailable,
    UnknownSource,
    WrongMethod,
)
from casebell.events import Delivery
from casebell.http import addresses
from casebell.http.answers import accepted_answer, error_answer, respond
from casebell.http.reading import (
    CODINGS,
    MAX_DIGITS,
    SenderWentAway,
    check_headers,
    is_encoded,
    read_body,
    refuse,
)
from casebell.http.throttle import LogThrottle
from casebell.receive.accept import Accepted, Receiver, Several
from casebell.receive.parts import Held, Taken
from casebell.settings.models import ServerSettings
from casebell.settings.sources import WEBHOOKS
from casebell.store.streaks import NOISE, UNKNOWN
from casebell.telemetry import Log, Metrics
from casebell.uscis.receipts import mask_in_log

#: The paths of programs with a token: what goes wrong there is no delivery that lost its way.
API = "/api/v1"
#: Characters of a path that are shown, and of a part of it: with a digit it may well be a token.
MAX_ASKED = 120
MAX_PART = 32
#: What may be the address of a link, or was mistyped.
_OF_A_LINK = re.compile(r"/+a/.*", re.DOTALL | re.IGNORECASE)
MAX_PART_WITH_DIGITS = 19
_RECEIPT = re.compile(r"[A-Za-z]{3}[0-9]{10}", re.ASCII)
#: Errors that strangers can cause at no cost: only some of them are logged.
_THROTTLED = (AuthenticationBusy, RequestError)


class WebhookEndpoint:
    """Answers each delivery as docs/contract.md says, counts and logs it.

    Args:
        limits: returns the settings in force.
    """

    def __init__(
        self,
        *,
        receiver: Receiver,
        limits: Callable[[], ServerSettings],
        clock: Clock,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._receiver = receiver
        self.limits = limits
        self._clock = clock
        self._metrics = metrics
        #: Cached by source and outcome.
        self._counter = cache(metrics.deliveries.labels)
        self._log = log
        self._throttle = LogThrottle(clock)
        #: The last address of our network that forwarded a delivery and was no trusted proxy.
        self._doubted_proxy = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        source, request_id = scope["path_params"]["source"], new_request_id()
        since = self._clock.monotonic()
        try:
            delivery = await self._read(scope, receive, source, request_id)
            since = self._clock.monotonic()
            accepted = await self._receiver.accept(delivery)
        except SenderWentAway:
            left_out = self._throttle.line("abandoned")
            if left_out is not None:
                self._log.info("delivery.abandoned", source=source, **_more(left_out))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see _failure
            failure = self._failure(error, source, request_id)
            self._note_failure(failure, scope, source, request_id, since)
            # Also while the server ends: the sender must know that it should try again.
            await refuse(send, receive, error_answer(failure, request_id), failure)
        else:
            self._note(accepted, source, request_id, since)
            await respond(send, accepted_answer(accepted, request_id))

    async def _read(self, scope: Scope, receive: Receive, source: str, request_id: str) -> Delivery:
        """Read the whole delivery; refuse it before its body where that is possible."""
        if not self._receiver.knows(source):
            raise UnknownSource
        if scope["method"] != "POST":
            raise WrongMethod
        limits = self.limits()
        headers, peer = scope["headers"], scope.get("client")
        forwarded, codings = check_headers(headers, max_body=limits.max_body)
        body = await read_body(receive, max_body=limits.max_body)
        if codings and is_encoded(body, codings):
            raise EncodedBody
        peer_address = addresses.peer_address(peer[0] if peer else "")
        address = addresses.client_address(peer_address, forwarded, limits.trusted_proxies)
        if forwarded and address == peer_address != self._doubted_proxy:
            self._doubt_proxy(address, limits.trusted_proxies)
        return Delivery(
            source=source,
            body=body,
            headers=tuple(headers),
            address=address,
            received_at=self._clock.now(),
            request_id=request_id,
        )

    def untrusted_proxy(self) -> str:
        """The address that is probably our proxy, and is not in `trusted_proxies`; "" if none."""
        doubted = self._doubted_proxy
        return "" if addresses.within(doubted, self.limits().trusted_proxies) else doubted

    def _doubt_proxy(self, address: str, trusted: Sequence[addresses.Network]) -> None:
        """Say which address is probably our proxy: of its senders we see no address but its own."""
        parsed = addresses.parse(address)
        # Anybody may write the header; in our own network it is most likely a proxy of ours.
        if parsed is not None and parsed.is_private and not addresses.within(address, trusted):
            self._doubted_proxy = address
            left_out = self._throttle.line("proxy.not_trusted")
            if left_out is not None:
                self._log.warning("proxy.not_trusted", address=address, **_more(left_out))

    def _failure(self, error: BaseException, source: str, request_id: str) -> CasebellError:
        if isinstance(error, CasebellError):
            return error
        if isinstance(error, asyncio.CancelledError):
            # The server ends, and its time for open requests is over.
            return ShuttingDown()
        # After a defect of ours the sender must try again.
        self._log.error("delivery.defect", source=source, request_id=request_id, error=error)
        return Unavailable()

    def _note(self, accepted: Accepted, source: str, request_id: str, since: float) -> None:
        seconds = self._clock.monotonic() - since
        self._metrics.delivery_seconds.observe(seconds)
        if isinstance(accepted, Several):
            for one in accepted.each:
                self._note_taken(one, source, request_id, seconds)
        else:
            self._note_taken(accepted, source, request_id, seconds)

    def _note_taken(self, accepted: Taken, source: str, request_id: str, seconds: float) -> None:
        self._counter(source, accepted.status).inc()
        which: dict[str, Any]
        left_out: int | None = 0
        if isinstance(accepted, Held):
            which = {"row": accepted.held_id, "reason": accepted.reason.value}
            # Whoever has a delivery can post it without end.
            left_out = self._throttle.line(accepted.status)
        else:
            which = {"row": accepted.event_id, "receipt": mask_in_log(accepted.event.receipt)}
            if (decided := accepted.decided) is not None:
                which["status"] = decided.status_in_log
                which["decision"] = decided.outcome.value
                which["change"] = decided.change.id
            if accepted.counted:
                left_out = self._throttle.line(accepted.status)
        if left_out is None:
            return
        self._log.info(
            "delivery.received",
            source=source,
            outcome=accepted.status,
            request_id=request_id,
            ms=round(seconds * 1000, 3),
            **which,
            **_more(left_out),
        )

    def _note_failure(
        self, failure: CasebellError, scope: Scope, source: str, request_id: str, since: float
    ) -> None:
        # A label must not be a value that a stranger chose.
        known = source if self._receiver.knows(source) else UNKNOWN
        if isinstance(failure, StorageUnavailable):
            self._metrics.storage_errors.labels("receive").inc()
        more: dict[str, Any] = {}
        # The receiver has noted a delivery that did not authenticate.
        if isinstance(failure, RequestError) and not isinstance(failure, TooManyRefusals):
            meant = self._refuse(failure, scope, request_id=request_id)
            # What is near to a source's name is told under it, and counted as asked for.
            known = meant if known == UNKNOWN and meant == NOISE else known
            more["asked"] = asked(scope)
        self._counter(known, failure.code).inc()
        left_out = self._throttle.line(failure.code) if isinstance(failure, _THROTTLED) else 0
        if left_out is not None:
            self._log.info(
                "delivery.received",
                source=known,
                outcome=failure.code,
                request_id=request_id,
                ms=round((self._clock.monotonic() - since) * 1000, 3),
                **more,
                **_more(left_out),
            )

    def note_elsewhere(self, error: RequestError, scope: Scope, *, what: str = "") -> None:
        """Note a request that was refused elsewhere; it may have been meant as a delivery.

        Args:
            what: what is wrong with it, in words of ours.
        """
        source = NOISE
        if not scope["path"].startswith(API):
            source = self._refuse(error, scope, what=what)
            self._counter(source, error.code).inc()
        # Scanners take no lines from what may have been a delivery.
        left_out = self._throttle.line(NOISE if source == NOISE else error.code)
        if left_out is not None:
            self._log.info(
                "request.refused",
                source=source,
                outcome=error.code,
                asked=asked(scope),
                **({"what": what} if what else {}),
                **_more(left_out),
            )

    def _refuse(
        self, error: RequestError, scope: Scope, *, request_id: str = "", what: str = ""
    ) -> str:
        headers = scope["headers"]
        given: dict[bytes, bytes] = dict(headers)
        length = given.get(b"content-length", b"")
        encoding = given.get(b"content-encoding", b"").strip().lower()
        return self._receiver.refuse_request(
            error,
            path=asked(scope),
            address=addresses.client_of(scope, self.limits().trusted_proxies),
            headers=headers,
            request_id=request_id,
            size=int(length) if length.isdigit() and len(length) < MAX_DIGITS else 0,
            method=scope["method"],
            encoding=encoding.decode() if encoding in CODINGS else "",
            what=what,
        )


class Entrance(Starlette):
    """The application, with a way of its own for deliveries.

    Middleware and routing cost a delivery much of what a bare server needs for it, and do nothing
    for it: its endpoint answers as docs/contract.md says whatever happens.
    """

    def __init__(self, deliveries: WebhookEndpoint, **rest: Any) -> None:
        super().__init__(**rest)
        self.deliveries = deliveries
        #: Of our own TLS; None where a proxy's is used, or none.
        self.tls: ssl.SSLContext | None = None
        #: What people and programs see, where they have an address of their own.
        self.people: Starlette | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path[-1:] == "/" or "//" in path:
                path = scope["path"] = _without_surplus_slashes(path)
            source = path[len(WEBHOOKS) :] if path.startswith(WEBHOOKS) else ""
            if source and "/" not in source:
                scope["path_params"] = {"source": source}
                await self.deliveries(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def _more(left_out: int) -> dict[str, int]:
    """How many lines were left out before one, if any were."""
    return {"left_out": left_out} if left_out else {}


def asked(scope: Scope) -> str:
    """The path of a request as operators see it: short, visible ASCII, no whole receipt number.

    A long part of it is cut: it is no name, and could be a secret. What is behind `/a/` is left
    out: the secret of a link stands there.
    """
    # What may be a secret is cut before the end is: half of it would be left.
    path: str = scope["path"][: 4 * MAX_ASKED]
    path = _OF_A_LINK.sub("/a/...", path)
    shown = ascii("/".join(map(_shown, path.split("/"))))[1:-1]
    return _RECEIPT.sub(lambda found: mask_in_log(found[0].upper()), shown)[:MAX_ASKED]


def _shown(part: str) -> str:
    longest = MAX_PART_WITH_DIGITS if any(map(str.isdigit, part)) else MAX_PART
    return part if len(part) <= longest else part[:4] + "..."


def _without_surplus_slashes(path: str) -> str:
    """The path of a delivery as it is meant; any other path as it came."""
    meant = re.sub("/+", "/", path).rstrip("/")
    return meant if meant.startswith(WEBHOOKS) else path
