"""Hostile configurations, hostile senders: never open, never leaking, never an accident."""

import random
import traceback
from ipaddress import ip_network
from typing import Any

import pytest

from casebell.errors import ConfigError, RefusedDelivery
from casebell.receive.signatures import Authenticator
from receive.builders import (
    BOTH,
    HMAC_SECRET,
    NOW,
    SHARED_SECRET,
    authorization_header,
    make_delivery,
    make_secret,
    make_source,
    make_torch,
    sign,
)

BODY = b'{"id":"evt_1","receipt_number":"IOE0912345678"}'
SHARED = (b"x-torch-secret", SHARED_SECRET.encode())


@pytest.mark.parametrize(
    "broken",
    [
        {"secrets": ()},
        {"secrets": (make_secret(""),)},
        {"secrets": (make_secret(SHARED_SECRET, use="shared-secret"),)},
        {"auth": ("shared-secret",)},
        {**BOTH, "secret_header": None},
        {**BOTH, "secrets": (make_secret(HMAC_SECRET, use="hmac"),)},
    ],
)
def test_refuses_to_start_without_a_usable_secret(broken: dict[str, Any]) -> None:
    """A method without a secret would be a door without a lock."""
    with pytest.raises(ConfigError):
        Authenticator(make_source(**broken))


def test_secrets_never_show() -> None:
    """Neither the object nor any refusal's text, arguments or traceback holds a secret."""
    canary, header_canary = "canary-of-the-source-01", b"canary-of-the-header"
    source = make_source(
        **(
            BOTH
            | {
                "secrets": (make_secret(canary),),
                "allow_from": (ip_network("198.51.100.0/24"),),
                "require": "all",
            }
        )
    )
    subject = Authenticator(source)
    shown = [repr(subject), str(subject)]
    right = [authorization_header(BODY, secret=canary), (b"x-torch-secret", canary.encode())]
    for headers in (
        right,
        [],
        [(b"authorization", header_canary)],
        [(b"authorization", b"t=1,v1=" + header_canary)],
        [(b"x-torch-secret", header_canary)],
    ):
        with pytest.raises(RefusedDelivery) as refused:
            subject.authenticate(make_delivery(BODY, headers), now=NOW)
        error = refused.value
        shown += [repr(error), str(error.args), error.message, error.hint]
        shown += traceback.format_exception(error)
    assert "canary" not in "".join(shown)


# --- Anything from anywhere ----------------------------------------------------------------------

PIECES = [
    b"Parley-Signature", b"parley-signature=", b"t=", b"v1=", b",", b"=", b" ", b"\t", b'"',
    b"Basic ", b"Bearer ", b"\x00", b"\xff", "\uff11".encode(), b"1734020000", b"-1", b"t", b"v1",
    b"9" * 30, b"=" * 44, b"ab" * 32, b"A" * 43, b";", b"\r\n",
]  # fmt: skip


def _mutated(value: bytes, chance: random.Random) -> bytes:
    """`value` with a few bytes cut out, doubled, replaced, or with a telling piece put in."""
    for _ in range(chance.randrange(4)):
        start = chance.randrange(len(value) + 1)
        end = min(len(value), start + chance.randrange(20))
        piece = chance.choice(
            (b"", chance.choice(PIECES), value[start:end] * 2, chance.randbytes(end - start))
        )
        value = value[:start] + piece + value[end:]
    return value


@pytest.mark.parametrize(
    "count",
    [pytest.param(10_000, id="quick"), pytest.param(100_000, id="long", marks=pytest.mark.slow)],
)
def test_survives_any_headers_and_bodies(count: int) -> None:
    """Whatever comes, it is proven or refused; and never proven unless really signed."""
    chance = random.Random(20251014)
    subjects = [
        Authenticator(make_source(**BOTH)),
        Authenticator(make_source(**BOTH, require="all")),
        Authenticator(make_source(signed_body="compact-json")),
        Authenticator(make_torch(prefix="Bearer ")),
    ]
    good = authorization_header(BODY)[1]
    proven = refused = 0
    for _ in range(count):
        value = chance.randbytes(chance.randrange(120)) if chance.random() < 0.1 else good
        headers = [(b"authorization", _mutated(value, chance))]
        if chance.random() < 0.3:
            headers.append((b"x-torch-secret", _mutated(SHARED[1], chance)))
        if chance.random() < 0.1:
            headers.append((b"authorization", _mutated(good, chance)))
        body = _mutated(BODY, chance)
        try:
            found = chance.choice(subjects).authenticate(make_delivery(body, headers), now=NOW)
        except RefusedDelivery:
            refused += 1
            continue
        proven += 1
        by_word = SHARED[1] in b"".join(value for _, value in headers[1:])
        by_key = any(sign(body).encode() in value.lower() for _, value in headers)
        assert by_word or by_key, found
    assert proven + refused == count
    assert proven > count // 20
    assert refused > count // 2
