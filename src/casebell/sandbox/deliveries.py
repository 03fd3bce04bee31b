"""Deliveries as their sources make them: the samples of every kind, and the headers of a body."""

import contextlib
import json
import random
import uuid
from collections.abc import Sequence
from typing import Any, Final

from casebell.clock import iso
from casebell.events import Micros
from casebell.kinds import KINDS, Method, Sample, SourceKind
from casebell.receive.compact_json import compact_json
from casebell.settings import SourceSettings

#: By the kind's name and the sample's: `parley-rfe`.
SAMPLES: Final[dict[str, tuple[SourceKind, Sample]]] = {
    f"{kind.name}-{name}": (kind, sample)
    for kind in KINDS.values()
    for name, sample in kind.samples.items()
}


def new_receipt() -> str:
    """A receipt number nobody has: sending a sample twice makes two cases."""
    return f"IOE09{random.randrange(10**8):08d}"  # noqa: S311 - made-up data, no secret


def document_of(
    kind: SourceKind,
    sample: Sample,
    *,
    now: Micros,
    event_id: str | None = None,
    receipt: str | None = None,
) -> dict[str, Any]:
    """A sample as the upstream's JSON, with `now` as its time; what is not given is a fresh one."""
    return kind.document(
        sample,
        event_id or f"evt_{uuid.uuid4().hex[:20]}",
        receipt or sample.receipt or new_receipt(),
        iso(now)[:19] + "Z",
    )


def body_of(kind: SourceKind, sample: Sample, *, now: Micros) -> bytes:
    """A sample as the bytes of a body."""
    return json.dumps(document_of(kind, sample, now=now), ensure_ascii=False).encode()


def headers_for(
    source: SourceSettings,
    body: bytes,
    *,
    at: int,
    secret: str | None = None,
    also: Sequence[str] = (),
    idempotency_key: str | None = None,
) -> dict[str, str]:
    """The headers that prove `body` by each of the source's methods.

    Args:
        source: whose headers; a method without a secret that serves it is left out.
        body: the exact bytes.
        at: when it is signed, in seconds since 1970.
        secret: instead of the source's own.
        also: secrets that sign beside that one; a shared secret is one alone.
        idempotency_key: None is a fresh one.
    """
    signed = body
    if source.signed_body == "compact-json":
        # A body that is not JSON is signed as it is; the server says what is wrong with it.
        with contextlib.suppress(ValueError):
            signed = compact_json(body)
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": idempotency_key or str(uuid.uuid4()),
    }
    for method in source.auth:
        value = _own_secret(source, method) if secret is None else secret.encode()
        if value is None:
            continue
        if method == "hmac":
            form = KINDS[source.kind].signature
            signature = form.sign(signed, secret=value, at=at, also=also)
            headers[source.signature_header or form.header] = signature
        elif source.secret_header:
            headers[source.secret_header] = f"{source.prefix}{value.decode()}"
    return headers


def _own_secret(source: SourceSettings, method: Method) -> bytes | None:
    fitting = (one.bytes_for(method) for one in source.secrets if one.use in (None, method))
    return next(fitting, None)
