"""The tables, for SQLite and PostgreSQL alike.

Times are UTC microseconds (BIGINT). Sets of tags and flags are words with a space on both sides of
each (" deadline action "), so that one LIKE finds one word. Bodies are the exact bytes received.

Each row pays for every index, mostly before its delivery is acknowledged. So each index has a
comment with its readers, and an index without one is removed.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: 64 bits; SQLite's rowid alias must be spelt INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index of those rows alone for which a condition holds, on either backend."""
    condition = text(where)
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


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
    # Each delivery finds out by it whether its event is new. The key first: `casebell why KEY` asks
    # for a key of any source.
    UniqueConstraint("key", "source"),
    # What was left undecided is looked for once a minute. It is nearly always empty.
    _partial("ix_events_unrouted", "id", where="routed_at IS NULL"),
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
    _partial("ix_events_revision_of", "revision_of", where="revision_of IS NOT NULL"),
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
    _partial("ix_conflicts_unnotified", "source", "event_id", where="notified_at IS NULL"),
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
    # The same body again is the same held delivery.
    UniqueConstraint("source", "body_sha256"),
    # `casebell held list`, and the count of what waits.
    Index(None, "state", "id"),
    # Looked at every ten seconds, nearly always empty.
    _partial("ix_held_unnotified", "source", "reason", "id", where="notified_at IS NULL"),
    # A provider's test is counted by it. Only tests pay for it.
    _partial("ix_held_shape", "source", "shape", "id", where="shape IS NOT NULL"),
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
    _partial("ix_refused_proven", "source", "network", "id", "body_size", where=PROVEN.text),
    _partial("ix_refused_unproven", "source", "network", "id", where=UNPROVEN.text),
    # Counted every ten seconds: whether operations should hear of a source.
    _partial(
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
    _partial("ix_wordings_unnotified", "event_id", where="notified_at IS NULL"),
)

