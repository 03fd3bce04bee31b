"""Asks the identity provider: where it is to be asked, by which keys it signs, and for ID tokens.

What is known of the provider is kept for an hour. A key that it did not have then is looked for at
once.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import encode_client_secret_basic
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet

from casebell.clock import SECOND, Clock
from casebell.notify.apprise_warnings import mute_loggers
from casebell.service.oidc.asking import client_for, path_of
from casebell.service.oidc.failures import NotProven, ProviderUnavailable
from casebell.service.oidc.id_token import ALGORITHMS, UnknownKey, verified_claims
from casebell.service.oidc.metadata import Metadata
from casebell.service.oidc.pending import Pending
from casebell.settings.models import Oidc

#: Who it is, and what it is called.
SCOPE = "openid profile email"
#: Keys that are read of those it publishes.
MAX_KEYS = 100
#: Codes that are exchanged at a time: anybody can make one up, and each costs a connection.
MAX_EXCHANGES = 16
#: Seconds for which what is known of the provider is kept, and that it could not be asked.
KEPT = 3_600.0
FAILURE_KEPT = 5.0
#: What a token endpoint may say (RFC 6749, 5.2); another word is not repeated.
_TOKEN_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
     "unsupported_grant_type", "invalid_scope"}
)  # fmt: skip
_NOT_OUR_SECRET = frozenset({"invalid_client", "unauthorized_client"})


class IdentityProvider:
    """A provider as it is configured.

    Args:
        redirect_uri: where it sends the browser back.
    """

    def __init__(self, oidc: Oidc, *, redirect_uri: str, clock: Clock) -> None:
        mute_loggers()
        self.oidc = oidc
        self.redirect_uri = redirect_uri
        self._clock = clock
        self._exchanges = 0
        self._asking = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        #: Monotonic seconds.
        self._old_at = 0.0
        self._failure: ProviderUnavailable | None = None
        self._failed_until = 0.0

    async def metadata(self) -> Metadata:
        """What it says of itself.

        Raises:
            ProviderUnavailable: it cannot be asked, or says what cannot be.
        """
        async with self._asking:
            now = self._clock.monotonic()
            if self._metadata is not None and now < self._old_at:
                return self._metadata
            if self._failure is not None and now < self._failed_until:
                # Who waited for the same question is told the same, at once.
                raise ProviderUnavailable(cause=self._failure.cause, detail=self._failure.detail)
            try:
                self._metadata, self._keys = await self._discovered(), None
            except ProviderUnavailable as error:
                self._failure = error
                self._failed_until = self._clock.monotonic() + FAILURE_KEPT
                raise
            self._old_at = self._clock.monotonic() + KEPT
            return self._metadata

    async def look(self) -> Metadata:
        """What it says of itself, if somebody could sign in by that.

        Raises:
            ProviderUnavailable: nobody could.
        """
        metadata = await self.metadata()
        await self._published(metadata)
        if not ALGORITHMS.intersection(metadata.algorithms):
            raise ProviderUnavailable(
                cause="no_algorithm",
                detail=f"it signs by none of {', '.join(sorted(ALGORITHMS))}",
            )
        return metadata

    async def authorization_url(self, pending: Pending) -> str:
        """Where the browser goes, to come back with a code.

        Raises:
            ProviderUnavailable: it cannot be asked.
        """
        client = OAuth2Client(
            None,
            client_id=self.oidc.client_id,
            scope=SCOPE,
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(
            (await self.metadata()).authorization_endpoint,
            state=pending.state,
            nonce=pending.nonce,
            code_verifier=pending.verifier,
        )
        return str(url)

    async def claims(self, code: str, pending: Pending) -> Mapping[str, Any]:
        """Who came back with a code, as the provider signed it.

        Raises:
            ProviderUnavailable: it cannot be asked, or does not know us.
            NotProven: it does not take the code, or what it signed is not for us.
        """
        metadata = await self.metadata()
        if self._exchanges >= MAX_EXCHANGES:
            raise ProviderUnavailable(cause="busy", detail="too many sign-ins are under way")
        self._exchanges += 1
        try:
            text = await self._id_token(metadata, code, pending)
        finally:
            self._exchanges -= 1
        verified = partial(
            verified_claims,
            text,
            algorithms=metadata.algorithms,
            issuer=self.oidc.issuer,
            client_id=self.oidc.client_id,
            nonce=pending.nonce,
            now=self._clock.now() // SECOND,
        )
        try:
            return verified(keys=self._keys or await self._published(metadata))
        except UnknownKey:
            # It has a new one since they were read.
            return verified(keys=await self._published(metadata))

    async def _discovered(self) -> Metadata:
        answer = await self._get(get_well_known_url(self.oidc.issuer, external=True))
        date = answer.headers.get("Date", "")
        return Metadata.of(
            self._object(answer), issuer=self.oidc.issuer, date=date, now=self._clock.now()
        )

    async def _published(self, metadata: Metadata) -> KeySet:
        found = self._object(await self._get(metadata.jwks_uri)).get("keys")
        keys: list[Key] = []
        for one in (found if isinstance(found, list) else [])[:MAX_KEYS]:
            try:
                keys.append(JWKRegistry.import_key(one))
            except (JoseError, ValueError, TypeError, LookupError, AttributeError):
                # One of a kind that is not known says nothing of the others (RFC 7517, 5).
                continue
        if not keys:
            raise ProviderUnavailable(
                cause="no_keys", detail="it publishes no key that can be read"
            )
        self._keys = KeySet(keys)
        return self._keys

    async def _id_token(self, metadata: Metadata, code: str, pending: Pending) -> str:
        auth = "client_secret_post" if metadata.secret_in_body else _encoded_basic
        try:
            async with self._client(metadata.token_endpoint, auth) as client:
                answer = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=pending.verifier,
                )
        except AuthlibBaseError as error:
            word = str(error.error)
            cause = word if word in _TOKEN_ERRORS else "other_error"
            if cause == "invalid_grant":
                raise NotProven(cause=cause) from None
            detail = f"its answer to a code is {cause}"
            if cause in _NOT_OUR_SECRET:
                detail = "it does not take client_id and client_secret of console.oidc"
            raise ProviderUnavailable(cause=cause, detail=detail) from None
        except (ValueError, TypeError, RecursionError):
            detail = f"{path_of(metadata.token_endpoint)}: no JSON object"
            raise ProviderUnavailable(cause="unreadable", detail=detail) from None
        text = answer.get("id_token")
        if not isinstance(text, str):
            raise NotProven(cause="no_id_token")
        return text

    def _client(self, url: str, auth: Any = None) -> AbstractAsyncContextManager[Any]:
        return client_for(url, self.oidc, redirect_uri=self.redirect_uri, auth=auth)

    async def _get(self, url: str) -> httpx2.Response:
        async with self._client(url) as client:
            answer: httpx2.Response = await client.request("GET", url, withhold_token=True)
        if answer.status_code != 200:
            raise ProviderUnavailable(
                cause=f"status_{answer.status_code}",
                detail=f"{path_of(url)} answers {answer.status_code}",
            )
        return answer

    def _object(self, answer: httpx2.Response) -> dict[str, Any]:
        try:
            found = json.loads(answer.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProviderUnavailable(
                cause="unreadable", detail=f"{path_of(str(answer.url))}: no JSON object"
            )
        return found


class _Credentials(msgspec.Struct, frozen=True, kw_only=True):
    client_id: str
    client_secret: str


def _encoded_basic(client: Any, method: str, uri: str, headers: Any, body: Any) -> Any:
    """Our secret in the head of a request, its characters encoded (RFC 6749, 2.3.1).

    Authlib does not encode them, and some providers make secrets with a `+` or a `%`.
    """
    encoded = _Credentials(
        client_id=quote(client.client_id, safe=""),
        client_secret=quote(client.client_secret, safe=""),
    )
    return encode_client_secret_basic(encoded, method, uri, headers, body)
