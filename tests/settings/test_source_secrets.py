"""Secrets that can never match, are likely to be spoilt, or can be guessed."""

import base64
import json
from collections.abc import Sequence

import pytest

from casebell.kinds import KINDS
from casebell.receive.signatures import secrets_for
from casebell.sandbox.deliveries import headers_for
from settings.loading import ReadConfig, ReadProblems

GOOD = "Zk3vQ9tLwX2mB7rH8sNcD4fG"
PARLEY = '[sources.parley]\nkind = "parley"\nsecrets = ["${SECRET}"]\n'
TORCH = '[sources.torch]\nkind = "torch"\nheader = "X-Torch"\nsecrets = ["${SECRET}"]\n'
KEY = bytes(range(24))
WHSEC = "whsec_" + base64.b64encode(KEY).decode()

SPOILT = [
    (f"{GOOD}\n", "ends with a line end"),
    (f"{GOOD}\r\n", "ends with a line end"),
    (f" {GOOD}", "a blank at one of its ends"),
    (f"{GOOD} ", "a blank at one of its ends"),
    (f"\ufeff{GOOD}", "a byte order mark"),
    (f"{GOOD}\n{GOOD}", "holds a line end"),
    (f"{GOOD}\x08", "control character"),
    (f'"{GOOD}"', "quotes of its own"),
    (f"'{GOOD}'", "quotes of its own"),
]


def about(secret: str, warnings: Sequence[str], source: str = "parley") -> list[str]:
    """The warnings of a source's first secret; none shows it."""
    text = "\n".join(warnings)
    assert secret not in text
    assert GOOD not in text
    return [warning for warning in warnings if f"sources.{source}.secrets[1]" in warning]


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        *SPOILT,
        (f"v1,{WHSEC}", "begins with `v1,`"),
        (WHSEC, "begins with `whsec_`"),
        ("abababababababababab", "can be guessed"),
        ("change-me-please-now", "can be guessed"),
        ("your-webhook-secret-here", "can be guessed"),
    ],
)
def test_a_doubtful_secret_is_warned_of(read: ReadConfig, secret: str, words: str) -> None:
    """It could be right, and a delivery in the night is not to be refused for our doubt."""
    (warning,) = about(secret, read(PARLEY, {"SECRET": secret}).warnings)
    assert words in warning


def test_a_good_secret_is_not(read: ReadConfig) -> None:
    """Nor one that is said to be the text itself."""
    assert about(GOOD, read(PARLEY, {"SECRET": GOOD}).warnings) == []
    text = PARLEY.replace('"${SECRET}"', '{ value = "${SECRET}", encoding = "text" }')
    assert about(WHSEC, read(text, {"SECRET": WHSEC}).warnings) == []
    both = PARLEY + TORCH
    assert not any("is the same as" in one for one in read(PARLEY, {"SECRET": GOOD}).warnings)
    found = about(GOOD, read(both, {"SECRET": GOOD}).warnings, "torch")
    assert "is the same as sources.parley.secrets[1]" in found[0]


@pytest.mark.parametrize(
    ("secret", "prefix", "words"),
    [
        *((secret, "", words) for secret, words in SPOILT),
        (GOOD * 200, "", "more than 4 KiB"),
        (f"Bearer {GOOD}", "Bearer ", "begins with `prefix`"),
        (f"bearer {GOOD}", "Bearer ", "begins with `prefix`"),
    ],
)
def test_a_secret_that_no_header_can_hold_is_refused(
    problems: ReadProblems, secret: str, prefix: str, words: str
) -> None:
    """A server takes blanks off a header, and no header has a line end: it never matches."""
    found = problems(TORCH + f'prefix = "{prefix}"', {"SECRET": secret})
    (problem,) = found.values()
    assert problem.key.startswith("sources.torch.secrets[1]")
    assert words in problem.message
    assert problem.hint
    assert GOOD not in problem.message + problem.hint


@pytest.mark.parametrize("header", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_a_header_that_cannot_carry_a_secret(problems: ReadProblems, header: str) -> None:
    """HTTP or a proxy writes it."""
    (problem,) = problems(TORCH.replace("X-Torch", header), {"SECRET": GOOD}).values()
    assert problem.key == "sources.torch.header"


@pytest.mark.parametrize(
    "value", [WHSEC, f"v1,{WHSEC}", WHSEC[6:], f"{WHSEC}\n", WHSEC.rstrip("=")]
)
def test_a_base64_secret_is_decoded(read: ReadConfig, value: str) -> None:
    """With whatever the provider writes before it; what Casebell signs and what it checks agree."""
    text = PARLEY.replace('"${SECRET}"', '{ value = "${SECRET}", encoding = "base64" }')
    source = read(text, {"SECRET": value}).sources["parley"]
    assert secrets_for(source, "hmac") == (("secret-1", KEY),)
    signed = headers_for(source, b"{}", at=1_734_020_000)["Authorization"]
    form = KINDS["parley"].signature
    assert signed == form.sign(b"{}", secret=KEY, at=1_734_020_000)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ('{ value = "not base64!", encoding = "base64" }', "value"),
        ('{ value = "YWJj", encoding = "base64" }', "value"),
        ('{ value = "${SECRET}", encoding = "hex" }', "encoding"),
    ],
)
def test_base64_that_is_none(problems: ReadProblems, entry: str, key: str) -> None:
    """Not decodable, or too short once it is."""
    found = problems(PARLEY.replace('"${SECRET}"', entry), {"SECRET": GOOD})
    assert [one.removeprefix("sources.parley.secrets[1].") for one in found] == [key]


def test_base64_in_a_header(problems: ReadProblems) -> None:
    """A header carries the text as it is."""
    entry = json.dumps(WHSEC)
    text = TORCH.replace('"${SECRET}"', f'{{ value = {entry}, encoding = "base64" }}')
    (problem,) = problems(text).values()
    assert problem.key == "sources.torch.secrets[1].encoding"
