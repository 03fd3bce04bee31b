"""Only what a source really sent becomes a verified delivery.

Each case: docs/decisions/upstream.md, A1 to A15 and B1 to B4.
"""

import base64
import hmac
import json
import os
import shutil
import subprocess
from ipaddress import ip_network
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.errors import (
    AuthenticationBusy,
    RefusedDelivery,
    SecretMismatch,
    SecretMissing,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    StaleSignature,
)
from casebell.events import Flag, HeldReason, VerifiedDelivery
from casebell.receive.signatures import Authenticator
from casebell.receive.work_budget import WorkBudget
from receive.builders import (
    BOTH,
    HMAC_SECRET,
    NOW,
    SHARED_SECRET,
    SIGNED_AT,
    authorization_header,
    make_delivery,
    make_secret,
    make_source,
    make_torch,
    sign,
)

BODY = b'{"id":"evt_1","receipt_number":"IOE0912345678"}'
SECOND = 1_000_000
SHARED = (b"x-torch-secret", SHARED_SECRET.encode())
KNOWN = json.loads((Path(__file__).parent.parent / "vectors" / "hmac_sha256.json").read_text())


def authenticate(
    headers: list[tuple[bytes, bytes]], *, body: bytes = BODY, now: int = NOW, **of: Any
) -> VerifiedDelivery:
    delivery = make_delivery(body, headers, address=of.pop("address", "192.0.2.7"))
    return Authenticator(make_source(**of)).authenticate(delivery, now=now)


# --- What a signature is -------------------------------------------------------------------------


@pytest.mark.parametrize("vector", KNOWN["vectors"], ids=lambda vector: vector["name"])
@pytest.mark.parametrize("spelling", ["hex", "HEX", "base64"])
def test_accepts_what_openssl_signed(vector: dict[str, str], spelling: str) -> None:
    """Known answers made by another tool: the time, a dot and the raw bytes under HMAC-SHA256."""
    digest = bytes.fromhex(vector["hex"])
    spelled = {
        "hex": digest.hex(),
        "HEX": digest.hex().upper(),
        "base64": base64.b64encode(digest).decode(),
    }[spelling]
    header = (b"authorization", f"Parley-Signature=t={vector['time']},v1={spelled}".encode())
    proven = authenticate(
        [header],
        body=base64.b64decode(vector["body_base64"]),
        now=int(vector["time"]) * SECOND,
        secrets=(make_secret(vector["secret"], label="known"),),
    )
    assert proven.secret_label == "known"
    assert proven.flags == frozenset()
    assert proven.hold is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_still_signs_the_known_answers() -> None:
    """The vectors are OpenSSL's words and not ours."""
    for vector in KNOWN["vectors"]:
        made = subprocess.run(
            ["sh", "-c", KNOWN["command"]],
            env={
                "PATH": os.environ["PATH"],
                "TIME": vector["time"],
                "BODY_BASE64": vector["body_base64"],
                "KEY_HEX": vector["secret"].encode().hex(),
            },
            capture_output=True,
            check=True,
            text=True,
        )
        assert made.stdout.split()[0] == vector["hex"]


