"""A real identity provider on loopback, which keeps to the specification as strictly as any.

It checks the client, the redirect URI, PKCE and that a code is used once. A test makes it say what
no good one would: other claims, another key, another algorithm, another document.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_compact
from pydantic import SecretStr

from casebell.actors import Role
from casebell.clock import SECOND, Clock
from casebell.settings.models import Oidc

CLIENT, SECRET = "casebell", "s3cret+%7E of the client"
PEOPLE_URL = "https://cases.example-firm.com"
REDIRECT = f"{PEOPLE_URL}/sign-in/oidc/callback"
SUBJECT = "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"

_RSA = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
_OTHER_RSA = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
KEYS: Mapping[str, Key] = {
    "RS256": _RSA,
    "PS256": _RSA,
    "ES256": ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"}),
    "HS256": OctKey.import_key(SECRET, {"kid": "first"}),
    "other": _OTHER_RSA,
}


@dataclass(kw_only=True)
class Answer:
    """What an address answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Provider:
    """Listens on a free port while its `async with` block runs."""

    def __init__(self, clock: Clock, *, tls: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._tls = tls
        #: The paths that were asked for.
        self.asked: list[str] = []
        #: The forms that came to the token endpoint.
        self.forms: list[dict[str, str]] = []
        #: What stands in the discovery document beside or instead of what is right; None: not.
        self.document: dict[str, Any] = {}
        #: The same of the claims of ID tokens.
        self.claims: dict[str, Any] = {}
        self.algorithm = "RS256"
        #: The name of the key that signs, where it is not the algorithm's own.
        self.signs_with: str | None = None
        self.published: list[Any] = [_public(_RSA), _public(KEYS["ES256"])]
        #: In place of what an address would answer.
        self.answers: dict[str, Answer] = {}
        #: In place of the ID token.
        self.token: Any = None
        #: Where set, no address answers before it.
        self.held_up: asyncio.Event | None = None
        #: The Date of each answer.
        self.date = format_datetime(datetime.fromtimestamp(clock.now() / SECOND, UTC), usegmt=True)
        self._codes: dict[str, dict[str, str]] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        scheme = "https" if self._tls else "http"
        self.issuer = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/firm"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Answer nobody any more."""
        self._server.close()
        await self._server.wait_closed()

    def oidc(self, **fields: Any) -> Oidc:
        """Casebell's settings for it."""
        given = {
            "issuer": self.issuer,
            "client_id": CLIENT,
            "client_secret": SecretStr(SECRET),
            "roles": {"admins": Role.ADMIN, "operators": Role.OPERATOR, "lawyers": Role.VIEWER},
            "emails": {"jchan@example-firm.com": Role.AUDITOR},
            **fields,
        }
        return Oidc(**given)

    def approve(self, url: str, **claims: Any) -> dict[str, str]:
        """Have somebody sign in who was sent to this address; what the browser brings back."""
        assert url.startswith(f"{self.issuer}/authorize?")
        asked = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["scope"].split()[0] == "openid"
        assert asked["redirect_uri"] == REDIRECT
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(600)
        self._codes[code] = asked
        self.claims |= claims
        return {"code": code, "state": asked["state"]}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:])
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append(path)
            assert headers["accept-encoding"] == "identity"
            if self.held_up is not None:
                await self.held_up.wait()
            answer = self.answers.get(path) or self._answer(method, path, headers, body.decode())
            lines = [
                f"HTTP/1.1 {answer.status} X",
                f"Content-Length: {len(answer.body)}",
                "Connection: close",
                *(f"{name}: {value}" for name, value in answer.headers.items()),
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            # Whoever asked has gone away.
            pass
        finally:
            writer.close()

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Answer:
        match path.removeprefix("/firm"):
            case "/.well-known/openid-configuration":
                return self._json(200, _without_none(self._discovery() | self.document))
            case "/keys":
                return self._json(200, {"keys": self.published})
            case "/token" if method == "POST":
                form = {name: value for name, [value] in parse_qs(body).items()}
                self.forms.append(form)
                return self._exchange(form, headers)
        return self._json(404, {})

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
        }

    def _exchange(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        basic = headers.get("authorization", "").removeprefix("Basic ")
        name, _, secret = base64.b64decode(basic).decode().partition(":")
        given = (
            (unquote(name), unquote(secret))
            if basic
            else (form.get("client_id"), form.get("client_secret"))
        )
        if given != (CLIENT, SECRET):
            return self._json(401, {"error": "invalid_client", "error_description": SECRET})
        asked = self._codes.pop(form["code"], None)
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        right = asked is not None and (
            (challenge, form["redirect_uri"]) == (asked["code_challenge"], asked["redirect_uri"])
        )
        if asked is None or not right:
            return self._json(400, {"error": "invalid_grant", "error_description": form["code"]})
        token = self._id_token(asked["nonce"]) if self.token is None else self.token
        return self._json(200, {"access_token": "a", "token_type": "Bearer", "id_token": token})

    def _json(self, status: int, value: Any) -> Answer:
        headers = {"Content-Type": "application/json", "Date": self.date}
        return Answer(status=status, body=json.dumps(value).encode(), headers=headers)

    def _id_token(self, nonce: str) -> str:
        now = self._clock.now() // SECOND
        claims = {
            "iss": self.issuer,
            "sub": SUBJECT,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "preferred_username": "jchan@example-firm.com",
        }
        key = KEYS[self.signs_with or self.algorithm.replace("none", "RS256")]
        header = {"alg": self.algorithm, "kid": key.kid, "x-other": "1"}
        return signed(header, _without_none(claims | self.claims), key)


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    """A token, whatever it says."""
    payload = json.dumps(claims).encode()
    if header["alg"] == "none":
        parts = (json.dumps(header).encode(), payload, b"")
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    registry = JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    return serialize_compact(dict(header), payload, key, registry=registry)


def _public(key: Key) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


OTHER_KEY = _public(_OTHER_RSA)


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


@contextmanager
def running_beside(clock: Clock) -> Iterator[Provider]:
    """One whose loop runs in a thread of its own, for what is not asynchronous."""
    started, stop = threading.Event(), asyncio.Event()
    made: list[Provider] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        async with Provider(clock) as provider:
            made.append(provider)
            started.set()
            await stop.wait()

    loops: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert started.wait(20)
        yield made[0]
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()
