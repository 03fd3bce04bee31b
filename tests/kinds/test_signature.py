"""Every spelling of a signature header, and everything that only looks like one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.errors import RefusedDelivery, SignatureMalformed, SignatureMissing
from casebell.kinds.signature import (
    MAX_KEPT_DIGESTS,
    MAX_PARTS,
    Signature,
    read_signature,
)

DIGEST = bytes(range(224, 256))
HEX = DIGEST.hex().encode()
STANDARD = base64.b64encode(DIGEST)
URLSAFE = base64.urlsafe_b64encode(DIGEST)


@pytest.mark.parametrize(
    "value",
    [
        b"Parley-Signature=t=1734020000,v1=" + HEX,
        b"Parley-Signature t=1734020000,v1=" + HEX,
        b"t=1734020000,v1=" + HEX,
        b"parley-signature=t=1734020000,v1=" + HEX.upper(),
        b"  Parley-Signature \t= t = 1734020000 , v1 = " + HEX + b" ,",
        b"v1=" + HEX + b",t=1734020000",
        b"Parley-Signature=t=1734020000,v1=" + HEX + b",v0=old,kid=2026",
        b"Parley-Signature=v0=old,t=1734020000,v1=" + HEX,
        b"t=1734020000,v1=" + STANDARD,
        b"t=1734020000,v1=" + STANDARD.rstrip(b"="),
        b"t=1734020000,v1=" + URLSAFE,
        b"t=1734020000,v1=" + URLSAFE.rstrip(b"="),
        b"Basic dXNlcjpwYXNz, Parley-Signature=t=1734020000,v1=" + HEX,
        b"Parley-Signature=t=1734020000,v1=" + HEX + b", Basic dXNlcjpwYXNz=",
        b"Bearer abc.def, t=1734020000,v1=" + HEX,
        b'Digest username="x", t=1, Parley-Signature t=1734020000,v1=' + HEX,
    ],
)
def test_reads_every_spelling_of_one_signature(value: bytes) -> None:
    """Scheme, order, case, encoding and neighbours do not change what is read."""
    signature = read_signature([value])
    assert signature.time == b"1734020000"
    assert signature.digests == (DIGEST,)


def test_the_alphabets_of_base64_differ_in_this_digest() -> None:
    """The digest used above tells standard and URL-safe base64 apart."""
    assert STANDARD != URLSAFE


def test_reads_several_digests_in_order() -> None:
    """While a secret rotates a sender may sign with both."""
    other = bytes(32)
    signature = read_signature([b"t=1,v1=" + HEX + b",v1=" + other.hex().encode()])
    assert signature.digests == (DIGEST, other)


@pytest.mark.parametrize(
    "value",
    [
        b"t=1,v1=" + HEX + b",v1=potato",
        b"t=1,v1=potato,v1=" + HEX,
        b"t=1,v1=" + b"g" * 64 + b",v1=" + HEX,
        b"t=1,v1=" + b"*" * 43 + b",v1=,v1=" + HEX + b",v1=" + HEX[:-1],
    ],
)
def test_an_unreadable_digest_says_nothing_against_a_readable_one(value: bytes) -> None:
    """A sender may add a digest of another form; it matches nothing."""
    assert read_signature([value]).digests == (DIGEST,)


def test_reads_as_many_digests_as_a_header_holds() -> None:
    """Neither the ninth digest nor the last one that is read is left out."""
    digests = [bytes([number]) * 32 for number in range(MAX_PARTS - 1)]
    value = b"t=1" + b"".join(b",v1=" + digest.hex().encode() for digest in digests)
    assert read_signature([value]).digests == tuple(digests)


def test_other_credentials_may_be_of_any_length() -> None:
    """A Kerberos ticket in the same header takes ten thousand characters."""
    ticket = b"Negotiate " + b"YII" * 5_000
    sent = b"Parley-Signature=t=7,v1=" + HEX
    for values in ([ticket + b", " + sent], [sent + b", " + ticket], [ticket, sent]):
        assert read_signature(values) == Signature(time=b"7", digests=(DIGEST,))
    with pytest.raises(SignatureMissing):
        read_signature([ticket])


@pytest.mark.parametrize(
    "lines",
    [
        [b"Parley-Signature=t=7", b"v1=" + HEX],
        [b"Parley-Signature=t=7,", b",v1=" + HEX],
        [b"Parley-Signature", b"t=7", b"v1=" + HEX],
        [b"t=7", b"v1=" + HEX],
        [b"Basic dXNlcjpwYXNz", b"Parley-Signature=t=7", b"v1=" + HEX],
        [b"Parley-Signature=t=7", b"v1=" + HEX, b"Basic dXNlcjpwYXNz="],
    ],
)
def test_a_header_split_at_its_comma_is_one(lines: list[bytes]) -> None:
    """Lines of one name are one list (RFC 9110, 5.3): a proxy may split it."""
    assert read_signature(lines) == Signature(time=b"7", digests=(DIGEST,))


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (b"1734020000", 1_734_020_000),
        (b"0001734020000", 1_734_020_000),
        (b"1734020000123", 1_734_020_000.123),
        (b"999999999999", 999_999_999_999),
        (b"1000000000000", 1_000_000_000),
        (b"1734020000123456", 1_734_020_000.123456),
        (b"1734020000123456789", 1_734_020_000.123456),
    ],
)
def test_more_digits_are_a_finer_unit(time: bytes, seconds: float) -> None:
    """Senders sign any; the digits are read by their value."""
    header = b"Parley-Signature=t=" + time + b",v1=" + HEX
    assert read_signature([header]).at == round(seconds * 1_000_000)


def test_few_digests_of_a_refused_signature_are_kept() -> None:
    """What is kept of a stranger's header is small."""
    text = str(Signature(time=b"1", digests=(DIGEST,) * (MAX_PARTS - 1)))
    assert read_signature([text.encode()]).digests == (DIGEST,) * MAX_KEPT_DIGESTS