#: Random keys that this database makes for itself.
keys = Table(
    "keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

#: When something was last done that is asked for later, by its name.
marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

#: Queries repeat this condition word for word, or the partial index below does not serve them.
REPORTED = text(
    "status IN ('received', 'rfe_issued', 'approved', 'denied') AND tags NOT LIKE '% test %'"
)

#: One real movement of a case, with the decision what to tell whom.
changes = Table(
    "changes",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("receipt", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("text_key", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("seen_until", BigInteger, nullable=False),
    Column("event_id", BigInteger, ForeignKey("events.id"), nullable=False),
    Column("late", Boolean, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    # JSON: who, by which rules, which rules did not match and why.
    Column("decision", Text, nullable=False),
    # Of an approval or a denial: days since the case was received, as far as that is on record.
    # Behind the decision, as a column that was added later is.
    Column("days", Integer),
    # The history of a case, which each delivery about it asks for.
    Index(None, "receipt", "at"),
    # A month of the report of outcomes, which reads nothing else of these rows.
    _partial("ix_changes_reported", "at", "status", "days", "receipt", where=REPORTED.text),
)

#: The same of confidential cases.
CONFIDENTIAL = text("confidential")

#: A receipt number, its current status, and what the firm told us about it.
cases = Table(
    "cases",
    metadata,
    Column("receipt", Text, primary_key=True),
    Column("status", Text),
    Column("text", Text),
    Column("at", BigInteger),
    Column("change_id", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Column("label", Text, nullable=False, server_default=""),
    Column("matter", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),
    Column("team", Text, nullable=False, server_default=""),
    Column("confidential", Boolean, nullable=False, server_default=text("false")),
    # Those that are left out of a report. Only they pay for it.
    _partial("ix_cases_confidential", "receipt", where=CONFIDENTIAL.text),
)

#: Queries repeat this condition word for word, or the partial index below does not serve them.
WAITING = text("state IN ('pending', 'retrying', 'deferred', 'sending')")
#: The same of what failed and somebody still has to look at: a failed test was looked at.
OUTSTANDING = text("state = 'failed' AND kind <> 'test' AND dismissed_at IS NULL")

#: One subject for one target of one channel.
alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    # What it tells: "change:12", "held:parley:invalid_json:…". Unique per channel and target.
    Column("subject", Text, nullable=False),
    Column("change_id", BigInteger),
    Column("event_id", BigInteger),
    Column("channel", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("rules", Text, nullable=False),
    # 0 = urgent, 1 = ordinary: sorts the way alerts are claimed.
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # When an operator last asked to send a failed alert again.
    Column("retried_at", BigInteger),
    Column("not_before", BigInteger, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("may_repeat", Boolean, nullable=False),
    Column("reason", Text),
    Column("finished_at", BigInteger),
    Column("sent_at", BigInteger),
    # JSON object: what an operations or test message tells, with the name of its topic.
    Column("note", Text),
    # The channel that failed, where this alert stands in for another.
    Column("stands_in_for", Text),
    # When an operator said that nothing remains to be done about a failed one.
    Column("dismissed_at", BigInteger),
    # No target hears twice of one subject.
    UniqueConstraint("subject", "channel", "target"),
    # The dispatcher claims by it.
    _partial("ix_alerts_waiting", "channel", "priority", "not_before", "id", where=WAITING.text),
    # `casebell alerts list --state`.
    Index(None, "state", "id"),
    # A page, and an export, of `--since` and `--until` begins and ends by it.
    Index(None, "created_at", "id"),
    # What failed and is neither a test nor dismissed, nearly always empty: its count, `retry --all`
    # and `dismiss --all`. With the state, or SQLite would take the index of all states.
    _partial("ix_alerts_outstanding", "state", "id", where=OUTSTANDING.text),
    # The alerts of a change, for `casebell why`.
    Index(None, "change_id"),
)

#: Each try to send an alert: what was said and what came of it.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    # `casebell why` lists the attempts of an alert by this index.
    Column("alert_id", BigInteger, ForeignKey("alerts.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
)

#: Queries repeat this condition word for word, or the partial index below does not serve them.
BY_HAND = text("kind IN ('alert.dismissed', 'alert.retried')")

#: The append-only record; each entry is a leaf of the Merkle tree. `seq` runs from 1 without gaps.
journal = Table(
    "journal",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    # What people did to an alert, for `casebell why`; it is rare.
    _partial("ix_journal_by_hand", "subject", "seq", where=BY_HAND.text),
)

#: The servers that share a PostgreSQL database; `liveness` writes and removes the rows.
servers = Table(
    "servers",
    metadata,
    # The owner of the server's leases.
    Column("name", Text, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    # JSON list: the names of its channels.
    Column("channels", Text, nullable=False),
    # SHA-256 of all settings by which it decides and tells, without secrets.
    Column("settings_sha256", Text, nullable=False),
)

#: What programs ask with. A revoked one stays, so that its name is not given to another.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    # Hex: SHA-256 of the token, which is kept nowhere. Each request looks its token up by it.
    Column("digest", Text, nullable=False),
    Column("role", Text, nullable=False),
    # Whose cases are its own.
    Column("person", Text),
    Column("created_at", BigInteger, nullable=False),
    # The actor.
    Column("created_by", Text, nullable=False),
    # To a minute.
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    UniqueConstraint("name"),
    UniqueConstraint("digest"),
)

#: What people sign in with.
accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    # The name as names are compared: without case.
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("email", Text),
    # Whose cases are its own.
    Column("person", Text),
    # Argon2id, with its parameters.
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The actor.
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("disabled_at", BigInteger),
    Column("last_sign_in_at", BigInteger),
    Column("password_changed_at", BigInteger, nullable=False),
    UniqueConstraint("key"),
)

#: Failed attempts of the last minutes, for their limits; a few thousand rows at most.
failed_attempts = Table(
    "failed_attempts",
    metadata,
    # What is counted, and of which network: "token 198.51.100.9".
    Column("key", Text, primary_key=True),
    # The first of them.
    Column("began_at", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    # Old rows are removed by it.
    Index(None, "began_at"),
)

#: What became of the latest attempts over each target of a channel, a test's among them.
targets = Table(
    "targets",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    # When the service last took a message.
    Column("last_sent_at", BigInteger),
    # The last attempt that failed, for good or to be tried again.
    Column("failed_at", BigInteger),
    Column("reason", Text),
    Column("detail", Text, nullable=False, server_default=""),
)
