"""A shared secret proves itself by its value alone, and by nothing that can be measured."""

import contextlib
import hmac

import pytest

from casebell.errors import SecretMismatch, SecretMissing
from casebell.receive.shared_secret import MAX_HEADER, SharedSecrets

OLD, NEW = b"canary-old-secret", b"canary-new-secret-that-is-longer"


def secrets(*, prefix: str = "", compare=hmac.compare_digest) -> SharedSecrets:  # type: ignore[no-untyped-def]
    return SharedSecrets([("old", OLD), ("new", NEW)], prefix=prefix, compare=compare)


def test_names_the_secret_that_matched() -> None:
    """IT sees from the label whether the old secret is still in use."""
    assert secrets().match([OLD]) == "old"
    assert secrets().match([b"  " + NEW + b"\t"]) == "new"


@pytest.mark.parametrize("values", [[], [b""], [b" \t "]])
def test_nothing_is_missing(values: list[bytes]) -> None:
    """No header and an empty one are the same: nothing was shown."""
    with pytest.raises(SecretMissing):
        secrets().match(values)


@pytest.mark.parametrize(
    "values",
    [
        [OLD[:-1]],
        [OLD + b"x"],
        [OLD.upper()],
        [b"Bearer " + OLD],
        [OLD, NEW],
        [OLD, b"other"],
        [OLD + b"," + OLD],
        [b"x" * (MAX_HEADER + 1)],
        ["geheimnis-ü".encode("latin-1")],
    ],
)
def test_anything_else_is_wrong(values: list[bytes]) -> None:
    """A part, a change of case, an unconfigured prefix, two values: refused."""
    with pytest.raises(SecretMismatch):
        secrets().match(values)


def test_the_same_value_twice_is_one_value() -> None:
    """A proxy that repeats a header does no harm."""
    assert secrets().match([NEW, NEW]) == "new"


@pytest.mark.parametrize("value", [b"Bearer " + OLD, b"bearer   " + OLD, b"BEARER\t" + OLD, OLD])
def test_the_prefix_is_taken_off(value: bytes) -> None:
    """It is a scheme's name: any case, any space after it, and the sender may forget it."""
    assert secrets(prefix="Bearer ").match([value]) == "old"


def test_the_prefix_alone_is_no_secret() -> None:
    """An empty rest matches nothing."""
    with pytest.raises(SecretMismatch):
        secrets(prefix="Bearer ").match([b"Bearer "])


@pytest.mark.parametrize("value", [OLD, NEW, b"\x00", b"canary-old-secreX", b"c" * 300])
def test_every_secret_is_compared_whatever_came(value: bytes) -> None:
    """Neither a match nor the place of the first wrong byte changes what is done.

    What is compared has one length, so that of the secret does not show either.
    """
    seen: list[tuple[int, int]] = []

    def compare(expected: bytes, given: bytes) -> bool:
        seen.append((len(expected), len(given)))
        return hmac.compare_digest(expected, given)

    with contextlib.suppress(SecretMismatch):
        secrets(compare=compare).match([value])
    assert seen == [(32, 32), (32, 32)]


def test_two_sources_do_not_share_a_key() -> None:
    """The digests of one secret differ between objects: nothing can be precomputed."""
    seen: set[bytes] = set()

    def compare(expected: bytes, given: bytes) -> bool:
        seen.add(expected)
        return hmac.compare_digest(expected, given)

    for _ in range(2):
        secrets(compare=compare).match([OLD])
    assert len(seen) == 4
