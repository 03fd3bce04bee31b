"""The headers of a delivery as its source makes them."""

import contextlib
import uuid

from casebell.kinds import KINDS, Method
from casebell.receive.compact_json import compact_json
from casebell.settings import Source


def headers_for(
    source: Source,
    body: bytes,
    *,
    at: int,
    secret: str | None = None,
    idempotency_key: str | None = None,
) -> dict[str, str]:
    """The headers that prove `body` by each of the source's methods.

    Args:
        source: whose headers; a method without a secret that serves it is left out.
        body: the exact bytes.
        at: when it is signed, in seconds since 1970.
        secret: instead of the source's own.
        idempotency_key: None is a fresh one.
    """
    signed = body
    if source.signed_body == "compact-json":
        # What is no JSON has no other form: let the server say what it makes of it.
        with contextlib.suppress(ValueError):
            signed = compact_json(body)
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": idempotency_key or str(uuid.uuid4()),
    }
    for method in source.auth:
        value = _own_secret(source, method) if secret is None else secret
        if value is None:
            continue
        if method == "hmac":
            form = KINDS[source.kind].signature
            signature = form.sign(signed, secret=value, at=at)
            headers[source.signature_header or form.header] = signature
        elif source.secret_header:
            headers[source.secret_header] = f"{source.prefix}{value}"
    return headers


def _own_secret(source: Source, method: Method) -> str | None:
    fitting = (one.value for one in source.secrets if one.use in (None, method))
    first = next(fitting, None)
    return None if first is None else first.get_secret_value()
