"""The tables of what becomes of a change once it was told: the queue, and who has seen it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from casebell.store.schema.base import Id, metadata, partial

#: Queries repeat this condition word for word, or the partial index below does not serve them.
OPEN = text("answered_at IS NULL")
#: The same of those of which a reminder is due some time.
TO_BE_REMINDED = text("remind_at IS NOT NULL")

#: The changes that ask for something; a row is open until it is answered.
queue = Table(
    "queue",
    metadata,
    Column("change_id", Id, primary_key=True, autoincrement=False),
    Column("receipt", Text, nullable=False),
    # When the change was, by the provider's time.
    Column("since", BigInteger, nullable=False),
    # Whether an answer is owed, so that its receipt at USCIS answers it.
    Column("deadline", Boolean, nullable=False),
    # Whether the change is told urgently.
    Column("urgent", Boolean, nullable=False),
    Column("answered_at", BigInteger),
    # The actor; or the change that answered it: "change:12".
    Column("answered_by", Text),
    # The date that a person typed from the notice, as "2026-12-24", with who did and when; and a
    # second person who typed or confirmed the same.
    Column("due", Text),
    Column("due_by", Text),
    Column("due_entered_at", BigInteger),
    Column("due_confirmed_by", Text),
    Column("due_confirmed_at", BigInteger),
    # When the next reminder of that date is due.
    Column("remind_at", BigInteger),
    # The queue, newest first. It has few rows: each delivery writes to it only where it asks.
    partial("ix_queue_open", "change_id", where=OPEN.text),
    # The same by the date that was typed, the soonest first; those without one, the oldest first.
    partial("ix_queue_due", "due", "since", "change_id", where=OPEN.text),
    # Those of a case that a later change of it answers.
    partial("ix_queue_receipt", "receipt", where=OPEN.text),
    # The reminders that are due.
    partial("ix_queue_remind", "remind_at", where=TO_BE_REMINDED.text),
)

#: Who said that they have seen a change; each time is kept.
acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("id", Id, primary_key=True),
    Column("change_id", BigInteger, ForeignKey("changes.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    # The actor: "link:jchan", "account:ana", "token:practice", "cli:root"; it says how, too.
    Column("actor", Text, nullable=False),
    # Who it was, as claimed.
    Column("by", Text),
    # The id of who it was.
    Column("person", Text),
    Column("note", Text, nullable=False, server_default=""),
    # Those of a change, oldest first.
    Index(None, "change_id", "id"),
)

#: Queries repeat this condition word for word, or the partial index below does not serve them.
RUNNING = text("due_at IS NOT NULL")

#: By change, the escalations that run or ran for it: who is told next, and when.
escalations = Table(
    "escalations",
    metadata,
    Column("change_id", BigInteger, ForeignKey("changes.id"), primary_key=True),
    # Of the configuration.
    Column("name", Text, primary_key=True),
    # Whether its reminders are urgent: the change is.
    Column("urgent", Boolean, nullable=False),
    # When it was decided whom to tell of the change: its steps count from then.
    Column("began_at", BigInteger, nullable=False),
    # The next step, from 0, and how often the last one was repeated before it.
    Column("step", Integer, nullable=False),
    Column("repetition", Integer, nullable=False),
    # When that is due; null once it has ended.
    Column("due_at", BigInteger),
    # When people were last reminded.
    Column("reminded_at", BigInteger),
    # Why it has ended: "acknowledged", "answered", "stopped" or "removed".
    Column("ended", Text),
    # Those that are due.
    partial("ix_escalations_running", "due_at", where=RUNNING.text),
)

#: The links by which one person may say that they have seen a change.
links = Table(
    "links",
    metadata,
    # Hex: SHA-256 of what stands in the address, which is kept nowhere.
    Column("digest", Text, primary_key=True),
    Column("change_id", BigInteger, nullable=False),
    # The alert whose message has it: the page shows what that showed.
    Column("alert_id", BigInteger, nullable=False),
    # The id of to whom it was sent.
    Column("person", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # When somebody first acknowledged by it.
    Column("acknowledged_at", BigInteger),
    # Old rows are removed by it.
    Index(None, "expires_at"),
)

#: The private calendars of due dates. A revoked one stays on record.
feeds = Table(
    "feeds",
    metadata,
    Column("id", Id, primary_key=True),
    # Hex: SHA-256 of what stands in the address, which is kept nowhere.
    Column("digest", Text, nullable=False),
    # The id of whose cases it shows.
    Column("person", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The actor.
    Column("created_by", Text, nullable=False),
    # To a minute.
    Column("last_read_at", BigInteger),
    Column("revoked_at", BigInteger),
    UniqueConstraint("digest"),
)
