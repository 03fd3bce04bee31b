"""Room for connections: how many are open, whose they are, and who goes when there is no more.

A firm never meets the bounds. Where a stranger does, first those connections end that wait for
their client and not for us, of whoever holds the most; only where there are none is a new one sent
away. So strangers who hold many idle connections do not keep a good sender out.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from casebell.clock import Clock
from casebell.receive.address import Network, within
from casebell.telemetry import Log

#: Connections that are made room of at once, so that a look at all of them serves many newcomers.
BATCH = 32
#: Seconds for which nobody looks again where nobody could go.
HOPELESS = 0.1
#: Seconds between two lines in the log.
TELL_EVERY = 60.0


class Guest(Protocol):
    """An open connection."""

    @property
    def idle(self) -> bool:
        """Whether no request is under way: none came yet, or the last one is answered."""
        ...

    @property
    def unfinished(self) -> bool:
        """Whether we wait for the rest of a body, of which nothing is acknowledged."""
        ...

    def leave(self) -> None:
        """End at once."""
        ...


class Room:
    """Counts connections and decides who may come and who must go.

    Args:
        places: connections in all.
        per_address: connections of one peer, unless it is a trusted proxy: that speaks for many.
        trusted_proxies: as in the configuration.
        registry: where its metrics are shown.
    """

    def __init__(
        self,
        *,
        places: int,
        per_address: int,
        trusted_proxies: Sequence[Network],
        clock: Clock,
        registry: CollectorRegistry,
        log: Log,
    ) -> None:
        self._places = places
        self._per_address = per_address
        self._trusted_proxies = trusted_proxies
        self._clock = clock
        self._log = log
        self._address: dict[Guest, str] = {}
        #: By address, the oldest first.
        self._guests: dict[str, dict[Guest, None]] = {}
        #: Until when nobody of an address ("": of all) can go.
        self._hopeless: dict[str, float] = {}
        self._told_at: float | None = None
        Gauge("casebell_connections", "Open connections.", registry=registry).set_function(
            lambda: len(self._address)
        )
        self._shed = Counter(
            "casebell_connections_shed",
            "Connections ended to make room (evicted), or sent away for want of it (refused).",
            ["how"],
            registry=registry,
        )

    def use(self, *, trusted_proxies: Sequence[Network]) -> None:
        """Trust these proxies from now on (E10)."""
        self._trusted_proxies = trusted_proxies

    def has_place(self, address: str) -> bool:
        """Whether a connection from this address may come in; makes room for it where it can."""
        theirs = self._guests.get(address, {})
        free = True
        if len(theirs) >= self._per_address and not within(address, self._trusted_proxies):
            free = self._make_room(address, lambda: iter([theirs]))
        if free and len(self._address) >= self._places:
            free = self._make_room("", lambda: self._biggest(than=len(theirs)))
        if not free:
            self._note("refused")
        return free

    def make_room(self) -> bool:
        """End what can go; for when the system has no more files for us."""
        return self._make_room("", lambda: self._biggest(than=0))

    def enter(self, guest: Guest, address: str) -> None:
        """Count one that came in."""
        self._address[guest] = address
        self._guests.setdefault(address, {})[guest] = None

    def left(self, guest: Guest) -> None:
        """Count one that ended, or that was told to; a second time nothing."""
        address = self._address.pop(guest, None)
        if address is None:
            return
        theirs = self._guests[address]
        del theirs[guest]
        if not theirs:
            del self._guests[address]
            self._hopeless.pop(address, None)

    def _biggest(self, *, than: int) -> Iterator[dict[Guest, None]]:
        """Whoever holds the most and whoever holds half as many; nobody who holds less than we."""
        ordered = sorted(self._guests.values(), key=len, reverse=True)
        least = max(len(ordered[0]) // 2, than) if ordered else 0
        return (theirs for theirs in ordered if len(theirs) >= least)

    def _make_room(self, whose: str, groups: Callable[[], Iterator[dict[Guest, None]]]) -> bool:
        now = self._clock.monotonic()
        if now < self._hopeless.get(whose, now):
            return False
        for may_go in (_idle, _unfinished):
            goers = (guest for theirs in groups() for guest in theirs if may_go(guest))
            if leaving := list(islice(goers, BATCH)):
                for guest in leaving:
                    # Counted now: its end is told to us only later.
                    self.left(guest)
                    guest.leave()
                self._note("evicted", len(leaving))
                return True
        self._hopeless[whose] = now + HOPELESS
        return False

    def _note(self, how: str, count: int = 1) -> None:
        self._shed.labels(how).inc(count)
        now = self._clock.monotonic()
        if self._told_at is None or now - self._told_at >= TELL_EVERY:
            self._told_at = now
            largest = max(map(len, self._guests.values()), default=0)
            self._log.warning(
                "connections.full",
                open=len(self._address),
                addresses=len(self._guests),
                largest=largest,
            )


def _idle(guest: Guest) -> bool:
    return guest.idle


def _unfinished(guest: Guest) -> bool:
    return guest.unfinished
