"""Variables by which the libraries that send find certificates and proxies, also from `.env`."""

import re
import ssl
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from casebell.errors import Problem
from casebell.settings.environment import ENVIRONMENT, Environment

#: Files of authorities: OpenSSL reads the first, requests the two others.
AUTHORITIES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_LOWER = tuple(name.lower() for name in (*_PROXIES, "NO_PROXY"))
NAMES = (*AUTHORITIES, "SSL_CERT_DIR", *_PROXIES, "NO_PROXY", *_LOWER)

#: Authorities that a file with the public ones has at the least.
_MANY = 20
#: A proxy's address with a login at which it cannot be cut.
_PROXY = re.compile(
    r"(?:\w+://)?(?:[^\s@:/?#]+(?::[^\s@:/?#]*)?@)?(?:\[[^\s\]]+\]|[^\s@:/?#]+)(?::\d+)?/?"
)


def outward(environment: Environment, *, base_dir: Path) -> dict[str, str]:
    """The variables for the libraries; where one file of authorities is named, all read it."""
    variables = environment.variables
    given = {name: variables[name] for name in NAMES if variables.get(name)}
    for name in (*AUTHORITIES, "SSL_CERT_DIR"):
        if name in given and environment.where(name) != ENVIRONMENT:
            given[name] = str(base_dir / given[name])
    if authorities := next((given[name] for name in AUTHORITIES if name in given), None):
        given = dict.fromkeys(AUTHORITIES[:2], authorities) | given
    return given


def faults(environment: Environment, given: Mapping[str, str]) -> Iterator[Problem]:
    """What the libraries would pass over, or report for every message."""
    for name in dict.fromkeys(_named(environment)):
        if reason := _read_authorities(given[name])[1]:
            yield Problem(
                key=name,
                message=f"The file of authorities cannot be used: {reason}.",
                where=environment.where(name),
                hint="Name a file with the certificates (PEM) of every authority that is trusted, "
                "your own and the public ones.",
            )
    for name in given:
        if name.upper() in _PROXIES and _PROXY.fullmatch(given[name]) is None:
            yield Problem(
                key=name,
                where=environment.where(name),
                message="This is no proxy's address, or its login would be cut.",
                hint="Write http://user:password@proxy.example-firm.com:3128, the characters "
                "`@ : / ? # %` of the login percent-encoded.",
            )


def remarks(environment: Environment, given: Mapping[str, str]) -> Iterator[str]:
    """Sentences on a file that has few authorities: it is trusted in the place of all others."""
    for name in dict.fromkeys(_named(environment)):
        count, _ = _read_authorities(given[name])
        if 0 < count < _MANY:
            yield (
                f"{name} names a file with {count} authorities, and no others are trusted: add "
                "the public ones to it if a channel leads to a public service, such as Slack."
            )


def _named(environment: Environment) -> Iterator[str]:
    return (name for name in AUTHORITIES if environment.variables.get(name))


def _read_authorities(path: str) -> tuple[int, str]:
    """How many certificates a file has, and why it cannot be used."""
    try:
        file = Path(path).stat()
        return _parse_authorities(path, (file.st_ino, file.st_size, file.st_ctime_ns))
    except OSError as error:
        return 0, error.strerror or "it cannot be read"


@lru_cache(maxsize=len(AUTHORITIES))
def _parse_authorities(path: str, _version: tuple[int, int, int]) -> tuple[int, str]:
    """The same of a file as it is now: the public authorities take 40 ms to parse.

    Args:
        _version: another one once the file is another, was written, or has other permissions.

    Raises:
        OSError: it cannot be read; the next call tries again.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        return 0, "it holds no certificate in PEM"
    return context.cert_store_stats()["x509"], ""
