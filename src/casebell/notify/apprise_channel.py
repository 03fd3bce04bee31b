"""A channel over apprise: one loaded service per target, one send at a time, never a word too many.

A send runs in a daemon thread of its own. Apprise blocks; its own pool of threads is shared by all
services, so six that hang would stop everybody; and threads of any pool are waited for when the
process ends. A thread that outlives the channel's timeout is abandoned, and the next send gets
another, up to a few.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from apprise import NotifyFormat
from apprise.result import AppriseResultStatus

from casebell.clock import Clock
from casebell.errors import ConfigError
from casebell.events import FailureReason, Message, Outcome, SendResult
from casebell.notify.apprise_load import Service, load_services
from casebell.notify.channel import ChannelSettings
from casebell.notify.markdown import as_markdown
from casebell.notify.reasons import result_of
from casebell.notify.render import inert, one_line
from casebell.notify.wire import Exchange, watching

#: Threads given up and still sending, beyond which a channel waits for one of them to end.
MOST_ABANDONED: Final = 3
#: Characters.
LONGEST_TITLE: Final = 200
LONGEST_BODY: Final = 8000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What the sending thread has to tell."""

    delivered: bool
    exchanges: Sequence[Exchange]


def load_channel(
    settings: ChannelSettings, *, schemas: tuple[str, ...], clock: Clock
) -> "AppriseChannel":
    """Load every target of a channel; nothing is sent.

    `schemas` are those an operator allows, empty for all. Raises ConfigError with a Problem for
    everything that is wrong; none repeats a URL.
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
    """A named way to reach people through services that apprise speaks to."""

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
        self._turn = asyncio.Lock()
        #: On the monotonic clock; no send starts before it.
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
        """Send one message to one target, after the sends before it and not faster than `pace`.

        Never raises for a failure. After `timeout` seconds of sending the answer is ambiguous, and
        the message may still arrive.
        """
        service = self._services.get(target)
        if service is None:
            return SendResult(outcome=Outcome.PERMANENT, reason=FailureReason.TARGET_GONE)
        async with self._turn:
            await self._clock.sleep(max(0.0, self._free_at - self._clock.monotonic()))
            if self._closed:
                return _not_now(FailureReason.INTERRUPTED, "the channel is closed")
            self._abandoned = {thread for thread in self._abandoned if thread.is_alive()}
            if len(self._abandoned) >= MOST_ABANDONED:
                return _not_now(FailureReason.TIMEOUT, "still waiting for earlier sends to end")
            self._free_at = self._clock.monotonic() + self._pace
            return await self._send(service, message)

    async def close(self) -> None:
        """Take no more messages; a send under way is left to end by itself."""
        self._closed = True

    async def _send(self, service: Service, message: Message) -> SendResult:
        title, body, body_format = _written(service, message)
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


def _written(service: Service, message: Message) -> tuple[str, str, NotifyFormat]:
    """Title, body and their format, with nothing in them that could act."""
    title = one_line(message.title, limit=LONGEST_TITLE)
    body = inert(message.body, limit=LONGEST_BODY)
    if service.format is NotifyFormat.MARKDOWN:
        # Apprise would leave the title as it is, and break every link in the body.
        return as_markdown(title), as_markdown(body), NotifyFormat.MARKDOWN
    return title, body, NotifyFormat.TEXT


def _notify(service: Service, *, title: str, body: str, body_format: NotifyFormat) -> _Seen:
    """Blocks until the service has answered, or a socket's time is over."""
    with watching() as exchanges:
        result = service.apprise.notify(title=title, body=body, body_format=body_format.value)
    attempts = [attempt.status for each in result.results for attempt in each.attempts]
    # Not the truth of the result: an optional service "succeeds" by failing.
    return _Seen(
        delivered=bool(attempts) and attempts[-1] is AppriseResultStatus.SUCCESS,
        exchanges=tuple(exchanges),
    )


def _in_a_thread(
    work: Callable[[], _Seen], *, name: str
) -> tuple[threading.Thread, asyncio.Future[_Seen]]:
    """Run it in a daemon thread, for which the end of the process does not wait."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Seen] = loop.create_future()

    def tell(seen: _Seen) -> None:
        if not done.done():
            done.set_result(seen)

    def run() -> None:
        try:
            seen = work()
        except Exception:  # noqa: BLE001 - whatever a plug-in raises, the alert must end visibly
            seen = _Seen(delivered=False, exchanges=())
        # The loop may be gone by the time an abandoned send ends.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, seen)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread, done