@given(
    body=st.binary(max_size=300),
    flip=st.integers(0),
    place=st.sampled_from(["body", "time", "digest"]),
)
def test_one_changed_bit_is_a_mismatch(body: bytes, flip: int, place: str) -> None:
    """Body, time and digest are all covered."""
    digest = bytearray.fromhex(sign(body))
    time = SIGNED_AT
    if place == "body":
        changed = bytearray(body + b"\0")
        changed[flip // 8 % len(changed)] ^= 1 << flip % 8
        body = bytes(changed)
    elif place == "time":
        time += 1 + flip % 20
    else:
        digest[flip // 8 % 32] ^= 1 << flip % 8
    header = (b"authorization", f"t={time},v1={digest.hex()}".encode())
    with pytest.raises(SignatureMismatch):
        authenticate([header], body=body)


def test_never_accepts_the_sample_handlers_literal_t() -> None:
    """The handler on Parley's page takes "t" for the time: such a signature would never age."""
    digest = hmac.new(HMAC_SECRET.encode(), b"t." + BODY, "sha256").hexdigest()
    for time in (b"t", b"%d" % SIGNED_AT):
        header = (b"authorization", b"Parley-Signature=t=%b,v1=%b" % (time, digest.encode()))
        with pytest.raises(RefusedDelivery):
            authenticate([header])


def test_bytes_are_signed_and_not_their_meaning() -> None:
    """The same JSON in other bytes does not match."""
    spaced = json.dumps(json.loads(BODY), indent=1).encode()
    with pytest.raises(SignatureMismatch):
        authenticate([authorization_header(BODY)], body=spaced)


def test_a_sender_that_signs_compact_json_is_a_setting() -> None:
    """Whatever spaces travel, JavaScript's compact form was signed."""
    sent = '{ "text" : "Petición", "n" : 1.50, "2" : [ 1 ] }'.encode()
    signed = '{"2":[1],"text":"Petición","n":1.5}'.encode()
    proven = authenticate([authorization_header(signed)], body=sent, signed_body="compact-json")
    assert proven.delivery.body == sent


@pytest.mark.parametrize("body", [b'{ "a" : 1 }', b"not json", b"\xff", b"\xef\xbb\xbf{}"])
def test_the_raw_bytes_are_tried_before_the_compact_form(body: bytes) -> None:
    """They cost nothing, and prove as much: a budget that is spent holds up none of them."""
    budget = WorkBudget(processor_time=count(step=1_000).__next__)
    subject = Authenticator(make_source(signed_body="compact-json"), budget=budget)
    forged = make_delivery(b'{"a": 2}', [authorization_header(body)])
    with pytest.raises(SignatureMismatch):
        subject.authenticate(forged, now=NOW)
    with pytest.raises(AuthenticationBusy):
        subject.authenticate(forged, now=NOW)
    signed = make_delivery(body, [authorization_header(body)])
    assert subject.authenticate(signed, now=NOW).secret_label == "1"


@pytest.mark.parametrize("body", [b"not json", b"\xff"])
def test_what_has_no_compact_form_does_not_match(body: bytes) -> None:
    """A body that JavaScript would not parse is signed as it is or not at all."""
    with pytest.raises(SignatureMismatch):
        authenticate([authorization_header(b"null")], body=body, signed_body="compact-json")


def test_what_is_undecided_may_be_proven_otherwise() -> None:
    """Where either method suffices, a right secret is enough; a wrong one leaves it undecided."""
    budget = WorkBudget(processor_time=count(step=1_000).__next__)
    wrong = authorization_header(BODY, secret="another-secret-012345")
    either = Authenticator(make_source(**BOTH, signed_body="compact-json"), budget=budget)
    both = Authenticator(
        make_source(**BOTH, signed_body="compact-json", require="all"), budget=budget
    )
    with pytest.raises(SignatureMismatch):
        either.authenticate(make_delivery(BODY, [wrong]), now=NOW)
    assert either.authenticate(make_delivery(BODY, [wrong, SHARED]), now=NOW).secret_label == "word"
    for subject, headers in ((either, [wrong, WRONG_WORD]), (both, [wrong, SHARED])):
        with pytest.raises(AuthenticationBusy):
            subject.authenticate(make_delivery(BODY, headers), now=NOW)
    with pytest.raises(SecretMismatch):
        both.authenticate(make_delivery(BODY, [wrong, WRONG_WORD]), now=NOW)


def test_a_wrong_address_costs_no_work() -> None:
    """Its signature does not count, whatever it covers."""
    budget = WorkBudget(processor_time=count(step=1_000).__next__)
    source = make_source(signed_body="compact-json", allow_from=NETWORKS)
    subject = Authenticator(source, budget=budget)
    for _ in range(3):
        with pytest.raises(SignatureMismatch):
            subject.authenticate(make_delivery(b"{ }", [authorization_header(b"{}")]), now=NOW)


def test_the_header_is_a_setting() -> None:
    """Proxies overwrite Authorization; then the signature comes elsewhere."""
    value = authorization_header(BODY)[1]
    headers = [(b"authorization", b"Basic dXNlcjpwYXNz"), (b"x-parley-signature", value)]
    assert authenticate(headers, signature_header="X-Parley-Signature").secret_label == "1"
    with pytest.raises(SignatureMissing):
        authenticate(headers)


def test_of_two_authorization_headers_the_signature_counts() -> None:
    """A proxy may add its own; two signatures are refused, though both be right."""
    basic = (b"authorization", b"Basic dXNlcjpwYXNz")
    for headers in ([basic, authorization_header(BODY)], [authorization_header(BODY), basic]):
        assert authenticate(headers).secret_label == "1"
    with pytest.raises(SignatureMalformed):
        authenticate([authorization_header(BODY), authorization_header(BODY)])


# --- Rotation ------------------------------------------------------------------------------------

OLD, NEW = (
    make_secret("old-secret-0123456789", label="2025"),
    make_secret("new-secret-0123456789", label="2026"),
)


@pytest.mark.parametrize(("secret", "label"), [(OLD, "2025"), (NEW, "2026")])
def test_names_the_secret_that_matched(secret: Any, label: str) -> None:
    """Both work while a secret rotates, and the log shows which one did."""
    header = authorization_header(BODY, secret=secret.value.get_secret_value())
    assert authenticate([header], secrets=(OLD, NEW)).secret_label == label


def test_any_digest_may_match_any_secret() -> None:
    """A sender that signs with both is accepted by a receiver that knows only one."""
    digests = [sign(BODY, secret=secret) for secret in ("unknown-secret-0123", HMAC_SECRET)]
    header = (b"authorization", f"t={SIGNED_AT},v1={digests[0]},v1={digests[1]}".encode())
    assert authenticate([header]).secret_label == "1"


@pytest.mark.parametrize("matching", [None, 0, 1, 2])
@pytest.mark.parametrize("wrong_from", [0, 31])
def test_every_pair_is_compared_whatever_matches(matching: int | None, wrong_from: int) -> None:
    """The work depends on neither the place of a wrong byte nor on which secret matched."""
    names = ["first-secret-0123456", "second-secret-012345", "third-secret-0123456"]
    seen: list[tuple[int, int]] = []

    def compare(expected: bytes, given: bytes) -> bool:
        seen.append((len(expected), len(given)))
        return hmac.compare_digest(expected, given)

    wrong = bytearray.fromhex(sign(BODY, secret=names[0]))
    wrong[wrong_from] ^= 1
    right = wrong.hex() if matching is None else sign(BODY, secret=names[matching])
    header = (b"authorization", f"t={SIGNED_AT},v1={wrong.hex()},v1={right}".encode())
    source = make_source(secrets=tuple(make_secret(name, label=name) for name in names))
    try:
        Authenticator(source, compare=compare).authenticate(make_delivery(BODY, [header]), now=NOW)
    except SignatureMismatch:
        assert matching is None
    assert seen == [(32, 32)] * 6


def test_a_secret_for_one_method_does_not_serve_the_other() -> None:
    """A shared secret travels in every request and so must not be able to sign."""
    assert authenticate([authorization_header(BODY)], **BOTH).secret_label == "key"
    assert authenticate([SHARED], **BOTH).secret_label == "word"
    for header in (
        authorization_header(BODY, secret=SHARED_SECRET),
        (b"x-torch-secret", HMAC_SECRET.encode()),
    ):
        with pytest.raises((SignatureMismatch, SecretMismatch)):
            authenticate([header], **BOTH)


# --- Time ----------------------------------------------------------------------------------------

FIVE_MINUTES, WEEK = 300, 7 * 86400


@pytest.mark.parametrize(
    ("age", "flags", "hold"),
    [
        (0, set(), None),
        (FIVE_MINUTES, set(), None),
        (-FIVE_MINUTES, set(), None),
        (FIVE_MINUTES + 1, {Flag.STALE_SIGNATURE}, None),
        (WEEK, {Flag.STALE_SIGNATURE}, None),
        (WEEK + 1, {Flag.STALE_SIGNATURE}, HeldReason.SIGNATURE_TOO_OLD),
        (-FIVE_MINUTES - 1, set(), HeldReason.SIGNATURE_IN_FUTURE),
    ],
)
def test_age_flags_then_holds(age: int, flags: set[Flag], hold: HeldReason | None) -> None:
    """What arrives after an outage is late and not lost; nothing valid is refused."""
    now = (SIGNED_AT + age) * SECOND
    proven = authenticate([authorization_header(BODY)], now=now)
    assert proven.flags == flags
    assert proven.hold == hold
    if age > FIVE_MINUTES or age < -FIVE_MINUTES:
        with pytest.raises(StaleSignature):
            authenticate([authorization_header(BODY)], now=now, strict=True)
    else:
        assert authenticate([authorization_header(BODY)], now=now, strict=True) == proven


@pytest.mark.parametrize(("age", "flags"), [(0, set()), (FIVE_MINUTES + 1, {Flag.STALE_SIGNATURE})])
def test_a_time_in_milliseconds_is_read_as_one(age: int, flags: set[Flag]) -> None:
    """Thirteen digits blame no clock, and age like ten."""
    header = authorization_header(BODY, time=SIGNED_AT * 1000)
    proven = authenticate([header], now=(SIGNED_AT + age) * SECOND)
    assert proven.flags == flags
    assert proven.hold is None


def test_a_good_digest_proves_a_delivery_whatever_stands_beside_it() -> None:
    """An unreadable digest matches nothing, and refuses nothing."""
    good = sign(BODY)
    for digests in ([good, "potato"], ["potato", good], [good, *["0" * 64] * 8]):
        value = f"Parley-Signature=t={SIGNED_AT}" + "".join(f",v1={one}" for one in digests)
        assert authenticate([(b"authorization", value.encode())]).secret_label == "1"


def test_a_wrong_signature_learns_nothing_of_time() -> None:
    """Whether a time is stale is told only to who can sign."""
    header = authorization_header(BODY, secret="another-secret-012345", time=1)
    with pytest.raises(SignatureMismatch):
        authenticate([header], strict=True)


# --- Both methods --------------------------------------------------------------------------------

WRONG_KEY = authorization_header(BODY, secret="another-secret-012345")
WRONG_WORD = (b"x-torch-secret", b"another")
GARBAGE = (b"authorization", b"garbage")


def test_any_takes_the_first_that_succeeds() -> None:
    """One proof is enough, in the order of the setting."""
    assert authenticate([authorization_header(BODY), SHARED], **BOTH).secret_label == "key"
    assert authenticate([WRONG_KEY, SHARED], **BOTH).secret_label == "word"
    assert authenticate([GARBAGE, SHARED], **BOTH).secret_label == "word"


def test_all_needs_every_one() -> None:
    """Two proofs are recorded as two labels."""
    proven = authenticate([authorization_header(BODY), SHARED], require="all", **BOTH)
    assert proven.secret_label == "key+word"
    for headers in (
        [authorization_header(BODY)],
        [SHARED],
        [authorization_header(BODY), WRONG_WORD],
    ):
        with pytest.raises(RefusedDelivery):
            authenticate(headers, require="all", **BOTH)


@pytest.mark.parametrize("require", ["any", "all"])
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([], SignatureMissing),
        ([GARBAGE], SignatureMalformed),
        ([GARBAGE, WRONG_WORD], SecretMismatch),
        ([WRONG_WORD], SecretMismatch),
        ([WRONG_KEY], SignatureMismatch),
        ([WRONG_KEY, WRONG_WORD], SignatureMismatch),
    ],
)
def test_the_error_is_the_one_that_tells_most(
    require: str, headers: list[tuple[bytes, bytes]], error: type[RefusedDelivery]
) -> None:
    """A wrong secret is told before a missing header: that is what the sender got wrong."""
    with pytest.raises(error):
        authenticate(headers, require=require, **BOTH)


