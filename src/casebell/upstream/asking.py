"""One request to an API: within its budget, its time and its bounds, and again where that may help.

The token stands in the Authorization header alone. Redirects are not followed, because it would
travel with them.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Final, Self

import httpx2
import stamina
import stamina.instrumentation

from casebell import __version__
from casebell.clock import Clock
from casebell.errors import (
    UpstreamFailed,
    UpstreamLimited,
    UpstreamUnreachable,
)
from casebell.events import Value
from casebell.notify import http_client, outward
from casebell.notify.apprise_warnings import mute_loggers
from casebell.settings.upstream import UpstreamSettings
from casebell.upstream.answer import Answer, Translator
from casebell.upstream.budget import Budget

#: Bytes of an answer; of one that is read the event loop waits for a fraction of a second.
MAX_ANSWER: Final = 1024 * 1024
#: Seconds a connection is kept for the next request.
_KEEP_ALIVE: Final = 20.0


class Patience(Value):
    """How often something is tried, and how long is waited between two tries."""

    tries: int = 3
    #: Seconds before the second try; doubled for each one after it.
    first_wait: float = 1.0
    #: Most seconds of a wait of ours.
    most: float = 10.0
    #: Seconds by which a wait may be longer, at random: servers that failed together do not come
    #: back together.
    jitter: float = 1.0
    #: Most seconds that an API may ask us to wait; for a longer wait the error is raised at once.
    asked: float = 65.0


class Asker:
    """Asks one API; use it with `async with`.

    Args:
        patience: by default that of a server; a person who waits may have less.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        *,
        budget: Budget,
        clock: Clock,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._patience = patience or Patience()
        self._token = settings.token.get_secret_value()
        self.translate = Translator(settings.name, secrets=[self._token], clock=clock)
        self._client: httpx2.AsyncClient | None = None
        #: The proxy that leads out.
        self._proxy: str | None = None

    async def __aenter__(self) -> Self:
        mute_loggers()
        _mute_retries()
        # Plain HTTP is for this machine alone; over a proxy the token would leave it.
        plain = self._settings.base.startswith("http:")
        proxy = None if plain else outward.proxy_to(self._settings.base)
        try:
            context = await asyncio.to_thread(outward.tls_context)
        except OSError:
            message = f"The API cannot be asked: {outward.authorities()} cannot be read."
            raise UpstreamUnreachable(message, passes=False) from None
        try:
            self._client = httpx2.AsyncClient(
                verify=context,
                proxy=http_client.through(proxy, context),
                # The limit is for the whole answer, see `_once`.
                timeout=httpx2.Timeout(None, connect=self._settings.timeout * 0.9),
                limits=httpx2.Limits(keepalive_expiry=_KEEP_ALIVE),
                follow_redirects=False,
                # Neither proxies nor logins from `.netrc`.
                trust_env=False,
                headers={
                    "user-agent": f"casebell/{__version__}",
                    "accept": "application/json",
                    "accept-encoding": "identity",
                },
            )
        except (ValueError, ImportError):
            message = "The API cannot be asked: the proxy that leads out is of an unknown kind."
            raise UpstreamUnreachable(message, passes=False) from None
        self._proxy = proxy
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await self._budget.give_back()

    async def get(
        self, path: str, parameters: Sequence[tuple[str, str]] = (), *, open_to_all: bool = False
    ) -> Answer:
        """Ask; the answer is a success.

        Args:
            path: behind `base`, with its prefix.
            open_to_all: needs no token, so none is sent.

        Raises:
            UpstreamError: there is no such answer.
        """
        return await self._ask(
            "GET", path, parameters=parameters, headers={} if open_to_all else self._bearer
        )

    async def post(
        self, path: str, body: bytes, *, key: str, secrets: Sequence[str] = ()
    ) -> Answer:
        """Have something made or changed, once, however often it is tried.

        Args:
            key: the Idempotency-Key, by which the API knows a repeat.
            secrets: what the body holds and no message may.

        Raises:
            UpstreamError: it is not known to have been done.
        """
        headers = {
            **self._bearer,
            "content-type": "application/json",
            "idempotency-key": key,
        }
        return await self._ask("POST", path, headers=headers, body=body, secrets=secrets)

    @property
    def _bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"}

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        parameters: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        secrets: Sequence[str] = (),
    ) -> Answer:
        client = self._client
        if client is None:
            message = "The client is used outside of its `async with`."
            raise RuntimeError(message)
        translate = self.translate.also_hiding(*secrets)
        patience = self._patience
        async for attempt in stamina.retry_context(
            on=self._wait_after,
            attempts=patience.tries,
            timeout=None,
            wait_initial=patience.first_wait,
            wait_max=patience.most + patience.jitter,
            wait_jitter=patience.jitter,
        ):
            with attempt:
                await self._budget.take()
                request = client.build_request(
                    method,
                    f"{self._settings.base}{path}",
                    params=list(parameters) or None,
                    headers=dict(headers),
                    content=body,
                )
                answer = await self._once(client, request, translate)
                if not answer.succeeded:
                    raise translate.of_status(answer)
                return answer
        raise AssertionError

    async def _once(
        self, client: httpx2.AsyncClient, request: httpx2.Request, translate: Translator
    ) -> Answer:
        """The answer to one try, whatever it is, within the time that an answer has."""
        progress = http_client.Progress(self._proxy)
        request.extensions = {**request.extensions, "trace": progress.note}
        within = self._settings.timeout
        try:
            async with asyncio.timeout(within):
                response = await client.send(request, stream=True)
                try:
                    body = await _bounded(response, translate)
                finally:
                    await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise translate.unreachable(error, progress.reached, within=within) from None
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
        )

    def _wait_after(self, error: Exception) -> bool | float:
        """Whether to try again after an error; the seconds to wait where the API says them."""
        match error:
            case UpstreamUnreachable():
                return error.passes
            case UpstreamFailed() | UpstreamLimited():
                pass
            case _:
                return False
        if (asked := error.asked) is None:
            return True
        return self._spread(asked) if asked <= self._patience.asked else False

    def _spread(self, seconds: float) -> float:
        return seconds + random.uniform(0, self._patience.jitter)  # noqa: S311 - no secret


async def _bounded(response: httpx2.Response, translate: Translator) -> bytes:
    """The body of an answer.

    Raises:
        UpstreamUnreadable: it is compressed or too large.
    """
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        # A few bytes could become any number.
        raise translate.unreadable("it is compressed, which was not asked for")
    # Not a list: pieces may have a byte each.
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_ANSWER:
            raise translate.unreadable(f"it has more than {MAX_ANSWER:,} bytes")
    return bytes(body)


@cache
def _mute_retries() -> None:
    """Turn stamina's own logging off, for the life of the process: the error tells of the last."""
    stamina.instrumentation.set_on_retry_hooks(())
