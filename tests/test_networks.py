"""Networks as limits count them."""

import pytest

from casebell.networks import host_of, neighbourhood_of, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("no address", "no address"),
        ("no:address", "no:address"),
        ("2001:db8::\0", "2001:db8::\0"),
        ("2001:db8::\u0661", "2001:db8::\u0661"),
    ],
)
def test_an_ipv6_address_counts_as_its_network(address: str, network: str) -> None:
    """All other texts count as themselves."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("address", "neighbourhood"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:7:8::1", "2001:db8:7::/48"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_what_one_customer_may_have(address: str, neighbourhood: str) -> None:
    """Many networks of one neighbourhood are probably one's."""
    assert neighbourhood_of(address) == neighbourhood


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://login.microsoftonline.com/8a6d/v2.0", "login.microsoftonline.com"),
        ("http://127.0.0.1:9400", "127.0.0.1"),
        ("https://sso.example-firm.com:8443/realms/firm", "sso.example-firm.com"),
    ],
)
def test_where_a_url_leads(url: str, host: str) -> None:
    """Without what is of no interest to people."""
    assert host_of(url) == host
