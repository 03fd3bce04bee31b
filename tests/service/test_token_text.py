"""The text of a token: what is one, and that typing errors are none."""

import base64
import string

from hypothesis import given
from hypothesis import strategies as st

from casebell.service.token_text import PREFIX, is_token, new_token
from casebell.store.digests import digest_of

#: 32 zero bytes and their CRC-32, 0x190A55AD.
OF_ZEROS = PREFIX + base64.urlsafe_b64encode(bytes(32) + bytes.fromhex("190a55ad")).decode()

RANDOM = st.binary(min_size=32, max_size=32)
ALPHABET = string.ascii_letters + string.digits + "-_"


def test_known_answer() -> None:
    """A program that looks for tokens in files can rely on the shape."""
    assert new_token(bytes) == OF_ZEROS
    assert len(OF_ZEROS) == 52


@given(RANDOM)
def test_what_is_made_is_one(random: bytes) -> None:
    """Of any random bytes, and each its own."""
    token = new_token(lambda _: random)
    assert is_token(token)
    assert random in base64.urlsafe_b64decode(token.removeprefix(PREFIX))


@given(RANDOM, st.integers(4, 51), st.sampled_from(ALPHABET))
def test_a_wrong_character(random: bytes, place: int, character: str) -> None:
    """Each single one is told without a look into the database."""
    token = new_token(lambda _: random)
    typed = token[:place] + character + token[place + 1 :]
    assert is_token(typed) == (typed == token)


@given(st.text(max_size=80) | st.from_regex(r"cbl_[A-Za-z0-9_-]{0,60}\n?", fullmatch=True))
def test_other_texts(text: str) -> None:
    """Whatever a stranger sends is looked at without an error."""
    assert not is_token(text)


def test_every_one_is_another() -> None:
    """By the system's randomness; nothing of it is in the digest that is kept."""
    made = {new_token() for _ in range(50)}
    assert len(made) == len(set(map(digest_of, made))) == 50
    assert all(len(digest_of(one)) == 64 for one in made)
