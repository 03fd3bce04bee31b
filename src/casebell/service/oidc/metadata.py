"""What an identity provider says of itself (OpenID Connect Discovery 1.0, 3)."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from casebell.clock import SECOND
from casebell.events import Micros
from casebell.networks import is_loopback
from casebell.service.oidc.failures import OTHER_ISSUER, ProviderUnavailable

#: By which a provider signs that does not say by which.
USUAL = ("RS256",)
#: Characters that are shown of another issuer.
MAX_SHOWN = 200


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is used of it."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    #: By which it signs ID tokens.
    algorithms: tuple[str, ...]
    #: Whether our secret goes into the body of a request, instead of its head.
    secret_in_body: bool
    #: Whether its answer to the browser names it (RFC 9207).
    names_itself: bool
    #: Seconds by which its clock was ahead of ours; None where it did not say.
    ahead: float | None

    @classmethod
    def of(cls, found: Mapping[str, Any], *, issuer: str, date: str, now: Micros) -> Self:
        """That of a discovery document.

        Args:
            issuer: whose it is to be.
            date: the header of the answer, as sent.

        Raises:
            ProviderUnavailable: it is another one's, or has no addresses that can be used.
        """
        if (said := found.get("issuer")) != issuer:
            called = f"“{said[:MAX_SHOWN]}”" if isinstance(said, str) else "nothing"
            raise ProviderUnavailable(
                cause=OTHER_ISSUER,
                detail=f"it calls itself {called}: console.oidc.issuer must be the same",
            )
        methods = _texts(found.get("token_endpoint_auth_methods_supported"))
        return cls(
            authorization_endpoint=_endpoint(found, "authorization_endpoint"),
            token_endpoint=_endpoint(found, "token_endpoint"),
            jwks_uri=_endpoint(found, "jwks_uri"),
            algorithms=_texts(found.get("id_token_signing_alg_values_supported")) or USUAL,
            secret_in_body="client_secret_post" in methods,
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
            ahead=_ahead(date, now),
        )


def _endpoint(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    text = value if isinstance(value, str) and value.isascii() and value.isprintable() else ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "https" or is_loopback(parts.hostname or "")
        usable = usable and bool(parts.hostname) and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise ProviderUnavailable(cause="bad_endpoint", detail=f"its {name} is no address over TLS")
    return text


def _texts(value: object) -> tuple[str, ...]:
    found = value if isinstance(value, list) else []
    return tuple(one for one in found if isinstance(one, str))


def _ahead(date: str, now: Micros) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now / SECOND
    except (ValueError, TypeError, OverflowError):
        return None
