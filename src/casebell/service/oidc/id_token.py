"""The ID token: what the identity provider says and signs (OpenID Connect Core, 3.1.3.7)."""

from collections.abc import Collection, Mapping
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from casebell.service.oidc.failures import NotProven

#: The signatures that are taken: of a private key, which the provider alone has. With HS256 whoever
#: has the client's secret could sign, with none anybody.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"}
)
#: Seconds by which the provider's clock may differ from ours.
LEEWAY = 60
#: Characters of a subject (OpenID Connect Core, 2).
MAX_SUBJECT = 255


class UnknownKey(NotProven):
    """The ID token is signed by a key that the identity provider did not publish."""


def verified_claims(
    text: str,
    *,
    keys: KeySet,
    algorithms: Collection[str],
    issuer: str,
    client_id: str,
    nonce: str,
    now: int,
) -> Mapping[str, Any]:
    """The claims of an ID token that is meant for us, here and now.

    Args:
        algorithms: those that the provider says it signs with.
        now: seconds since the epoch.

    Raises:
        UnknownKey: none of these keys signed it; it may be a newer one.
        NotProven: it says nothing to us, for another reason.
    """
    allowed = ALGORITHMS.intersection(algorithms)
    if not allowed:
        # joserfc takes an empty choice for its own, which has HS256.
        raise NotProven(cause="no_algorithm")
    registry = JWSRegistry(algorithms=allowed, strict_check_header=False)
    try:
        token = jwt.decode(text, key=keys, registry=registry)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": client_id},
                "sub": {"essential": True},
            },
            params={"nonce": nonce, "client_id": client_id},
        )
        claims.validate(now=now, leeway=LEEWAY)
    except InvalidKeyIdError:
        raise UnknownKey(cause="unknown_key") from None
    except ClaimError as error:
        raise NotProven(cause=f"{error.error}:{error.claim}") from None
    except JoseError as error:
        raise NotProven(cause=error.error) from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        # What is no token at all: joserfc lets through what its parts raise.
        raise NotProven(cause="malformed") from None
    subject = claims["sub"]
    if not (0 < len(subject) <= MAX_SUBJECT and subject.isprintable()):
        raise NotProven(cause="invalid_claim:sub")
    return dict(claims)
