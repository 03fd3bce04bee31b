"""Sources and deliveries for tests, signed here where no vector or sample fits."""

import hmac
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from pydantic import SecretStr

from casebell.events import Delivery, Micros, VerifiedDelivery
from casebell.receive.signatures import Authenticator
from casebell.settings import FieldMap, SourceSecret, SourceSettings

#: The time in the API page's sample header, and half a minute later.
SIGNED_AT = 1_734_020_000
NOW: Micros = (SIGNED_AT + 30) * 1_000_000

#: When a verified delivery came: no time in its body is later.
CAME_AT: Micros = 1_760_500_000_000_000

HMAC_SECRET = "sample-webhook-secret-parley"
SHARED_SECRET = "sample-shared-secret-torch"


def make_secret(value: str, *, label: str = "1", use: Any = None) -> SourceSecret:
    return SourceSecret(label=label, value=SecretStr(value), use=use)


#: Settings of a source that takes signature and shared secret, each with its own secret.
BOTH: dict[str, Any] = {
    "auth": ("hmac", "shared-secret"),
    "secret_header": "X-Torch-Secret",
    "secrets": (
        make_secret(HMAC_SECRET, label="key", use="hmac"),
        make_secret(SHARED_SECRET, label="word", use="shared-secret"),
    ),
}


def make_source(**chosen: Any) -> SourceSettings:
    """A source that takes Parley's signature, unless told otherwise."""
    given: dict[str, Any] = {
        "name": "parley",
        "kind": "parley",
        "auth": ("hmac",),
        "require": "any",
        "secrets": (make_secret(HMAC_SECRET),),
        "signature_header": "Authorization",
        "secret_header": None,
        "prefix": "",
        "signed_body": "raw",
        "tolerance": 300.0,
        "max_age": 7 * 86400.0,
        "strict": False,
        "allow_from": (),
        "fields": FieldMap(),
        "categories": {},
        "volatile": ("sent_at",),
    }
    return SourceSettings(**(given | chosen))


def make_torch(**chosen: Any) -> SourceSettings:
    """A source that takes Torch's shared secret, unless told otherwise."""
    given: dict[str, Any] = {
        "name": "torch",
        "kind": "torch",
        "auth": ("shared-secret",),
        "secrets": (make_secret(SHARED_SECRET),),
        "signature_header": None,
        "secret_header": "X-Torch-Secret",
    }
    return make_source(**(given | chosen))


def make_delivery(
    body: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    source: str = "parley",
    address: str = "192.0.2.7",
) -> Delivery:
    return Delivery(
        source=source,
        body=body,
        headers=tuple(headers),
        address=address,
        received_at=NOW,
        request_id="req_1",
    )


def sign(body: bytes, *, secret: str = HMAC_SECRET, time: int | str = SIGNED_AT) -> str:
    """64 hexadecimal digits."""
    return hmac.new(secret.encode(), str(time).encode() + b"." + body, "sha256").hexdigest()


def authorization_header(
    body: bytes, *, secret: str = HMAC_SECRET, time: int | str = SIGNED_AT
) -> tuple[bytes, bytes]:
    """The header of the API page's sample."""
    digest = sign(body, secret=secret, time=time)
    return b"authorization", f"Parley-Signature=t={time},v1={digest}".encode()


def verified_delivery(body: bytes, *, source: SourceSettings | None = None) -> VerifiedDelivery:
    """`body` as a delivery whose signature was checked."""
    source = source or make_source()
    delivery = make_delivery(body, [authorization_header(body)], source=source.name)
    delivery = replace(delivery, received_at=CAME_AT)
    return Authenticator(make_source(name=source.name)).authenticate(delivery, now=NOW)
