"""A channel to a program: the alert and its event as signed JSON, posted by our own client."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from casebell.alerts import FailureReason, Message, Outcome, SendResult
from casebell.clock import SECOND, Clock
from casebell.errors import ConfigError, Problem
from casebell.notify import http_client, outward
from casebell.notify.apprise_warnings import mute_loggers
from casebell.notify.channel import Route
from casebell.notify.fit import Limits, fitted, text_of
from casebell.notify.payload import document
from casebell.notify.reasons import result_of
from casebell.notify.standard_webhooks import signed_headers
from casebell.people.roster import Recipients
from casebell.settings import ChannelSettings
from casebell.settings.sources import decoded

#: The label of the only target. Not the host, which can be as secret as a path; and an alert that
#: waits follows the receiver to another one.
TARGET: Final = "webhook"
#: Of the message for people, as other channels have it, in characters; the rest is sent whole.
MAX_TITLE: Final = 200
MAX_BODY: Final = 8000
_TIMED_OUT: Final = (FailureReason.TIMEOUT, FailureReason.CONNECT_TIMEOUT)


class WebhookChannel:
    """A channel whose one target is a program.

    Raises:
        ConfigError: the address cannot be used; it is not repeated.
    """

    def __init__(self, settings: ChannelSettings, *, clock: Clock) -> None:
        mute_loggers()
        self.name = settings.name
        self._url = settings.webhook.get_secret_value() if settings.webhook else ""
        self._keys = [decoded(secret.get_secret_value()) for secret in settings.secret]
        self._timeout = settings.timeout
        self._clock = clock
        self._lock = asyncio.Lock()
        self._closed = False
        if not http_client.is_usable(self._url):
            problem = Problem(
                key=f"channels.{self.name}.webhook",
                message="This is no address that alerts can be posted to.",
                hint="Host names are ASCII, or names that DNS can have.",
            )
            raise ConfigError([problem])

    @property
    def targets(self) -> tuple[str, ...]:
        """The one label."""
        return (TARGET,)

    @property
    def recipients(self) -> Recipients:
        """Its receiver."""
        return Recipients(to=self.targets)

    def reaches(self, target: str) -> bool:
        """Whether it is its receiver."""
        return target in self.targets

    @property
    def routes(self) -> Mapping[str, Route]:
        """A program reads no sender."""
        return MappingProxyType({TARGET: Route(to=TARGET, sender="")})

    def __repr__(self) -> str:
        return f"WebhookChannel(name={self.name!r})"

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Post the message's payload, after earlier ones; never raises for a failure."""
        if target != TARGET:
            return SendResult(outcome=Outcome.PERMANENT, reason=FailureReason.TARGET_GONE)
        if message.payload is None:
            # To post less than was promised would pass for the whole.
            return SendResult(
                outcome=Outcome.PERMANENT,
                reason=FailureReason.REJECTED,
                detail="not sent: its JSON could not be made",
            )
        async with self._lock:
            if self._closed:
                return SendResult(
                    outcome=Outcome.RETRYABLE,
                    reason=FailureReason.INTERRUPTED,
                    detail="the channel is closed",
                )
            body = document(message.payload, _inert(message))
            return await self._post(body, message_id=message.payload.id)

    async def close(self) -> None:
        """Start no more sends; one under way ends by itself."""
        self._closed = True

    async def _post(self, body: bytes, *, message_id: str) -> SendResult:
        try:
            context = await asyncio.to_thread(outward.tls_context)
        except OSError:
            return SendResult(
                outcome=Outcome.RETRYABLE,
                reason=FailureReason.TLS_FAILED,
                detail=f"not sent: {outward.authorities()} cannot be read",
            )
        timestamp = self._clock.now() // SECOND
        headers = signed_headers(body, message_id=message_id, timestamp=timestamp, keys=self._keys)
        exchange = await http_client.exchange(
            "POST",
            self._url,
            content=body,
            headers={"content-type": "application/json", **headers},
            within=self._timeout,
            context=context,
        )
        result = result_of(
            delivered=exchange.status is not None and 200 <= exchange.status < 300,
            exchanges=[exchange],
            service=TARGET,
            watched=True,
            now=self._clock.now(),
        )
        if exchange.error and result.reason in _TIMED_OUT:
            return replace(result, detail=f"no answer within {self._timeout:g} s")
        return result


def _inert(message: Message) -> Message:
    """The message for people as other channels have it: it may be shown where it lands."""
    return fitted(
        message,
        Limits(title=MAX_TITLE, body=MAX_BODY, lines=0),
        max_title=MAX_TITLE,
        max_body=MAX_BODY,
        length=lambda _, lines: len(text_of(lines)),
    )
