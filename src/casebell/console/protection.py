"""What keeps other sites, and what a page shows, from acting as whoever is signed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from casebell.errors import CrossSite
from casebell.http.answers import Headers
from casebell.networks import is_loopback

#: Nothing but what this server gives, no script and no style inside a page, and no frames.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: A year; of this host alone, since its subdomains are the firm's.
_STRICT_TRANSPORT = b"max-age=31536000"

#: Of every answer. Referrer-Policy `no-referrer` would make forms send `Origin: null`.
_ALWAYS: Headers = [
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """How a visitor reached the console."""

    #: `https://casebell.example-firm.com`, without a path.
    origin: str
    #: Whether nobody on the way can read along: TLS, or this very machine.
    private: bool
    #: Whether it is TLS, as far as can be told.
    secure: bool

    @property
    def headers(self) -> Headers:
        """The headers of each answer."""
        if self.secure:
            return [*_ALWAYS, (b"strict-transport-security", _STRICT_TRANSPORT)]
        return list(_ALWAYS)


def reached(
    headers: Sequence[tuple[bytes, bytes]], *, scheme: str, public_url: str | None
) -> Reached:
    """How a visitor reached the console.

    Plain HTTP is private on this machine alone: the browser names a loopback host, no proxy
    forwarded the request, and a POST comes from a page of such a host. Behind a proxy the
    configured address says whether there is TLS.

    Args:
        scheme: of the connection to this server.
        public_url: how people reach the console, as configured.
    """
    given = {name: value.decode("latin-1") for name, value in headers}
    host = given.get(b"host", "")
    forwarded = bool(_FORWARDED & given.keys()) or _is_elsewhere(given.get(b"origin", ""))
    here = is_loopback(_host_of(host))
    if scheme == "http" and here and not forwarded:
        return Reached(origin=f"http://{host}", private=True, secure=False)
    if public_url is not None:
        parts = urlsplit(public_url)
        secure = parts.scheme == "https"
        origin = f"{parts.scheme}://{parts.netloc}"
        return Reached(
            origin=origin, private=secure or is_loopback(parts.hostname or ""), secure=secure
        )
    secure = scheme == "https" or given.get(b"x-forwarded-proto", "") == "https"
    return Reached(
        origin=f"{'https' if secure else 'http'}://{host}", private=secure, secure=secure
    )


#: A proxy's.
_FORWARDED = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}


def _host_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_elsewhere(origin: str) -> bool:
    """Whether a page is of another host than this machine: a proxy may hide that it forwards."""
    host = _host_of(origin.partition("://")[2])
    return bool(host) and not is_loopback(host)


def check_origin(headers: Sequence[tuple[bytes, bytes]], *, origin: str) -> None:
    """See that a POST comes from a page of the console itself.

    Every browser of the last years says so in Sec-Fetch-Site; an older one names its page's Origin.

    Raises:
        CrossSite: it does not, or nothing says so.
    """
    sites = [value for name, value in headers if name == b"sec-fetch-site"]
    origins = [value for name, value in headers if name == b"origin"]
    right = sites == [b"same-origin"] if sites else origins == [origin.encode()]
    if not right:
        raise CrossSite


def is_of_a_browser(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a request says where it comes from, as those of browsers do and programs' do not."""
    return any(name in (b"sec-fetch-site", b"origin") for name, _ in headers)


def own_path(given: str) -> str:
    """A path of ours to go to next; `/` in the place of anything else.

    It begins with one slash. A backslash, which browsers take for a slash, and control characters,
    which they leave out, are not in it.
    """
    right = given[:1] == "/" and given[1:2] != "/" and "\\" not in given and given.isprintable()
    return given if right and given.isascii() else "/"


def sign_in_path(after: str) -> str:
    """The form to sign in with, and where it leads."""
    return f"/sign-in?next={quote(after, safe='')}"
