"""Work before authentication is bounded, for each address and in all."""

import pytest

from casebell.errors import AuthenticationBusy
from casebell.receive import work_budget
from casebell.receive.work_budget import EACH_ADDRESS, IN_ALL, WorkBudget

#: Two of them are what an address has, and a little less.
BIG = EACH_ADDRESS.at_once * 0.499


class Machine:
    """A clock, and work that takes as long as it should."""

    def __init__(self) -> None:
        self.now = 0.0
        self.used = 0.0
        self.budget = WorkBudget(monotonic=lambda: self.now, processor_time=lambda: self.used)

    def work(
        self, seconds: float = BIG, *, address: str = "192.0.2.7", proves: bool = False
    ) -> bool:
        """Whether the budget let the work be done."""

        def do() -> str | None:
            self.used += seconds
            return "label" if proves else None

        try:
            found = self.budget.spend(do, address=address, seconds=seconds)
        except AuthenticationBusy:
            return False
        assert found == ("label" if proves else None)
        return True


@pytest.fixture
def machine() -> Machine:
    """One at rest."""
    return Machine()


def test_an_address_spends_what_it_has_and_earns_it_again(machine: Machine) -> None:
    """Beyond it nothing is done; after a while a piece of work is."""
    assert [machine.work() for _ in range(4)] == [True, True, False, False]
    machine.now += BIG / EACH_ADDRESS.a_second
    assert [machine.work(), machine.work()] == [True, False]


def test_no_address_spends_what_all_have(machine: Machine) -> None:
    """Another address goes on."""
    while machine.work():
        pass
    assert machine.work(address="192.0.2.8")


def test_all_addresses_together_are_bounded(machine: Machine) -> None:
    """However many there are."""
    done = sum(machine.work(address=f"192.0.2.{n}") for n in range(250))
    assert done == IN_ALL.at_once // BIG
    machine.now += 10
    done = sum(machine.work(address=f"198.51.100.{n}") for n in range(250))
    assert done == min(IN_ALL.at_once, 10 * IN_ALL.a_second) // BIG


def test_what_proves_a_delivery_costs_nothing(machine: Machine) -> None:
    """The authentic are never limited by what they send themselves."""
    assert all(machine.work(proves=True) for _ in range(1_000))
    assert machine.work()


def test_small_work_is_done_where_large_work_must_wait(machine: Machine) -> None:
    """An ordinary body is decided though a large one is not, from the same address."""
    machine.work(EACH_ADDRESS.at_once * 0.9)
    assert not machine.work()
    assert machine.work(0.001)


def test_work_larger_than_the_budget_is_done_once_it_is_full(machine: Machine) -> None:
    """It leaves a debt, so that no body is undecided for ever."""
    large = EACH_ADDRESS.at_once * 2
    assert machine.work(large)
    machine.now += EACH_ADDRESS.at_once / EACH_ADDRESS.a_second
    assert not machine.work(0.001)
    machine.now += EACH_ADDRESS.at_once / EACH_ADDRESS.a_second
    assert machine.work(large)


def test_a_network_of_ipv6_is_one_sender(machine: Machine) -> None:
    """Its addresses cost nothing; an IPv4 address written as IPv6 is one by itself."""
    assert [machine.work(address=f"2001:db8::{n}") for n in range(4)] == [True, True, False, False]
    assert machine.work(address="2001:db8:0:1::1")


def test_memory_is_bounded(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address unseen for longest is forgotten."""
    monkeypatch.setattr(work_budget, "MAX_ADDRESSES", 3)
    for address in ("a", "b", "c", "a", "d"):
        machine.work(0.001, address=address)
    assert list(machine.budget._by_sender) == ["c", "a", "d"]
