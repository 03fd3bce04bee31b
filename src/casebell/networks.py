"""Networks as limits count them."""

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The address itself, or the /64 of an IPv6 address: whoever has one has all of those.

    Args:
        address: as `Delivery.address` has it; another text comes back as it is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    return str(ip_network((parsed, 64), strict=False))
