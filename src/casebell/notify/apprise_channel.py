"""A channel over apprise: one loaded service per target, one send at a time.

A send blocks, so each runs in a daemon thread of its own. Apprise's pool of threads is shared by
all services: six hanging ones would stop all others. And the end of the process waits for the
threads of any pool. A thread that outlives the channel's timeout is abandoned, at most three of
them.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Final

from casebell.alerts import FailureReason, Message, Outcome, SendResult
from casebell.clock import Clock
from casebell.notify.apprise_load import Service, load_recipient, load_services
from casebell.notify.channel import Route
from casebell.notify.exchanges import recorded_exchanges
from casebell.notify.inert_text import inert
from casebell.notify.personal import load_people
from casebell.notify.reasons import Exchange, result_of
from casebell.people.roster import Recipients
from casebell.settings import ChannelSettings
from casebell.settings.models import PersonSettings
from casebell.settings.people import people_in

#: Abandoned threads that still run; at that number no send starts until one of them ends.
MAX_ABANDONED_SENDS: Final = 3
#: Owners' addresses whose service is kept loaded, beside those of people.
MAX_OTHERS: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class _ThreadResult:
    """The result of the sending thread."""

    delivered: bool
    exchanges: Sequence[Exchange]
    #: Whether the service takes less than the whole message.
    cut: bool = False


class AppriseChannel:
    """A channel whose services are reached through apprise.

    Args:
        people: who can be told by name, by id.
        schemas: those that the operator allows; empty for all.
        clock: for its pace.

    Raises:
        ConfigError: with every problem; none repeats a URL.
    """

    def __init__(
        self,
        settings: ChannelSettings,
        *,
        schemas: Sequence[str],
        clock: Clock,
        people: Mapping[str, PersonSettings] = MappingProxyType({}),
    ) -> None:
        """Load every target; nothing is sent."""
        self.name = settings.name
        self._services = load_services(settings, schemas=schemas)
        of_people: Mapping[str, Service] = {}
        self.recipients = Recipients(to=tuple(self._services))
        if people_in(settings):
            of_people, self.recipients = load_people(settings, people, schemas=schemas)
        self._of_people = of_people
        self._load_recipient = lru_cache(maxsize=MAX_OTHERS)(
            partial(load_recipient, settings=settings, schemas=schemas)
        )
        self._timeout = settings.timeout
        self._pace = settings.pace
        self._clock = clock
        self._lock = asyncio.Lock()
        #: Monotonic seconds before which no send starts.
        self._free_at = clock.monotonic()
        self._abandoned: set[threading.Thread] = set()
        self._closed = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Safe labels of those that it always has, in the order of the configuration."""
        named = self.recipients.named
        return tuple(dict.fromkeys([*self._services, *named]))

    @property
    def routes(self) -> Mapping[str, Route]:
        """By target, from whom and to whom its messages go."""
        everybody = {**self._services, **self._of_people}
        return {target: service.route for target, service in everybody.items()}

    def reaches(self, target: str) -> bool:
        """Whether it can send to a target: one of its own, a person's, or any that it takes."""
        return self._service(target) is not None

    def __repr__(self) -> str:
        return f"AppriseChannel(name={self.name!r}, targets={self.targets!r})"

    async def send(self, *, target: str, message: Message) -> SendResult:
        """Send one message to one target, after earlier sends and not faster than `pace`.

        Never raises for a failure. After `timeout` seconds the result is ambiguous: the message may
        still arrive.
        """
        service = self._service(target)
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

    def _service(self, target: str) -> Service | None:
        known = self._services.get(target) or self._of_people.get(target)
        if known is None and self.recipients.takes_any_owner:
            return self._load_recipient(target)
        return known

    async def _send(self, service: Service, message: Message) -> SendResult:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_ThreadResult] = loop.create_future()

        def resolve(result: _ThreadResult) -> None:
            if not done.done():
                done.set_result(result)

        def run() -> None:
            result = _deliver(service, message)
            # The loop may be closed when an abandoned send ends.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(resolve, result)

        thread = threading.Thread(target=run, name=f"casebell-send-{self.name}", daemon=True)
        thread.start()
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
        result = result_of(
            delivered=seen.delivered,
            exchanges=seen.exchanges,
            service=service.kind,
            watched=service.watched,
            now=self._clock.now(),
        )
        if seen.cut:
            # The message on record is the whole one.
            words = f"cut to what the service takes; {result.detail}".rstrip("; ")
            return replace(result, detail=words)
        return result


def _not_now(reason: FailureReason, detail: str) -> SendResult:
    return SendResult(outcome=Outcome.RETRYABLE, reason=reason, detail=detail)


def _deliver(service: Service, message: Message) -> _ThreadResult:
    """Send; blocks until the service answers or a socket times out."""
    fitting = service.transport.fit(message)
    try:
        with recorded_exchanges() as exchanges:
            delivered = service.transport.send(fitting)
    except Exception:  # noqa: BLE001 - a plug-in may raise anything; the attempt must have a result
        return _ThreadResult(delivered=False, exchanges=())
    return _ThreadResult(
        delivered=delivered,
        exchanges=tuple(exchanges),
        cut=fitting.body != inert(message.body, limit=2 * len(message.body) + 1),
    )
