"""Deliveries as the upstream makes them: its own signing, written from its page, not from ours."""

import hashlib
import hmac

from casebell.settings import Source


def signature(body: bytes, *, secret: str, at: int) -> str:
    """The header value of the API page's example: HMAC-SHA256 over `t`, "." and the raw body."""
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"Parley-Signature=t={at},v1={digest}"


def headers_for(
    source: Source, body: bytes, *, secret: str, at: int, idempotency_key: str
) -> dict[str, str]:
    """The headers a source of this configuration sends; `at` in unix seconds."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
    if "hmac" in source.auth:
        headers[source.signature_header or "Authorization"] = signature(body, secret=secret, at=at)
    if "shared-secret" in source.auth and source.secret_header:
        headers[source.secret_header] = f"{source.prefix}{secret}"
    return headers
