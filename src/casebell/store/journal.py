"""The append-only record: entries in sequence, each with its RFC 6962 leaf hash."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Micros
from casebell.json_text import canonical
from casebell.store.schema import journal

#: RFC 6962 section 2.1: leaves are hashed with this prefix, nodes with 0x01.
LEAF_PREFIX = b"\x00"

#: A string as canonical JSON.
quoted = canonical


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing that happened."""

    at: Micros
    #: `delivery.stored`, `decision.made`, `alert.attempted`, …
    kind: str
    #: Who did it: `source:parley`, `router`, `channel:email`, `cli`.
    actor: str
    #: What it was done to: `event:12`, `change:3`, `alert:7`, `held:1`.
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


#: The columns of a row, in order.
COLUMNS = ("seq", "at", "kind", "actor", "subject", "data", "leaf")


def encode_data(data: object) -> str:
    """The canonical JSON of an entry's data, or of a part."""
    return canonical(data)


def entry_bytes(*, seq: int, at: Micros, kind: str, actor: str, subject: str, data: str) -> bytes:
    """The canonical bytes of an entry, `data` being its canonical JSON text.

    A JSON array of the six columns, so that anyone can rebuild it from an export.
    """
    texts = f"{quoted(kind)},{quoted(actor)},{quoted(subject)}"
    return f"[{seq},{at},{texts},{data}]".encode()


def leaf_hash(entry: bytes) -> bytes:
    """The RFC 6962 leaf hash of an entry's canonical bytes: 32 bytes."""
    return hashlib.sha256(LEAF_PREFIX + entry).digest()


def digest(content: str) -> str:
    """SHA-256 of a text, in hex: names content in an entry without holding it."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


async def append(connection: AsyncConnection, entries: Sequence[Entry]) -> int:
    """Write entries at the end of the journal; return the last sequence number.

    The caller holds the writing transaction, so nobody else can take the numbers in between.
    """
    last = (
        await connection.execute(select(func.coalesce(func.max(journal.c.seq), 0)))
    ).scalar_one()
    if entries:
        made = [dict(zip(COLUMNS, row, strict=True)) for row in rows(entries, after=last)]
        await connection.execute(journal.insert(), made)
    return int(last) + len(entries)


def rows(entries: Sequence[Entry], *, after: int) -> list[tuple[Any, ...]]:
    """The entries as rows, numbered from `after + 1`."""
    return [
        row(
            seq=seq,
            at=entry.at,
            kind=entry.kind,
            actor=entry.actor,
            subject=entry.subject,
            data=encode_data(entry.data),
        )
        for seq, entry in enumerate(entries, start=after + 1)
    ]


def row(*, seq: int, at: Micros, kind: str, actor: str, subject: str, data: str) -> tuple[Any, ...]:
    """An entry's columns with its leaf hash; `data` is its canonical JSON text."""
    leaf = leaf_hash(
        entry_bytes(seq=seq, at=at, kind=kind, actor=actor, subject=subject, data=data)
    )
    return seq, at, kind, actor, subject, data, leaf
