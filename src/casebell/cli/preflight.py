"""What `serve` needs beside the configuration, checked first: certificate, key and socket."""

import os

from casebell.errors import ConfigError, Problem
from casebell.http.certificate import fault_of
from casebell.settings import Settings

#: Bytes of a Unix socket's path: the system's structure ends it with one more.
MAX_SOCKET_PATH = 107


def preflight(settings: Settings) -> None:
    """Check that certificate, key and socket can be used.

    Raises:
        ConfigError: one of them cannot.
    """
    problems = []
    if reason := _fault_of_certificate(settings):
        problems.append(
            Problem(
                key="server.tls_cert",
                message=f"The certificate and its key cannot be used: {reason}.",
                hint="Name a certificate in PEM, with its chain, and its own key without a pass "
                "phrase.",
                where=str(settings.path),
            )
        )
    length = len(os.fsencode(settings.socket))
    if length > MAX_SOCKET_PATH:
        problems.append(
            Problem(
                key="server.socket",
                message=f"The path of the socket has {length} bytes, and a Unix socket's at most "
                f"{MAX_SOCKET_PATH}: {settings.socket}",
                hint="Name a shorter one, in a folder where this user can write.",
                where=str(settings.path),
            )
        )
    if problems:
        raise ConfigError(problems)


def _fault_of_certificate(settings: Settings) -> str:
    cert, key = settings.server.tls_cert, settings.server.tls_key
    return "" if cert is None or key is None else fault_of(cert, key)
