"""Where webhooks go: Parley's subscriptions, and the one address of Torch."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from casebell.networks import is_loopback
from casebell.sandbox.simulator.problems import Problem

#: Characters of an address.
MAX_URL = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """A webhook of Parley's."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: int
    #: "" is the tenant's.
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchWebhook:
    """Torch's webhook, of which its page says that a person registers it."""

    url: str
    #: The header that carries the shared secret.
    header: str
    secret: str = field(repr=False)


def check_url(url: str) -> None:
    """See that it may be posted to: over HTTPS, or plainly on this very machine.

    Raises:
        Problem: it may not.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Problem.invalid("url is no address.") from None
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or not host:
        raise Problem.invalid("url is no address.")
    if parts.username or parts.password:
        raise Problem.invalid("url must have no credentials.")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return
    raise Problem.invalid("url must begin with https://, or lead to this machine.")
