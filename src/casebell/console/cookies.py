"""Cookies: read, and written so that no other site, path or script has them."""

from collections.abc import Mapping, Sequence

#: Who is signed in; a sign-in over the identity provider that has begun; the time zone of times.
SESSION = "casebell-session"
PENDING = "casebell-pending"
ZONE = "casebell-zone"

#: Only over TLS, from this host alone, for all of its paths.
_PREFIX = "__Host-"
#: Characters that are read of all cookies together.
MAX_COOKIES = 8_192


def read(headers: Sequence[tuple[bytes, bytes]], *, secure: bool) -> Mapping[str, str]:
    """The cookies of a request by their names without prefix.

    Args:
        secure: whether they were set over TLS; on this machine alone they may have no prefix.
    """
    given = "; ".join(value.decode("latin-1") for name, value in headers if name == b"cookie")
    found: dict[str, str] = {}
    bare: dict[str, str] = {}
    for pair in given[:MAX_COOKIES].split(";"):
        name, equals, value = pair.strip().partition("=")
        # The first counts: a second of the same name was set for a wider domain or path.
        if equals and name.startswith(_PREFIX):
            found.setdefault(name.removeprefix(_PREFIX), value)
        elif equals:
            bare.setdefault(name, value)
    return found if secure else bare | found


def written(
    name: str, value: str, *, secure: bool, seconds: int | None = None
) -> tuple[bytes, bytes]:
    """The header that sets a cookie.

    Args:
        seconds: how long the browser keeps it; None: until it is closed, 0: not any longer.
    """
    parts = [f"{_PREFIX if secure else ''}{name}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if secure:
        parts.append("Secure")
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    return (b"set-cookie", "; ".join(parts).encode())
