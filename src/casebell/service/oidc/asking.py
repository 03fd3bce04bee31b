"""Authlib's client over our own HTTP: for one question to the identity provider.

With the certificates and proxies that all channels have, and a connection for each question. An
answer is bounded in size and time, redirects are not followed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client

from casebell.alerts import FailureReason
from casebell.notify import http_client, outward
from casebell.notify.reasons import HttpExchange, result_of
from casebell.service.oidc.failures import ProviderUnavailable
from casebell.settings.models import Oidc

#: Seconds for a question, and for the connection.
TIMEOUT = 10.0
CONNECT_TIMEOUT = 5.0
#: Bytes of an answer.
MAX_ANSWER = 512 * 1024
_HEADERS = {
    "user-agent": "Casebell",
    "accept": "application/json",
    "accept-encoding": "identity",
    "connection": "close",
}


@asynccontextmanager
async def client_for(
    url: str, oidc: Oidc, *, redirect_uri: str, auth: Any = None
) -> AsyncIterator[Any]:
    """A client for one question.

    Args:
        auth: how it proves itself to a token endpoint, as Authlib has it.

    Raises:
        ProviderUnavailable: there was no answer that can be read.
    """
    progress = http_client.Progress(proxy := outward.proxy_to(url))
    try:
        transport = await _transport(proxy)
        async with (
            asyncio.timeout(TIMEOUT),
            AsyncOAuth2Client(
                client_id=oidc.client_id,
                client_secret=oidc.client_secret.get_secret_value(),
                redirect_uri=redirect_uri,
                token_endpoint_auth_method=auth,
                transport=_Bounded(transport, progress),
                headers=_HEADERS,
                timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT),
                follow_redirects=False,
                trust_env=False,
            ) as client,
        ):
            yield client
    except _Unreadable as error:
        cause, detail = "unreadable", str(error)
    except httpx2.HTTPStatusError as error:
        cause = f"status_{error.response.status_code}"
        detail = f"answers {error.response.status_code}"
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        exchange = HttpExchange(error=error, reached=progress.reached)
        result = result_of(delivered=False, exchanges=[exchange], service="", watched=True, now=0)
        cause, detail = str(result.reason), result.detail
    else:
        return
    raise ProviderUnavailable(cause=cause, detail=f"{path_of(url)}: {detail}")


async def _transport(proxy: str | None) -> httpx2.AsyncHTTPTransport:
    """A way out.

    Raises:
        ProviderUnavailable: there is none.
    """
    try:
        context = await asyncio.to_thread(outward.tls_context)
    except OSError:
        detail = f"{outward.authorities()} cannot be read"
        raise ProviderUnavailable(cause=FailureReason.TLS_FAILED, detail=detail) from None
    try:
        way = http_client.through(proxy, context)
        return httpx2.AsyncHTTPTransport(verify=context, proxy=way, trust_env=False)
    except (ValueError, ImportError):
        detail = "the proxy that leads out is of a kind that is not known"
        raise ProviderUnavailable(cause=FailureReason.PROXY_FAILED, detail=detail) from None


def path_of(url: str) -> str:
    """What a detail calls an address: its path says which one it is."""
    return urlsplit(url).path or "/"


class _Unreadable(Exception):
    """An answer that is not read, and why."""


class _Bounded(httpx2.AsyncBaseTransport):
    """Notes how far a request comes, and reads no more of an answer than it may have."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, progress: http_client.Progress) -> None:
        self._inner = inner
        self._progress = progress

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it."""
        request.extensions = {**request.extensions, "trace": self._progress.note}
        answer = await self._inner.handle_async_request(request)
        if answer.headers.get("content-encoding", "identity") != "identity":
            await answer.aclose()
            # A few bytes could become any number.
            raise _Unreadable("it is compressed, which was not asked for")
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_BoundedStream(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close its connection."""
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, answer: httpx2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._answer.aiter_raw():
            size += len(piece)
            if size > MAX_ANSWER:
                raise _Unreadable(f"it has more than {MAX_ANSWER:,} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()
