"""Codes of an authenticator and recovery codes: how they are made, and read when typed."""

import re

import pytest
from pyotp import TOTP, parse_uri

from casebell.service import one_time_codes
from casebell.service.one_time_codes import INTERVAL

#: RFC 6238, appendix B, for SHA-1: the secret, then the codes of eight digits at some seconds.
OF_RFC_6238 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = {
    59: "94287082",
    1_111_111_109: "07081804",
    1_111_111_111: "14050471",
    1_234_567_890: "89005924",
    2_000_000_000: "69279037",
    20_000_000_000: "65353130",
}


@pytest.mark.parametrize("seconds", VECTORS)
def test_the_codes_are_those_of_the_standard(seconds: int) -> None:
    """Of which six digits are the last of eight."""
    digits = VECTORS[seconds][-6:]
    found = one_time_codes.intervals_of(digits, secret=OF_RFC_6238, now=seconds * 1_000_000)
    assert found == [seconds // 30]


@pytest.mark.parametrize(
    ("early", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_one_interval_before_and_one_after(early: int, taken: bool) -> None:
    """Of the code of an interval, at its first and at its last microsecond."""
    interval = 58_000_000
    code = TOTP(OF_RFC_6238).generate_otp(interval)
    begins = (interval + early) * INTERVAL
    for now in (begins, begins + INTERVAL - 1):
        found = one_time_codes.intervals_of(code, secret=OF_RFC_6238, now=now)
        assert found == ([interval] if taken else [])


def test_the_first_interval_there_is() -> None:
    """Before it there is none."""
    code = TOTP(OF_RFC_6238).generate_otp(0)
    assert one_time_codes.intervals_of(code, secret=OF_RFC_6238, now=0) == [0]


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        *(("123456", "123456"), (" 123 456\n", "123456"), ("123-456", "123456")),
        # As an input method for Chinese or Japanese types them.
        ("\uff11\uff12\uff13\uff14\uff15\uff16", "123456"),
        # Digits too, and none that an authenticator shows.
        ("\u0661\u0662\u0663\u0664\u0665\u0666", None),
        *(("", None), ("12345", None), ("1234567", None), ("12345a", None), ("+12345", None)),
        *((" " * 60 + "123456", None), ("\udc80" * 6, None), ("123456\x00", None)),
    ],
)
def test_a_code_that_was_typed(typed: str, digits: str | None) -> None:
    """In groups or not; anything else is none."""
    assert one_time_codes.six_digits(typed) == digits


def test_secrets_are_as_long_as_recommended() -> None:
    """160 bits, which base32 writes without padding: some authenticators do not take it."""
    found = {one_time_codes.new_secret() for _ in range(20)}
    assert len(found) == 20
    assert all(re.fullmatch("[A-Z2-7]{32}", one) for one in found)


@pytest.mark.parametrize("name", ["ana", "Ana@cases.example-firm.com:8443", "a:b/?&=#%", "Łukasz"])
def test_the_address_is_what_authenticators_read(name: str) -> None:
    """The label names what it is for, and nothing in a name ends it."""
    address = one_time_codes.address_of(OF_RFC_6238, name=name)
    read = parse_uri(address)
    assert (read.secret, read.name, read.issuer) == (OF_RFC_6238, name, "Casebell")
    assert address.isascii()


def test_recovery_codes() -> None:
    """Ten, of eighty random bits each, in characters that nobody mistakes."""
    codes = one_time_codes.new_recovery_codes()
    assert len(set(codes)) == 10
    for code in codes:
        assert re.fullmatch("[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}", code)
    drawn: list[int] = []

    def zeros(size: int) -> bytes:
        drawn.append(size)
        return bytes(size)

    assert set(one_time_codes.new_recovery_codes(zeros)) == {"0000-0000-0000-0000"}
    assert drawn == [10] * 10


def test_the_two_are_told_apart() -> None:
    """By their characters alone: one field takes both."""
    code = one_time_codes.new_recovery_codes()[0]
    assert one_time_codes.recovery_code(code.upper()) == code
    assert one_time_codes.six_digits(code) is None
    assert one_time_codes.recovery_code("123 456") is None


@pytest.mark.parametrize(
    "typed", ["", "123456", "0000-0000-0000-000", "0000-0000-0000-00000", "uuuu-uuuu-uuuu-uuuu"]
)
def test_what_is_no_recovery_code(typed: str) -> None:
    """It is not looked for."""
    assert one_time_codes.recovery_code(typed) is None
