"""Where a request came from: the peer, or for whom a trusted proxy forwards."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from starlette.types import Scope

Network: TypeAlias = IPv4Network | IPv6Network

#: Some proxies forward the port as well: `192.0.2.7:4711`, `[2001:db8::7]:4711`.
_WITH_PORT = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?")


def client_address(peer: str, forwarded_for: Sequence[bytes], trusted: Sequence[Network]) -> str:
    """The address that a delivery came from.

    `X-Forwarded-For` is read from its right end, where our own proxies write, as long as every hop
    is a trusted proxy. Anybody may have written the entries further left.

    Args:
        peer: the address at the other end of the connection.
        forwarded_for: the values of X-Forwarded-For in order.
        trusted: networks of our proxies.
    """
    hops = [hop.strip() for value in forwarded_for for hop in value.decode("latin-1").split(",")]
    address = peer_address(peer)
    while hops and within(address, trusted):
        candidate = parse(hops.pop())
        if candidate is None:
            break
        address = str(candidate)
    return address


def client_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """The same of a request."""
    peer = scope.get("client")
    forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return client_address(peer[0] if peer else "", forwarded, trusted)


def peer_address(peer: str) -> str:
    """A peer's address in one spelling: an IPv6 one has many, and may be an IPv4 one."""
    return str(parse(peer) or peer) if ":" in peer else peer


def within(address: str, networks: Sequence[Network]) -> bool:
    """Whether a text is an address in one of the networks."""
    parsed = parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """A text as an address, perhaps with a port; None where it is none."""
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2] or ""
    try:
        # The interface in "fe80::1%eth0" is of no use here, and could be any text.
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A dual-stack socket reports IPv4 peers as ::ffff:192.0.2.1.
    mapped = getattr(parsed, "ipv4_mapped", None)
    return mapped or parsed