def test_of_two_lines_the_one_with_the_scheme_counts() -> None:
    """A proxy's own Authorization header beside the sender's is ignored."""
    sent = b"Parley-Signature=t=7,v1=" + HEX
    for lines in ([b"Basic dXNlcjpwYXNz", sent], [sent, b"t=8,v1=" + HEX]):
        assert read_signature(lines).time == b"7"


@pytest.mark.parametrize(
    "values",
    [[], [b""], [b" \t"], [b"Bearer abc.def"], [b"Basic dXNlcjpwYXNz=", b'Digest realm="x"']],
)
def test_other_credentials_are_no_signature(values: list[bytes]) -> None:
    """A header another scheme fills says "missing": the proxy is to blame, not the secret."""
    with pytest.raises(SignatureMissing):
        read_signature(values)


@pytest.mark.parametrize(
    "values",
    [
        [b"garbage"],
        [b"Parley-Signature"],
        [b"Parley-Signature="],
        [b"Parley-Signature=t=1734020000"],
        [b"Parley-Signature=v1=" + HEX],
        [b"t=,v1=" + HEX],
        [b"t=+1,v1=" + HEX],
        [b"t=-1,v1=" + HEX],
        [b"t=1.5,v1=" + HEX],
        [b"t=1 2,v1=" + HEX],
        [b"t=0x10,v1=" + HEX],
        [b"t=1_0,v1=" + HEX],
        ["t=\uff11,v1=".encode() + HEX],
        [b"t=" + b"1" * 20 + b",v1=" + HEX],
        [b"t=1,t=1,v1=" + HEX],
        [b"t=1,v1="],
        [b"t=1,v1=" + HEX[:-1]],
        [b"t=1,v1=" + HEX + b"0"],
        [b"t=1,v1=" + b"g" * 64],
        [b"t=1,v1=" + b"=" * 44],
        [b"t=1,v1=" + b"*" * 43],
        [b"t=1,v1=potato,v1="],
        [b"," * MAX_PARTS + b"t=1,v1=" + HEX],
        [b","] * (MAX_PARTS // 2) + [b"t=1,v1=" + HEX],
        [b"Parley-Signature=t=1,v1=" + HEX] * 2,
        [b"t=1,v1=" + HEX] * 2,
        [b"Parley-Signature=t=1,v1=" + HEX + b", Parley-Signature=t=2,v1=" + HEX],
        [b"Parley-Signature=t=1,v1=" + HEX, b"Parley-Signature t=2,v1=" + HEX],
        [b"Bearer x", b"garbage"],
    ],
)
def test_refuses_what_cannot_be_read(values: list[bytes]) -> None:
    """Garbage, repeats, foreign digits and overlong values are one error, never another."""
    with pytest.raises(SignatureMalformed):
        read_signature(values)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_are_read_or_refused(values: list[bytes]) -> None:
    """No header value gets anything out of the parser but a signature or a refusal."""
    try:
        signature = read_signature(values)
    except RefusedDelivery:
        return
    assert signature.time.isdigit()
    assert all(len(digest) == 32 for digest in signature.digests)


@given(
    time=st.integers(0, 10**19 - 1),
    digests=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=MAX_KEPT_DIGESTS),
    scheme=st.sampled_from([b"", b"Parley-Signature=", b"PARLEY-SIGNATURE "]),
    spell=st.sampled_from(
        [
            lambda digest: digest.hex().encode(),
            lambda digest: digest.hex().upper().encode(),
            base64.b64encode,
            lambda digest: base64.urlsafe_b64encode(digest).rstrip(b"="),
        ]
    ),
    gap=st.sampled_from([b"", b" ", b"\t "]),
)
def test_what_is_written_is_read_back(time, digests, scheme, spell, gap) -> None:  # type: ignore[no-untyped-def]
    """Time and digests survive any spelling of the header."""
    parts = [b"t=%d" % time, *(b"v1=" + spell(digest) for digest in digests)]
    signature = read_signature([scheme + (gap + b"," + gap).join(parts)])
    assert signature.time == b"%d" % time
    assert signature.digests == tuple(digests)
    # As it is kept of a refused delivery.
    assert read_signature([str(signature).encode()]) == signature
