"""Who may come in, and who must go."""

from ipaddress import ip_network
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from casebell.receive.room import BATCH, HOPELESS, TELL_EVERY, Room


class Timepiece:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))


class Visitor:
    """A connection that says what it is told to."""

    def __init__(self, *, idle: bool = True, unfinished: bool = False) -> None:
        self.idle = idle
        self.unfinished = unfinished
        self.gone = False

    def leave(self) -> None:
        self.gone = True


class Setting:
    """A room, and everybody who came."""

    def __init__(self, *, places: int = 100, per_address: int = 50) -> None:
        self.clock = Timepiece()
        self.log = Lines()
        self.registry = CollectorRegistry()
        self.room = Room(
            places=places,
            per_address=per_address,
            trusted_proxies=(ip_network("10.0.0.0/8"),),
            clock=self.clock,
            registry=self.registry,
            log=self.log,  # type: ignore[arg-type]
        )

    def come(self, address: str, **state: bool) -> Visitor | None:
        """One more from there, or None where it is sent away."""
        if not self.room.has_place(address):
            return None
        visitor = Visitor(**state)
        self.room.enter(visitor, address)
        return visitor

    def many(self, count: int, address: str, **state: bool) -> list[Visitor]:
        found = [self.come(address, **state) for _ in range(count)]
        return [one for one in found if one is not None]

    def shown(self, name: str) -> float:
        lines = generate_latest(self.registry).decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_everybody_comes_in_while_there_is_room(setting: Setting) -> None:
    """Nobody goes, nothing is logged, and the gauge counts them."""
    came = setting.many(50, "192.0.2.1") + setting.many(50, "192.0.2.2")
    assert len(came) == 100
    assert not any(one.gone for one in came)
    assert not setting.log.lines
    assert setting.shown("casebell_connections ") == 100


def test_an_address_over_its_share_loses_its_oldest_idle_ones(setting: Setting) -> None:
    """One stranger's many connections end each other, and nobody else's."""
    other = setting.many(10, "192.0.2.2")
    came = setting.many(51, "192.0.2.1")
    assert [one.gone for one in came] == [True] * BATCH + [False] * (51 - BATCH)
    assert not any(one.gone for one in other)


def test_an_address_whose_share_is_busy_is_sent_away(setting: Setting) -> None:
    """Where all of its connections wait for us it gets no more, and others do."""
    setting.many(50, "192.0.2.1", idle=False)
    assert setting.come("192.0.2.1") is None
    assert setting.come("192.0.2.2") is not None


def test_a_trusted_proxy_has_no_share() -> None:
    """A proxy speaks for everybody, so only the number of all places holds it."""
    setting = Setting(places=100, per_address=5)
    assert len(setting.many(100, "10.1.2.3", idle=False)) == 100


def test_who_holds_the_most_makes_room(setting: Setting) -> None:
    """At the last place the idle ones of the greediest go; who holds few keeps them."""
    good = setting.come("192.0.2.9")
    greedy = setting.many(50, "192.0.2.1")
    setting.many(49, "192.0.2.2", idle=False)
    assert setting.come("192.0.2.3") is not None
    assert sum(one.gone for one in greedy) == BATCH
    assert good is not None
    assert not good.gone


def test_unfinished_bodies_go_where_nobody_is_idle(setting: Setting) -> None:
    """Of a body that is not complete nothing was acknowledged: its sender may try again."""
    bodies = setting.many(50, "192.0.2.1", idle=False, unfinished=True)
    busy = setting.many(50, "192.0.2.2", idle=False)
    assert setting.come("192.0.2.3") is not None
    assert sum(one.gone for one in bodies) == BATCH
    assert not any(one.gone for one in busy)


def test_nobody_goes_for_somebody_who_holds_more(setting: Setting) -> None:
    """The greediest does not push out those who hold less: it is sent away itself."""
    setting.many(49, "192.0.2.1", idle=False)
    small = setting.many(26, "192.0.2.2") + setting.many(25, "192.0.2.3")
    assert setting.come("192.0.2.1") is None
    assert not any(one.gone for one in small)


def test_where_nobody_can_go_nobody_looks_for_a_while(setting: Setting) -> None:
    """A storm of newcomers costs a look at all connections ten times a second, not each time."""
    busy = setting.many(50, "192.0.2.1", idle=False) + setting.many(50, "192.0.2.2", idle=False)
    assert setting.come("192.0.2.3") is None
    busy[0].idle = True
    assert setting.come("192.0.2.3") is None
    setting.clock.seconds += HOPELESS
    assert setting.come("192.0.2.3") is not None


def test_who_left_makes_a_place_once(setting: Setting) -> None:
    """An end that is told twice, as after an eviction, counts once."""
    first, *_ = setting.many(50, "192.0.2.1", idle=False)
    setting.room.left(first)
    setting.room.left(first)
    assert setting.shown("casebell_connections ") == 49
    assert len(setting.many(3, "192.0.2.1", idle=False)) == 1


def test_the_log_has_a_line_a_minute(setting: Setting) -> None:
    """However many are sent away; the metric counts them."""
    setting.many(50, "192.0.2.1", idle=False)
    for _ in range(1_000):
        assert setting.come("192.0.2.1") is None
    assert setting.log.lines == [("connections.full", {"open": 50, "addresses": 1, "largest": 50})]
    setting.clock.seconds += TELL_EVERY
    assert setting.come("192.0.2.1") is None
    assert len(setting.log.lines) == 2
    assert setting.shown('casebell_connections_shed_total{how="refused"}') == 1_001
