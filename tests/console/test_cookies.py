"""Cookies as they are read and written."""

import pytest

from casebell.console import cookies

FOUND = "a" * 43


def sent(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", value.encode("latin-1")) for value in values]


def test_over_tls() -> None:
    """Only with the prefix, which a browser takes from this host alone, over TLS."""
    name, header = cookies.written(cookies.SESSION, FOUND, secure=True)
    assert name == b"set-cookie"
    assert header.split(b"; ") == [
        b"__Host-casebell-session=" + FOUND.encode(),
        b"Path=/",
        b"HttpOnly",
        b"SameSite=Lax",
        b"Secure",
    ]
    both = sent(f"casebell-session=other; __Host-casebell-session={FOUND}")
    assert cookies.read(both, secure=True)[cookies.SESSION] == FOUND


def test_on_this_machine() -> None:
    """Without TLS no browser would take the prefix."""
    _, header = cookies.written(cookies.SESSION, FOUND, secure=False, seconds=0)
    assert header == b"casebell-session=" + FOUND.encode() + (
        b"; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    )
    assert cookies.read(sent(f"casebell-session={FOUND}"), secure=False) == {cookies.SESSION: FOUND}


def test_with_the_prefix_everywhere() -> None:
    """Behind a proxy that names a loopback host only a POST shows that there is TLS."""
    both = sent(f"casebell-session=other; __Host-casebell-session={FOUND}")
    assert cookies.read(both, secure=False) == {cookies.SESSION: FOUND}
    assert cookies.read(sent("casebell-session=other"), secure=True) == {}


@pytest.mark.parametrize(
    "values",
    [
        [f"__Host-casebell-session={FOUND}; __Host-casebell-session=other"],
        [f"__Host-casebell-session={FOUND}", "__Host-casebell-session=other"],
        [f"a=b;c;=;;  __Host-casebell-session={FOUND} ;d=\xff"],
    ],
)
def test_the_first_counts(values: list[str]) -> None:
    """Of several of a name, and among what is no cookie."""
    assert cookies.read(sent(*values), secure=True)[cookies.SESSION] == FOUND


def test_bounded() -> None:
    """What stands behind kilobytes of others is not read."""
    values = sent("; ".join(["a=" + "b" * 90] * 100) + f"; __Host-casebell-session={FOUND}")
    assert cookies.SESSION not in cookies.read(values, secure=True)
