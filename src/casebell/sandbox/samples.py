"""The samples of every kind of source, as whole deliveries."""

import json
import random
import uuid
from typing import Any, Final

from casebell.clock import iso
from casebell.events import Micros
from casebell.kinds import KINDS, Sample, SourceKind

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
