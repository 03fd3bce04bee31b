"""Requests of our own HTTP client, whatever they are for.

Each makes a connection of its own. So certificates and proxies are those of the moment, and no
connection that was kept can turn out closed under a request, of which nobody could tell whether it
arrived.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx2

from casebell.notify import outward
from casebell.notify.reasons import HttpExchange, Reached

#: Bytes of an answer that are read, so that its sender can end in good order.
MAX_ANSWER: Final = 65_536
#: Share of the timeout in which each step of connecting must be done.
_CONNECT_SHARE: Final = 0.9


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


def is_usable(url: str) -> bool:
    """Whether a request can be made of an address: httpx2 is strict about hosts."""
    try:
        httpx2.Request("GET", url)
    except (httpx2.InvalidURL, UnicodeError):
        return False
    return True


async def exchange(
    method: str,
    url: str,
    *,
    within: float,
    context: ssl.SSLContext,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> HttpExchange:
    """Make one request and read its answer; never raises for a failure.

    Redirects are not followed: where they lead, nobody has configured.

    Args:
        within: seconds for all of it.
        context: what the service is checked by, see `outward.tls_context`.
    """
    progress = Progress(proxy := outward.proxy_to(url))
    seen: HttpExchange | None = None
    try:
        client = _client(context, proxy, within)
    except (ValueError, ImportError) as error:
        # A kind of proxy that httpx2 does not speak, or for which a package is not there.
        return HttpExchange(error=error, reached=Reached.PROXY)
    try:
        async with asyncio.timeout(within), client:
            request = client.build_request(
                method,
                url,
                content=content,
                headers={**_HEADERS, **(headers or {})},
                extensions={"trace": progress.note},
            )
            answer = await client.send(request, stream=True)
            seen = HttpExchange(
                status=answer.status_code,
                retry_after=answer.headers.get("Retry-After", ""),
                date=answer.headers.get("Date", ""),
            )
            await _read(answer)
    except Exception as error:  # noqa: BLE001 - of any kind: the attempt must have a result
        # Once there was a status, it counts, whatever became of the rest.
        return seen or HttpExchange(error=error, reached=progress.reached)
    return seen


def _client(context: ssl.SSLContext, proxy: str | None, within: float) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        verify=context,
        proxy=through(proxy, context),
        # The limit is for the whole request; a handshake that is cancelled would leave its socket
        # to the garbage collector.
        timeout=httpx2.Timeout(None, connect=within * _CONNECT_SHARE),
        follow_redirects=False,
        # Neither proxies nor logins from `.netrc`.
        trust_env=False,
    )


def through(proxy: str | None, context: ssl.SSLContext) -> httpx2.Proxy | None:
    """A proxy as httpx2 takes it.

    Raises:
        ValueError: it is of a kind that httpx2 does not speak.
    """
    if proxy is None:
        return None
    # Of the proxy's own TLS, where it has one.
    return httpx2.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None)


#: Each connection is for one request.
_HEADERS: Final = {
    "user-agent": "Casebell",
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "close",
}


async def _read(answer: httpx2.Response) -> None:
    size = 0
    async for piece in answer.aiter_raw():
        size += len(piece)
        if size > MAX_ANSWER:
            return
