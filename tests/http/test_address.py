"""Whose address counts, behind proxies that are trusted and strangers who are not."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.http.addresses import Network, client_address, within

NOBODY: tuple[Network, ...] = ()
PROXIES: tuple[Network, ...] = (
    ip_network("127.0.0.0/8"),
    ip_network("10.0.0.0/8"),
    ip_network("2001:db8:f00d::/48"),
)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        pytest.param("203.0.113.7", [], NOBODY, "203.0.113.7", id="no proxy"),
        pytest.param("203.0.113.7", ["192.0.2.1"], NOBODY, "203.0.113.7", id="nobody trusted"),
        pytest.param("203.0.113.7", ["192.0.2.1"], PROXIES, "203.0.113.7", id="stranger's word"),
        pytest.param("127.0.0.1", [], PROXIES, "127.0.0.1", id="proxy itself"),
        pytest.param("127.0.0.1", ["192.0.2.1"], PROXIES, "192.0.2.1", id="one proxy"),
        pytest.param(
            "127.0.0.1", ["192.0.2.1, 10.1.2.3"], PROXIES, "192.0.2.1", id="chain of proxies"
        ),
        pytest.param(
            "127.0.0.1", ["192.0.2.1", "10.1.2.3"], PROXIES, "192.0.2.1", id="header twice"
        ),
        pytest.param(
            "127.0.0.1", ["10.9.9.9, 192.0.2.1"], PROXIES, "192.0.2.1", id="spoofed on the left"
        ),
        pytest.param(
            "127.0.0.1",
            ["198.51.100.9", "10.9.9.9, 192.0.2.1"],
            PROXIES,
            "192.0.2.1",
            id="spoofed in an earlier header",
        ),
        pytest.param("127.0.0.1", ["10.1.2.3"], PROXIES, "10.1.2.3", id="only proxies"),
        pytest.param("127.0.0.1", ["unknown"], PROXIES, "127.0.0.1", id="no address"),
        pytest.param("127.0.0.1", [""], PROXIES, "127.0.0.1", id="empty"),
        pytest.param("127.0.0.1", ["192.0.2.1,"], PROXIES, "127.0.0.1", id="empty at the end"),
        pytest.param(
            "127.0.0.1", ["192.0.2.1, junk, 10.1.2.3"], PROXIES, "10.1.2.3", id="junk between"
        ),
        pytest.param("127.0.0.1", ["192.0.2.999"], PROXIES, "127.0.0.1", id="out of range"),
        pytest.param("127.0.0.1", ["\xff\xfe"], PROXIES, "127.0.0.1", id="bytes"),
        pytest.param("127.0.0.1", ["192.0.2.1:4711"], PROXIES, "192.0.2.1", id="with a port"),
        pytest.param(
            "127.0.0.1", ["[2001:db8::7]:4711"], PROXIES, "2001:db8::7", id="IPv6 with a port"
        ),
        pytest.param("127.0.0.1", ["[2001:db8::7]"], PROXIES, "2001:db8::7", id="in brackets"),
        pytest.param("127.0.0.1", ["[]:1"], PROXIES, "127.0.0.1", id="empty brackets"),
        pytest.param("127.0.0.1", ["192.0.2.1:"], PROXIES, "127.0.0.1", id="no port after it"),
        pytest.param("127.0.0.1", ["2001:DB8:0::7"], PROXIES, "2001:db8::7", id="IPv6 spelling"),
        pytest.param("2001:db8:f00d::1", ["192.0.2.1"], PROXIES, "192.0.2.1", id="IPv6 proxy"),
        pytest.param("::ffff:127.0.0.1", ["192.0.2.1"], PROXIES, "192.0.2.1", id="mapped proxy"),
        pytest.param("::ffff:203.0.113.7", [], NOBODY, "203.0.113.7", id="mapped peer"),
        pytest.param(
            "127.0.0.1", ["::ffff:192.0.2.1"], PROXIES, "192.0.2.1", id="mapped and forwarded"
        ),
        pytest.param(
            "127.0.0.1", ["fe80::1%" + "x" * 500], PROXIES, "fe80::1", id="interface is dropped"
        ),
        pytest.param("", ["192.0.2.1"], PROXIES, "", id="unknown peer"),
        pytest.param("testclient", ["192.0.2.1"], PROXIES, "testclient", id="a socket's name"),
    ],
)
def test_whose_address(
    peer: str, forwarded: list[str], trusted: tuple[Network, ...], expected: str
) -> None:
    """The nearest hop that is no proxy of ours counts; what stands left of it is ignored."""
    values = [value.encode("latin-1") for value in forwarded]
    assert client_address(peer, values, trusted) == expected


@given(
    forwarded=st.lists(st.binary(max_size=60), max_size=4),
    peer=st.sampled_from(["127.0.0.1", "203.0.113.7", "::1", ""]),
)
def test_what_is_forwarded_is_an_address_or_ignored(forwarded: list[bytes], peer: str) -> None:
    """Whatever the header holds, the answer is the peer or a short, canonical address."""
    address = client_address(peer, forwarded, PROXIES)
    assert address == peer or address == str(ip_address(address))


@given(forwarded=st.lists(st.binary(max_size=60), max_size=4))
def test_a_stranger_is_not_believed(forwarded: list[bytes]) -> None:
    """Nothing that a peer who is no proxy sends changes whose address it is."""
    assert client_address("203.0.113.7", forwarded, PROXIES) == "203.0.113.7"


@given(prefix=st.lists(st.binary(max_size=40), max_size=3))
def test_what_a_client_puts_in_front_is_not_believed(prefix: list[bytes]) -> None:
    """A proxy adds the client at the right end; whatever the client wrote before it is ignored."""
    assert client_address("127.0.0.1", [*prefix, b"192.0.2.1"], PROXIES) == "192.0.2.1"


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8:f00d::9", True),
        ("2001:db8:beef::9", False),
        ("128.0.0.1", False),
        ("", False),
        ("localhost", False),
        ("127.0.0.1, 127.0.0.1", False),
    ],
)
def test_within(address: str, inside: bool) -> None:
    """An address lies in a network in whichever family it is written; other text never does."""
    assert within(address, PROXIES) is inside


def test_nothing_is_within_no_network() -> None:
    """An empty list lets nobody in."""
    assert not within("127.0.0.1", NOBODY)
