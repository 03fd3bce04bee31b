"""The tables of what came in: events with their deliveries, what is held, what was refused."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from casebell.store.schema.base import Id, metadata, partial

#: One row per (source, key), for ever. Ids are given by the single writer, in order of arrival.
events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("key_basis", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("receipt_raw", Text, nullable=False),
    # Empty while the event is undecided, as its tags are.
    Column("status", Text, nullable=False),
    Column("delivered_status", Text),
    # Where a status stands beside it; alone it is the delivered status.
    Column("delivered_category", Text),
    Column("tags", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("occurred_at", BigInteger),
    Column("occurred_raw", Text),
    Column("time_basis", Text),
    Column("received_at", BigInteger, nullable=False),
    Column("flags", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("secret_label", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("request_id", Text, nullable=False),
    # The event whose key this conflicting body came under.
    Column("revision_of", BigInteger),
    # When the decision was taken; null means that the event is undecided.
    Column("routed_at", BigInteger),
    Column("change_id", BigInteger),
    Column("fold_reason", Text),
    # How it came. Behind the others, as a column that was added later is.
    Column("origin", Text, nullable=False, server_default="webhook"),
    # Each delivery finds out by it whether its event is new. The key first: `casebell why KEY` asks
    # for a key of any source.
    UniqueConstraint("key", "source"),
    # What was left undecided is looked for once a minute. It is nearly always empty.
    partial("ix_events_unrouted", "id", where="routed_at IS NULL"),
    # A page of `casebell events list` walks one of these three: --source, --since and --until, and
    # --status. An export with a span of time begins and ends by the second.
    Index(None, "source", "id"),
    Index(None, "received_at", "id"),
    Index(None, "status", "id"),
    # The events of a change (`casebell why`) and, by its changes, of a case. An index on the
    # receipt would cost a delivery to a large log as much as all others
    # (docs/decisions/0011-an-index-less.md).
    Index(None, "change_id"),
    # The conflicting bodies of an event, for `casebell why`. It has them alone.
    partial("ix_events_revision_of", "revision_of", where="revision_of IS NOT NULL"),
)

#: Every authentic POST after the first of its event: the first hundred one by one, then all others
#: in one row, so that a delivery in a stranger's hands cannot fill the disk.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    # Each event that is shown counts its deliveries by this index.
    Column("event_id", BigInteger, ForeignKey("events.id"), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("address", Text, nullable=False),
    Column("secret_label", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("flags", Text, nullable=False),
    Column("body_sha256", Text, nullable=False),
    # Only where the bytes differ from the event's.
    Column("body", LargeBinary),
    # How many this row is of; all else is of the latest of them.
    Column("times", BigInteger, nullable=False, server_default="1"),
)

#: One row for each conflicting body, with the event whose key it came under.
conflicts = Table(
    "conflicts",
    metadata,
    # The conflicting body, which is an event of its own.
    Column("event_id", BigInteger, ForeignKey("events.id"), primary_key=True, autoincrement=False),
    Column("first_event", BigInteger, ForeignKey("events.id"), nullable=False),
    Column("source", Text, nullable=False),
    # JSON: the paths of the fields that differ.
    Column("fields", Text, nullable=False),
    # When operations were notified; null means not yet.
    Column("notified_at", BigInteger),
    # `casebell why` of the first event asks by it. Only conflicts pay for these two.
    Index(None, "first_event"),
    # Looked at every ten seconds, nearly always empty.
    partial("ix_conflicts_unnotified", "source", "event_id", where="notified_at IS NULL"),
)

#: Authentic deliveries that could not be understood, until somebody releases or discards them.
held = Table(
    "held",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("flags", Text, nullable=False),
    Column("secret_label", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("request_id", Text, nullable=False),
    # When operations were notified; null means not yet.
    Column("notified_at", BigInteger),
    Column("resolved_at", BigInteger),
    Column("event_id", BigInteger),
    # Of a provider's test: a digest of its names and words. Beyond a hundred, those of one shape
    # share a row, which has the body of the latest.
    Column("shape", Text),
    # How it came, as of events.
    Column("origin", Text, nullable=False, server_default="webhook"),
    # The same body again is the same held delivery.
    UniqueConstraint("source", "body_sha256"),
    # `casebell held list`, and the count of what waits.
    Index(None, "state", "id"),
    # Looked at every ten seconds, nearly always empty.
    partial("ix_held_unnotified", "source", "reason", "id", where="notified_at IS NULL"),
    # A provider's test is counted by it. Only tests pay for it.
    partial("ix_held_shape", "source", "shape", "id", where="shape IS NOT NULL"),
)

#: Queries repeat these conditions word for word, or the partial indexes below do not serve them.
#: What is readmitted has no proof any more.
PROVEN = text("(signature IS NOT NULL OR secret_digest IS NOT NULL)")
UNPROVEN = text("signature IS NULL AND secret_digest IS NULL")

#: The newest deliveries that did not authenticate, each with its body until it is readmitted.
refused = Table(
    "refused",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("body_size", Integer, nullable=False),
    Column("idempotency_key", Text),
    # "t=…,v1=…" from the signature header, and nothing else of that header.
    Column("signature", Text),
    # Hex: HMAC-SHA256 of the presented secret, under the key in `keys`.
    Column("secret_digest", Text),
    # When operations were notified; null means not yet.
    Column("notified_at", BigInteger),
    Column("readmitted_at", BigInteger),
    # The result of readmission: one of both.
    Column("event_id", BigInteger),
    Column("held_id", BigInteger),
    # Last: SQLite reads earlier columns without it.
    Column("body", LargeBinary),
    # JSON: the names of the headers that came, and what else may name the cause; never a value.
    # Behind the body, as a column that was added later is.
    Column("seen", Text, nullable=False, server_default="{}"),
    # The address as limits count it.
    Column("network", Text, nullable=False, server_default=""),
    # Old rows are removed whenever rows are added. Only refusals pay for these three.
    Index(None, "at"),
    # Each group has bounds of its own, and loses first what whoever holds most holds.
    partial("ix_refused_proven", "source", "network", "id", "body_size", where=PROVEN.text),
    partial("ix_refused_unproven", "source", "network", "id", where=UNPROVEN.text),
    # Counted every ten seconds: whether operations should hear of a source.
    partial(
        "ix_refused_unnotified", "source", "id", where=f"notified_at IS NULL AND {PROVEN.text}"
    ),
)

#: Refused deliveries of each source that could have been readmitted, and were pushed out by others.
pushed_out = Table(
    "pushed_out",
    metadata,
    Column("source", Text, primary_key=True),
    # In the latest flood, which ended when none were pushed out for as long as one is kept.
    Column("number", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    # When operations were notified of that flood; null means not yet.
    Column("notified_at", BigInteger),
)

#: What was refused of each source since its last authentic delivery.
streaks = Table(
    "streaks",
    metadata,
    Column("source", Text, primary_key=True),
    # JSON: how many, by error.
    Column("errors", Text, nullable=False),
    # When the first and the last of them came.
    Column("since", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    # How many of them operations know of, when they were last notified, and how often in all.
    Column("told_count", BigInteger, nullable=False),
    Column("notified_at", BigInteger),
    Column("tellings", Integer, nullable=False),
    # JSON: when they were last told of each error.
    Column("told_errors", Text, nullable=False),
    # How many messages came within a day of the one before: the pause until the next grows.
    Column("pauses", Integer, nullable=False),
    # Refusals of a streak whose end operations have not heard of; 0 if there is none.
    Column("ended", BigInteger, nullable=False),
)

#: Wordings of official texts that no release has read yet, each once.
wordings = Table(
    "wordings",
    metadata,
    # Hex: a digest of the text without its particulars, such as dates and receipts.
    Column("key", Text, primary_key=True),
    # As it first came, capped.
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    # The event that brought it first.
    Column("event_id", BigInteger, nullable=False),
    Column("changes", Integer, nullable=False),
    # When operations were notified; null means not yet.
    Column("notified_at", BigInteger),
    # Looked at every ten seconds, nearly always empty.
    partial("ix_wordings_unnotified", "event_id", where="notified_at IS NULL"),
)
