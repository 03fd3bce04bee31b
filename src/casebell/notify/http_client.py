"""What the requests of our own HTTP client have in common, whatever they are for."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx2

from casebell.notify.reasons import Reached


class Progress:
    """How far a request has come, by what httpx2 tells of it.

    Args:
        proxy: the one that leads there, as `outward.proxy_to` has it.
    """

    def __init__(self, proxy: str | None) -> None:
        self._first = Reached.NOTHING if proxy is None else Reached.PROXY
        self.reached = self._first

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Take a step up."""
        match event:
            case "connection.connect_tcp.started":
                self.reached = self._first
            case "connection.start_tls.started" if self._first is Reached.NOTHING:
                self.reached = Reached.HANDSHAKE
            case "proxy.start_tls.started":
                self.reached = Reached.HANDSHAKE
            case "http11.send_request_headers.started" if info["request"].method != b"CONNECT":
                self.reached = Reached.SERVICE


def through(proxy: str | None, context: ssl.SSLContext) -> httpx2.Proxy | None:
    """A proxy as httpx2 takes it.

    Raises:
        ValueError: it is of a kind that httpx2 does not speak.
    """
    if proxy is None:
        return None
    # Of the proxy's own TLS, where it has one.
    return httpx2.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None)
