"""A channel over apprise: one loaded service per target, one send at a time.

Apprise blocks, so each send runs in a daemon thread of its own. Apprise's pool of threads is shared
by all services: six hanging ones would stop all others. And the end of the process waits for the
threads of any pool. A thread that outlives the channel's timeout is abandoned, at most three of
them.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from apprise import NotifyFormat
from apprise.result import AppriseResultStatus

from casebell.alerts import FailureReason, Message, Outcome, SendResult
from casebell.clock import Clock
from casebell.errors import ConfigError
from casebell.notify.apprise_load import Service, load_services
from casebell.notify.channel import ServiceSettings
from casebell.notify.markdown import as_markdown
from casebell.notify.reasons import result_of
from casebell.notify.render import inert, one_line
from casebell.notify.wire import Exchange, recorded_exchanges

#: Abandoned threads that still run; at that number no send starts until one of them ends.
MAX_ABANDONED_SENDS: Final = 3
#: In characters.
MAX_TITLE: Final = 200
MAX_BODY: Final = 8000


@dataclass(frozen=True, kw_only=True, slots=True)
class _ThreadResult:
    """The result of the sending thread."""

    delivered: bool
    exchanges: Sequence[Exchange]


def load_channel(
    settings: ServiceSettings, *, schemas: tuple[str, ...], clock: Clock
) -> "AppriseChannel":
    """Load every target of a channel; nothing is sent.

    Args:
        settings: of the channel.
        schemas: those that the operator allows; empty for all.
        clock: for its pace.

    Raises:
        ConfigError: with every problem; none repeats a URL.
    """
    services, problems = load_services(settings, schemas=schemas)
    if problems:
        raise ConfigError(problems)
    return AppriseChannel(
        name=settings.name,
        services=services,
        timeout=settings.timeout,
        pace=settings.pace,
        clock=clock,
    )


class AppriseChannel:
    """A channel whose services are reached through apprise."""

    def __init__(
        self,
        *,
        name: str,
        services: Mapping[str, Service],
        timeout: float,
        pace: float,
        clock: Clock,
    ) -> None:
        """`timeout` and `pace` in seconds, `services` by safe label."""
        self.name = name
        self._services = dict(services)
        self._timeout = timeout
        self._pace = pace
        self._clock = clock
        self._lock = asyncio.Lock()
        #: Monotonic seconds before which no send starts.
        self._free_at = clock.monotonic()
        self._abandoned: set[threading.Thread] = set()
        self._closed = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Safe labels, in the order of the configuration."""
        return tuple(self._services)

    def __repr__(self) -> str:
        return f"AppriseChannel(name={self.name!r}, targets={self.targets!r})"

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Send one message to one target, after earlier sends and not faster than `pace`.

        Never raises for a failure. After `timeout` seconds the result is ambiguous: the message may
        still arrive.
        """
        service = self._services.get(target)
        if service is None:
            return SendResult(outcome=Outcome.PERMANENT, reason=FailureReason.TARGET_GONE)
        async with self._lock:
            await self._clock.sleep(max(0.0, self._free_at - self._clock.monotonic()))
            if self._closed:
                return _not_now(FailureReason.INTERRUPTED, "the channel is closed")
            self._abandoned = {thread for thread in self._abandoned if thread.is_alive()}
            if len(self._abandoned) >= MAX_ABANDONED_SENDS:
                return _not_now(FailureReason.TIMEOUT, "still waiting for earlier sends to end")
            self._free_at = self._clock.monotonic() + self._pace
            return await self._send(service, message)

    async def close(self) -> None:
        """Start no more sends; one under way ends by itself."""
        self._closed = True

    async def _send(self, service: Service, message: Message) -> SendResult:
        title, body, body_format = _prepared(service, message)
        thread, done = _in_a_thread(
            lambda: _notify(service, title=title, body=body, body_format=body_format),
            name=f"casebell-send-{self.name}",
        )
        try:
            async with asyncio.timeout(self._timeout):
                seen = await done
        except TimeoutError:
            return SendResult(
                outcome=Outcome.AMBIGUOUS,
                reason=FailureReason.TIMEOUT,
                detail=f"no end after {self._timeout:g} s; it may still arrive",
            )
        finally:
            if not done.done() or done.cancelled():
                self._abandoned.add(thread)
        return result_of(
            delivered=seen.delivered,
            exchanges=seen.exchanges,
            service=service.kind,
            watched=service.watched,
            now=self._clock.now(),
        )


def _not_now(reason: FailureReason, detail: str) -> SendResult:
    return SendResult(outcome=Outcome.RETRYABLE, reason=reason, detail=detail)


def _prepared(service: Service, message: Message) -> tuple[str, str, NotifyFormat]:
    """Title, body and their format, made inert."""
    title = one_line(message.title, limit=MAX_TITLE)
    body = inert(message.body, limit=MAX_BODY)
    if service.format is NotifyFormat.MARKDOWN:
        # Apprise would not escape the title, and would break every link in the body.
        return as_markdown(title), as_markdown(body), NotifyFormat.MARKDOWN
    return title, body, NotifyFormat.TEXT


def _notify(service: Service, *, title: str, body: str, body_format: NotifyFormat) -> _ThreadResult:
    """Send; blocks until the service answers or a socket times out."""
    with recorded_exchanges() as exchanges:
        result = service.apprise.notify(title=title, body=body, body_format=body_format.value)
    attempts = [attempt.status for each in result.results for attempt in each.attempts]
    # Not `bool(result)`: it is true for an optional service that fails.
    return _ThreadResult(
        delivered=bool(attempts) and attempts[-1] is AppriseResultStatus.SUCCESS,
        exchanges=tuple(exchanges),
    )


def _in_a_thread(
    work: Callable[[], _ThreadResult], *, name: str
) -> tuple[threading.Thread, asyncio.Future[_ThreadResult]]:
    """Run `work` in a daemon thread; the end of the process does not wait for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_ThreadResult] = loop.create_future()

    def resolve(result: _ThreadResult) -> None:
        if not done.done():
            done.set_result(result)

    def run() -> None:
        try:
            result = work()
        except Exception:  # noqa: BLE001 - a plug-in may raise anything; the attempt must have a result
            result = _ThreadResult(delivered=False, exchanges=())
        # The loop may be closed when an abandoned send ends.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(resolve, result)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread, done
