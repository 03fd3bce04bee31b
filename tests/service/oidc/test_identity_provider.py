"""What an identity provider says and signs, and what is believed of it: over real HTTP."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from casebell.clock import SECOND
from casebell.notify import outward
from casebell.service.oidc.failures import NotProven, ProviderUnavailable, SignInByProviderFailed
from casebell.service.oidc.identity_provider import (
    FAILURE_KEPT,
    KEPT,
    MAX_EXCHANGES,
    IdentityProvider,
)
from casebell.service.oidc.pending import Pending
from contracts.clock_and_log import ManualClock
from service.oidc.provider import CLIENT, OTHER_KEY, REDIRECT, SECRET, SUBJECT, Answer, Provider
from waiting import until

DISCOVERY, KEYS, TOKEN = "/firm/.well-known/openid-configuration", "/firm/keys", "/firm/token"


class Asking:
    """Casebell as the provider knows it."""

    def __init__(self, provider: Provider, clock: ManualClock) -> None:
        self.provider, self.clock = provider, clock
        self.ours = IdentityProvider(provider.oidc(), redirect_uri=REDIRECT, clock=clock)

    async def begin(self) -> tuple[str, Pending]:
        """A code that somebody came back with, and what was carried meanwhile."""
        pending = Pending.begin(next_path="/", now=self.clock.now())
        url = await self.ours.authorization_url(pending)
        return self.provider.approve(url)["code"], pending

    async def claims(self) -> Mapping[str, Any]:
        """Those of somebody who signs in."""
        return await self.ours.claims(*await self.begin())

    async def cause(self, kind: type[SignInByProviderFailed]) -> str:
        """Why there are none."""
        with pytest.raises(kind) as failed:
            await self.claims()
        return failed.value.cause


@pytest.fixture
def asking(provider: Provider, clock: ManualClock) -> Asking:
    return Asking(provider, clock)


async def test_somebody_signs_in(asking: Asking) -> None:
    """The claims are those of the ID token."""
    claims = await asking.claims()
    assert (claims["sub"], claims["groups"]) == (SUBJECT, ["everybody", "lawyers"])


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"algorithm": "none"}, "unsupported_algorithm"),
        ({"algorithm": "HS256"}, "unsupported_algorithm"),
        ({"signs_with": "other"}, "unknown_key"),
        ({"claims": {"iss": "https://elsewhere.example"}}, "invalid_claim:iss"),
        ({"claims": {"iss": None}}, "missing_claim:iss"),
        ({"claims": {"aud": "another"}}, "invalid_claim:aud"),
        ({"claims": {"aud": [CLIENT, "another"]}}, "missing_claim:azp"),
        ({"claims": {"aud": [CLIENT, "another"], "azp": "another"}}, "invalid_claim:azp"),
        ({"claims": {"azp": "another"}}, "invalid_claim:azp"),
        ({"claims": {"exp": 0}}, "expired_token:exp"),
        ({"claims": {"exp": None}}, "missing_claim:exp"),
        ({"claims": {"iat": 9_999_999_999}}, "invalid_claim:iat"),
        ({"claims": {"iat": None}}, "missing_claim:iat"),
        ({"claims": {"nbf": 9_999_999_999}}, "invalid_claim:nbf"),
        ({"claims": {"nonce": "another"}}, "invalid_claim:nonce"),
        ({"claims": {"nonce": None}}, "missing_claim:nonce"),
        ({"claims": {"sub": None}}, "missing_claim:sub"),
        ({"claims": {"sub": ""}}, "invalid_claim:sub"),
        ({"claims": {"sub": 7}}, "invalid_claim:sub"),
        ({"claims": {"sub": "x" * 256}}, "invalid_claim:sub"),
        ({"claims": {"sub": "zero\0"}}, "invalid_claim:sub"),
        ({"claims": {"sub": "half\ud800"}}, "invalid_claim:sub"),
        ({"token": ""}, "decode_error"),
        ({"token": "a.b"}, "decode_error"),
        ({"token": "a.b.c"}, "decode_error"),
        ({"token": 7}, "no_id_token"),
    ],
)
async def test_an_id_token_that_proves_nothing(
    asking: Asking, fields: Mapping[str, Any], cause: str
) -> None:
    """Nobody gets in, whatever else is right; the log says why, and nothing that it had."""
    for name, value in fields.items():
        setattr(asking.provider, name, value)
    assert await asking.cause(NotProven) == cause


async def test_the_key_of_another_with_a_known_name(asking: Asking) -> None:
    """A signature is checked by the key that is published under its name."""
    asking.provider.signs_with = "other"
    asking.provider.published = [{**asking.provider.published[0], "kid": "second"}]
    assert await asking.cause(NotProven) == "bad_signature"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
async def test_signatures(asking: Asking, algorithm: str) -> None:
    """Of a private key, of each usual kind."""
    asking.provider.algorithm = algorithm
    assert (await asking.claims())["sub"] == SUBJECT


async def test_an_algorithm_that_the_provider_does_not_name(asking: Asking) -> None:
    """Is not taken; one that names none but unsafe ones cannot be signed in with."""
    asking.provider.algorithm = "ES256"
    asking.provider.document["id_token_signing_alg_values_supported"] = ["RS256"]
    assert await asking.cause(NotProven) == "unsupported_algorithm"
    asking.clock.advance(KEPT)
    asking.provider.algorithm = "HS256"
    asking.provider.document["id_token_signing_alg_values_supported"] = ["HS256", "none"]
    assert await asking.cause(NotProven) == "no_algorithm"


@pytest.mark.parametrize(
    ("ahead", "cause"),
    [(60, ""), (61, "invalid_claim:iat"), (-359, ""), (-360, "expired_token:exp")],
)
async def test_clocks_differ(asking: Asking, ahead: int, cause: str) -> None:
    """By up to a minute: a token is good for five."""
    now = asking.clock.now() // SECOND + ahead
    asking.provider.claims |= {"iat": now, "exp": now + 300}
    if cause:
        assert await asking.cause(NotProven) == cause
    else:
        await asking.claims()


async def test_what_is_kept(asking: Asking) -> None:
    """Document and keys for an hour; a key that is not among them is looked for at once."""
    await asking.claims()
    await asking.claims()
    known = ["/firm/.well-known/openid-configuration", "/firm/keys"]
    assert [path for path in asking.provider.asked if path != "/firm/token"] == known
    asking.provider.signs_with = "other"
    asking.provider.published.append(OTHER_KEY)
    await asking.claims()
    assert asking.provider.asked[-2:] == ["/firm/token", "/firm/keys"]
    asking.clock.advance(KEPT)
    await asking.claims()
    assert [path for path in asking.provider.asked if path != "/firm/token"] == [
        *known, "/firm/keys", *known
    ]  # fmt: skip


async def test_keys_that_cannot_be_read(asking: Asking) -> None:
    """Leave the others usable."""
    strange = [{"kty": "AKP"}, {"kty": "EC", "crv": "P-9"}, {"kty": "RSA"}, {}, 7, None, "key"]
    asking.provider.published = [*strange, *asking.provider.published]
    await asking.claims()
    asking.clock.advance(KEPT)
    asking.provider.published = strange
    assert await asking.cause(ProviderUnavailable) == "no_keys"


async def test_the_secret_where_the_provider_wants_it(asking: Asking) -> None:
    """In the body if it takes it there, else in the head, with its characters encoded."""
    await asking.claims()
    assert "client_secret" not in asking.provider.forms[-1]
    asking.clock.advance(KEPT)
    asking.provider.document["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await asking.claims()
    assert asking.provider.forms[-1]["client_secret"] == SECRET


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({"issuer": "http://127.0.0.1/other"}, "other_issuer"),
        ({"issuer": ["x"]}, "other_issuer"),
        ({"authorization_endpoint": None}, "bad_endpoint"),
        ({"authorization_endpoint": "http://login.example-firm.com/"}, "bad_endpoint"),
        ({"token_endpoint": "http://login.example-firm.com/"}, "bad_endpoint"),
        ({"token_endpoint": "https://[/"}, "bad_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "bad_endpoint"),
        ({"authorization_endpoint": "https://login.example-firm.com/\r\nX: y"}, "bad_endpoint"),
    ],
)
async def test_a_document_that_is_not_its_own(
    asking: Asking, document: Mapping[str, Any], cause: str
) -> None:
    """The sign-in does not begin."""
    asking.provider.document = dict(document)
    assert await asking.cause(ProviderUnavailable) == cause


@pytest.mark.parametrize(
    ("path", "answer", "cause"),
    [
        (DISCOVERY, Answer(status=404), "status_404"),
        (DISCOVERY, Answer(status=302, headers={"Location": "/"}), "status_302"),
        (DISCOVERY, Answer(body=b"<html>"), "unreadable"),
        (DISCOVERY, Answer(body=b"[" * 100_000), "unreadable"),
        (DISCOVERY, Answer(body=b"[]"), "unreadable"),
        (DISCOVERY, Answer(body=b" " * 600_000), "unreadable"),
        (DISCOVERY, Answer(body=b"{}", headers={"Content-Encoding": "gzip"}), "unreadable"),
        (TOKEN, Answer(status=500, body=b"{}"), "status_500"),
        (TOKEN, Answer(status=429, body=b"slow down"), "status_429"),
        (TOKEN, Answer(body=b"nothing"), "unreadable"),
        (TOKEN, Answer(body=b'{"error": "invalid_client"}', status=401), "invalid_client"),
        (TOKEN, Answer(body=b'{"error": "my-secret"}', status=400), "other_error"),
        (TOKEN, Answer(body=b'{"error": ["x"]}', status=400), "other_error"),
        (TOKEN, Answer(body=b'{"expires_in": "x"}'), "unreadable"),
    ],
)
async def test_answers_that_are_none(asking: Asking, path: str, answer: Answer, cause: str) -> None:
    """The page says that the provider cannot be asked, the log why."""
    asking.provider.answers[path] = answer
    assert await asking.cause(ProviderUnavailable) == cause


async def test_a_provider_that_is_down(asking: Asking) -> None:
    """Whoever comes next is told so without a new attempt, for some seconds."""
    await asking.provider.stop()
    for _ in range(2):
        with pytest.raises(ProviderUnavailable) as failed:
            await asking.begin()
        assert failed.value.cause == "connection_refused"
        assert failed.value.detail == f"{DISCOVERY}: ConnectError"


async def test_a_provider_that_comes_back(asking: Asking) -> None:
    """Is asked again after these seconds."""
    asking.provider.answers[DISCOVERY] = Answer(status=503)
    assert await asking.cause(ProviderUnavailable) == "status_503"
    asking.provider.answers.clear()
    assert await asking.cause(ProviderUnavailable) == "status_503"
    asking.clock.advance(FAILURE_KEPT)
    await asking.claims()


async def test_one_question_for_all_who_wait(asking: Asking) -> None:
    """A firm that comes at nine asks for the document once."""
    await asyncio.gather(*(asking.begin() for _ in range(20)))
    assert asking.provider.asked == [DISCOVERY]


async def test_exchanges_at_a_time(asking: Asking) -> None:
    """A provider that is slow holds so many of our connections, and no more."""
    begun = [await asking.begin() for _ in range(MAX_EXCHANGES)]
    asking.provider.held_up = asyncio.Event()
    ways = [asyncio.create_task(asking.ours.claims(*one)) for one in begun]
    await until(lambda: asking.provider.asked.count(TOKEN) == MAX_EXCHANGES, "all to be under way")
    assert await asking.cause(ProviderUnavailable) == "busy"
    asking.provider.held_up.set()
    await asyncio.gather(*ways)
    await asking.claims()


async def test_how_far_its_clock_is_ahead(asking: Asking) -> None:
    """By its own Date header, which not all send."""
    asking.clock.advance(90)
    assert (await asking.ours.metadata()).ahead == pytest.approx(-90, abs=1)
    asking.clock.advance(KEPT)
    for date in ("", "yesterday"):
        asking.provider.date = date
        asking.clock.advance(KEPT)
        assert (await asking.ours.metadata()).ahead is None


async def test_certificates_of_this_house(asking: Asking, tmp_path: Path) -> None:
    """Those that the channels trust, and no others."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    bundle = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    async with Provider(asking.clock, tls=tls) as provider:
        there = Asking(provider, asking.clock)
        with pytest.raises(ProviderUnavailable) as failed:
            await there.claims()
        assert failed.value.cause == "tls_failed"
        assert "SSL_CERT_FILE" in failed.value.detail
        there.clock.advance(FAILURE_KEPT)
        outward.use({"REQUESTS_CA_BUNDLE": str(bundle)})
        try:
            await there.claims()
            bundle.unlink()
            with pytest.raises(ProviderUnavailable, match="asked now") as failed:
                await there.claims()
            assert failed.value.detail.endswith(" cannot be read")
        finally:
            outward.use({})


async def test_proxies_of_this_house(asking: Asking) -> None:
    """The one that leads to it is asked; one of a kind that we do not speak is told."""
    outward.use({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""})
    try:
        assert await asking.cause(ProviderUnavailable) == "proxy_failed"
        asking.clock.advance(FAILURE_KEPT)
        outward.use({"HTTP_PROXY": "ftp://127.0.0.1:9"})
        assert await asking.cause(ProviderUnavailable) == "proxy_failed"
    finally:
        outward.use({})
