"""The tables of what was decided and told: changes, cases, alerts and their attempts."""

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
    partial("ix_changes_reported", "at", "status", "days", "receipt", where=REPORTED.text),
)

#: The same of confidential cases.
CONFIDENTIAL = text("confidential")
#: The same of cases that the firm named, and of which nothing was received.
SILENT = text("change_id IS NULL AND listed_at IS NOT NULL")

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
    # As the firm wrote it: a person's id, name or e-mail address, or another text.
    Column("owner", Text, nullable=False, server_default=""),
    Column("team", Text, nullable=False, server_default=""),
    Column("confidential", Boolean, nullable=False, server_default=text("false")),
    # Both as texts are compared: see `casebell.spelling`.
    Column("owner_key", Text, nullable=False, server_default=""),
    Column("team_key", Text, nullable=False, server_default=""),
    Column("owner_email", Text, nullable=False, server_default=""),
    Column("form", Text, nullable=False, server_default=""),
    # When the firm first named it; null where only deliveries did.
    Column("listed_at", BigInteger),
    # Those that are left out of a report. Only they pay for it.
    partial("ix_cases_confidential", "receipt", where=CONFIDENTIAL.text),
    # The list of these, which shrinks as their changes come.
    partial("ix_cases_silent", "receipt", where=SILENT.text),
)

#: Queries repeat this condition word for word, or the partial index below does not serve them.
WAITING = text("state IN ('pending', 'retrying', 'deferred', 'sending')")
#: The same of what failed and somebody still has to look at: a failed test was looked at.
OUTSTANDING = text("state = 'failed' AND kind <> 'test' AND dismissed_at IS NULL")

#: The same of what waits for hours of its channel.
FOR_HOURS = text("state = 'deferred' AND reason IN ('quiet_hours', 'digest')")

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
    # The id of who is told by name; null where the target is an address of nobody in particular.
    Column("person", Text),
    # Why this target: "@owner", "unassigned", …; "" where the configuration has the address itself.
    Column("addressed_as", Text, nullable=False, server_default=""),
    # The id of who is away, and for whom this person hears.
    Column("for_absent", Text),
    # When one that waited for its hours was due: `max_age` counts from then.
    Column("due_at", BigInteger),
    # The alert with which it went, or goes again, in one message; that one has its own number.
    Column("together", BigInteger),
    # No target hears twice of one subject.
    UniqueConstraint("subject", "channel", "target"),
    # The dispatcher claims by it.
    partial("ix_alerts_waiting", "channel", "priority", "not_before", "id", where=WAITING.text),
    # A digest takes what waits for it; and what hours no longer in force hold back is looked for.
    partial("ix_alerts_for_hours", "channel", "target", "not_before", "id", where=FOR_HOURS.text),
    # `casebell alerts list --state`.
    Index(None, "state", "id"),
    # A page, and an export, of `--since` and `--until` begins and ends by it.
    Index(None, "created_at", "id"),
    # What failed and is neither a test nor dismissed, nearly always empty: its count, `retry --all`
    # and `dismiss --all`. With the state, or SQLite would take the index of all states.
    partial("ix_alerts_outstanding", "state", "id", where=OUTSTANDING.text),
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
    # When it was last told of cases in messages that were not urgent: ten times, latest first.
    Column("told_at", Text),
)

#: Who was ever told by name, also of people who are no longer in the configuration. The log of
#: alerts has no index by person: the people of a firm are hundreds, each with a page of it.
told_people = Table(
    "told_people",
    metadata,
    # The id in the configuration.
    Column("person", Text, primary_key=True),
    # When it was first tried.
    Column("since", BigInteger, nullable=False),
)
