"""A journal entry, as JSON."""

import json
from typing import Any

from typing_extensions import TypedDict

from casebell.clock import iso
from casebell.shapes.described import described


@described
class JournalEntry(TypedDict):
    """One thing that happened, as it is on record."""

    seq: int
    """Its number, from 1 without gaps."""
    at: str
    kind: str
    actor: str
    """Who or what did it: `source:parley`, `router`, `cli:jchan`, `token:practice`."""
    by: str | None
    """Who it was, as claimed; it is in `data`, too."""
    subject: str
    """What it was done to: `event:12`, `alert:7`."""
    data: dict[str, Any]
    leaf: str
    """The RFC 6962 leaf hash of its canonical bytes, in hex."""


def entry(row: Any) -> JournalEntry:
    """A journal entry."""
    data = json.loads(row.data)
    return {
        "seq": row.seq,
        "at": iso(row.at),
        "kind": row.kind,
        "actor": row.actor,
        "by": data.get("by"),
        "subject": row.subject,
        "data": data,
        "leaf": bytes(row.leaf).hex(),
    }
