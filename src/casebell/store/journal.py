"""The append-only record: entries in sequence, each with its RFC 6962 leaf hash."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.events import Micros
from casebell.json_text import canonical
from casebell.store.schema import journal
from casebell.store.statements import Driver, Query, TableRow, highest, insert

#: RFC 6962 section 2.1: leaves are hashed with this prefix, nodes with 0x01.
LEAF_PREFIX = b"\x00"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing that happened."""

    at: Micros
    #: `delivery.stored`, `decision.made`, `alert.attempted`, …
    kind: str
    #: The actor: `source:parley`, `router`, `channel:email`, `cli:jchan`, `token:practice`.
    actor: str
    #: The subject: `event:12`, `change:3`, `alert:7`, `held:1`.
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)
    #: Who it was, as claimed; kept in `data`.
    by: str | None = None

    @classmethod
    def of(
        cls, actor: Actor, *, at: Micros, kind: str, subject: str, data: Mapping[str, Any]
    ) -> Self:
        """What somebody did who asked for it."""
        return cls(at=at, kind=kind, actor=actor.name, subject=subject, data=data, by=actor.by)


class JournalRow(TableRow):
    """A row of `journal`."""

    seq: int
    at: Micros
    kind: str
    actor: str
    subject: str
    #: Canonical JSON.
    data: str
    leaf: bytes


class _Last(TableRow):
    seq: int


NEW_ENTRIES = insert(journal, JournalRow)
_LAST = Query(_Last, lambda _: select(highest(journal.c.seq).label("seq")))


def entry_bytes(*, seq: int, at: Micros, kind: str, actor: str, subject: str, data: str) -> bytes:
    """The canonical bytes of an entry, `data` being its canonical JSON text.

    A JSON array of the six columns, so that anyone can rebuild it from an export.
    """
    before = canonical([seq, at, kind, actor, subject]).removesuffix("]")
    return f"{before},{data}]".encode()


def leaf_hash(entry: bytes) -> bytes:
    """The RFC 6962 leaf hash of an entry's canonical bytes: 32 bytes."""
    return hashlib.sha256(LEAF_PREFIX + entry).digest()


def digest(content: str) -> str:
    """SHA-256 of a text, in hex: identifies content in an entry that does not hold it."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


async def append(connection: AsyncConnection, entries: Sequence[Entry]) -> int:
    """Write entries at the end of the journal; return the last sequence number.

    The caller holds the writing transaction, so these numbers cannot be used by another writer.
    """
    driver = await Driver.of(connection)
    (last,) = await driver.fetch(_LAST)
    await driver.run(NEW_ENTRIES, rows(entries, after=last.seq))
    return last.seq + len(entries)


def rows(entries: Sequence[Entry], *, after: int) -> list[JournalRow]:
    """The entries as rows, numbered from `after + 1`, each with its leaf hash."""
    return [_row(seq, entry) for seq, entry in enumerate(entries, start=after + 1)]


def _row(seq: int, entry: Entry) -> JournalRow:
    data = canonical(entry.data if entry.by is None else {**entry.data, "by": entry.by})
    leaf = leaf_hash(
        entry_bytes(
            seq=seq,
            at=entry.at,
            kind=entry.kind,
            actor=entry.actor,
            subject=entry.subject,
            data=data,
        )
    )
    return JournalRow(
        seq=seq,
        at=entry.at,
        kind=entry.kind,
        actor=entry.actor,
        subject=entry.subject,
        data=data,
        leaf=leaf,
    )


async def latest_sequence(connection: AsyncConnection) -> int:
    """The last entry's number in the journal; 0 when it is empty."""
    statement = select(func.coalesce(func.max(journal.c.seq), 0))
    return int((await connection.execute(statement)).scalar_one())


async def latest_time(connection: AsyncConnection) -> Micros | None:
    """The time of the journal's last entry; None without entries."""
    at: Micros | None = (
        await connection.execute(select(journal.c.at).order_by(journal.c.seq.desc()).limit(1))
    ).scalar_one_or_none()
    return at
