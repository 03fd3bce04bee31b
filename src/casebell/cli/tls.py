"""The server's own certificate: usable when it starts, trusted by commands that ask it."""

import ssl

from casebell.errors import ConfigError, Problem
from casebell.settings import Settings


def see_certificate(settings: Settings) -> None:
    """See that the certificate and the key can be used, before anything is begun.

    Raises:
        ConfigError: they cannot.
    """
    cert, key = settings.server.tls_cert, settings.server.tls_key
    if cert is None or key is None:
        return
    try:
        # A pass phrase could not be asked for where no person starts the server.
        ssl.create_default_context().load_cert_chain(cert, key, password="")
    except OSError as error:
        reason = error.strerror if error.filename else "they are no PEM certificate and its key"
    else:
        return
    raise ConfigError(
        [
            Problem(
                key="server.tls_cert",
                message=f"The certificate and its key cannot be used: {reason}.",
                hint="Name a certificate in PEM, with its chain, and its own key without a pass "
                "phrase.",
                where=str(settings.path),
            )
        ]
    )


def trust(settings: Settings) -> ssl.SSLContext | bool:
    """Only this server's own certificate, whatever name it was made out to."""
    if settings.server.tls_cert is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.server.tls_cert))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