def test_a_torch_source_needs_its_header() -> None:
    """The shared secret alone, without any signature."""
    torch = Authenticator(make_torch())
    assert torch.authenticate(make_delivery(BODY, [SHARED]), now=NOW).secret_label == "1"
    with pytest.raises(SecretMissing):
        torch.authenticate(make_delivery(BODY, [authorization_header(BODY)]), now=NOW)
    with pytest.raises(SecretMismatch):
        torch.authenticate(make_delivery(BODY, [WRONG_WORD]), now=NOW)


# --- Addresses -----------------------------------------------------------------------------------

NETWORKS = (ip_network("198.51.100.0/24"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize("address", ["198.51.100.9", "::ffff:198.51.100.9", "2001:db8::1"])
def test_addresses_of_the_list_are_let_in(address: str) -> None:
    """IPv4 as IPv6 sockets write it is IPv4."""
    proven = authenticate([authorization_header(BODY)], address=address, allow_from=NETWORKS)
    assert proven.delivery.address == address


@pytest.mark.parametrize("address", ["", "192.0.2.7", "::1", "testclient", "198.51.100.9/24"])
def test_other_addresses_look_like_wrong_credentials(address: str) -> None:
    """From outside, a right secret and a wrong one get the same answer."""
    outside: dict[str, Any] = {"address": address, "allow_from": NETWORKS}
    answers = []
    for header in (authorization_header(BODY), WRONG_KEY):
        with pytest.raises(SignatureMismatch) as refused:
            authenticate([header], **outside)
        answers.append((refused.value.code, refused.value.message))
    assert answers[0] == answers[1]
    with pytest.raises(SecretMismatch):
        authenticate([SHARED], **outside, **BOTH)
