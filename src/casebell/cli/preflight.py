"""What `serve` needs beside the configuration, checked first: certificate, key and socket."""

import os
import ssl

from casebell.errors import ConfigError, Problem
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
    """Why the certificate and its key cannot be used; "" where they can, or there are none."""
    cert, key = settings.server.tls_cert, settings.server.tls_key
    if cert is None or key is None:
        return ""
    try:
        # A pass phrase could not be asked for where no person starts the server.
        ssl.create_default_context().load_cert_chain(cert, key, password="")
    except OSError as error:
        return str(error.strerror) if error.filename else "they are no PEM certificate and its key"
    return ""
