"""Networks as limits count them, hosts of addresses, and which of them are this machine."""

import socket
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit


def network_of(address: str) -> str:
    """The address itself, or the /64 of an IPv6 address: whoever has one has all of those.

    By the C library, since a flood of forged deliveries pays for it each time.

    Args:
        address: as `Delivery.address` has it; another text comes back as it is.
    """
    if ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):
        return address
    return f"{socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8))}/64"


def neighbourhood_of(address: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 one: what one customer may well have of them.

    Args:
        address: as `Delivery.address` has it; another text comes back as it is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine by its name, so that nothing crosses a network."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """The host of a URL, which says to people where it leads."""
    return urlsplit(url).hostname or url
