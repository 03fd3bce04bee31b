"""What the field taught: refusals in a row and their bounds, alerts closed and by their time.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add them."""
    _refused()
    _pushed_out()
    _alerts()
    _deliveries()
    _streaks()
    _marks()
    _servers()
    _wordings()
    _conflicts()
    _journal()
    _held()
    _tokens()
    _accounts()
    _recovery_codes()
    _sessions()
    _failed_attempts()
    _targets()
    _outcomes()
    _cases()
    _absences()
    _told_people()
    _queue()
    _acknowledgements()
    _escalations()
    _links()
    _feeds()
    _events()
    _asked()


def _held() -> None:
    op.add_column("held", sa.Column("shape", sa.Text(), nullable=True))
    origin = sa.Column("origin", sa.Text(), server_default="webhook", nullable=False)
    op.add_column("held", origin)
    _partial("ix_held_shape", "held", "source", "shape", "id", where="shape IS NOT NULL")


def _refused() -> None:
    op.drop_index("ix_refused_kept", "refused")
    op.drop_index("ix_refused_unnotified", "refused")
    proven = "(signature IS NOT NULL OR secret_digest IS NOT NULL)"
    unproven = "signature IS NULL AND secret_digest IS NULL"
    network = sa.Column("network", sa.Text(), server_default="", nullable=False)
    op.add_column("refused", network)
    op.execute("UPDATE refused SET network = address")
    held_by = ("source", "network", "id")
    _partial("ix_refused_proven", "refused", *held_by, "body_size", where=proven)
    _partial("ix_refused_unproven", "refused", *held_by, where=unproven)
    unnotified = f"notified_at IS NULL AND {proven}"
    _partial("ix_refused_unnotified", "refused", "source", "id", where=unnotified)


def _alerts() -> None:
    op.add_column("alerts", sa.Column("dismissed_at", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_alerts_created_at_id"), "alerts", ["created_at", "id"])
    op.add_column("alerts", sa.Column("person", sa.Text(), nullable=True))
    addressed_as = sa.Column("addressed_as", sa.Text(), server_default="", nullable=False)
    op.add_column("alerts", addressed_as)
    op.add_column("alerts", sa.Column("for_absent", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("due_at", sa.BigInteger(), nullable=True))
    op.add_column("alerts", sa.Column("together", sa.BigInteger(), nullable=True))
    outstanding = "state = 'failed' AND kind <> 'test' AND dismissed_at IS NULL"
    _partial("ix_alerts_outstanding", "alerts", "state", "id", where=outstanding)
    for_hours = "state = 'deferred' AND reason IN ('quiet_hours', 'digest')"
    columns = ("channel", "target", "not_before", "id")
    _partial("ix_alerts_for_hours", "alerts", *columns, where=for_hours)


def _marks() -> None:
    op.create_table(
        "marks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )


def _wordings() -> None:
    op.create_table(
        "wordings",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.Column("notified_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("key", name="pk_wordings"),
    )
    _partial("ix_wordings_unnotified", "wordings", "event_id", where="notified_at IS NULL")


def _conflicts() -> None:
    op.create_table(
        "conflicts",
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_event", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_conflicts_event_id"),
        sa.ForeignKeyConstraint(["first_event"], ["events.id"], name="fk_conflicts_first_event"),
        sa.PrimaryKeyConstraint("event_id", name="pk_conflicts"),
    )
    op.create_index("ix_conflicts_first_event", "conflicts", ["first_event"])
    unnotified = "notified_at IS NULL"
    _partial("ix_conflicts_unnotified", "conflicts", "source", "event_id", where=unnotified)


def _journal() -> None:
    by_hand = "kind IN ('alert.dismissed', 'alert.retried')"
    _partial("ix_journal_by_hand", "journal", "subject", "seq", where=by_hand)


def _deliveries() -> None:
    times = sa.Column("times", sa.BigInteger(), server_default="1", nullable=False)
    op.add_column("deliveries", times)


def _partial(name: str, table: str, *columns: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, list(columns), sqlite_where=condition, postgresql_where=condition)


def _pushed_out() -> None:
    op.create_table(
        "pushed_out",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", name="pk_pushed_out"),
    )


def _streaks() -> None:
    op.create_table(
        "streaks",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("told_count", sa.BigInteger(), nullable=False),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
        sa.Column("tellings", sa.Integer(), nullable=False),
        sa.Column("told_errors", sa.Text(), nullable=False),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_streaks")),
    )
    op.add_column("refused", sa.Column("seen", sa.Text(), server_default="{}", nullable=False))


def _servers() -> None:
    op.create_table(
        "servers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_servers")),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("name", name=op.f("uq_tokens_name")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("totp_secret", sa.Text(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.Column("last_sign_in_at", sa.BigInteger(), nullable=True),
        sa.Column("password_changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("key", name=op.f("uq_accounts_key")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_accounts_issuer_subject")),
    )


def _recovery_codes() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_recovery_codes_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "digest", name=op.f("pk_recovery_codes")),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("totp_pending", sa.Text(), nullable=True),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_sessions_digest")),
        sqlite_autoincrement=True,
    )
    for column in ("account_id", "ends_at"):
        op.create_index(op.f(f"ix_sessions_{column}"), "sessions", [column])


def _failed_attempts() -> None:
    op.create_table(
        "failed_attempts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failed_attempts")),
    )
    began_at = op.f("ix_failed_attempts_began_at")
    op.create_index(began_at, "failed_attempts", ["began_at"])


def _targets() -> None:
    op.create_table(
        "targets",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("last_sent_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("told_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", "target", name="pk_targets"),
    )
    # Reads each attempt once: two seconds for a million.
    op.execute(TARGETS_SO_FAR)


#: What was sent before. `interrupted` says nothing of a target, as in `store/targets.py`.
TARGETS_SO_FAR = """
INSERT INTO targets (channel, target, last_sent_at, failed_at, reason, detail)
SELECT known.channel, known.target, known.last_sent_at, failed.finished_at, failed.reason,
  coalesce(failed.detail, '')
FROM (
  SELECT alerts.channel, alerts.target,
    max(CASE WHEN attempts.outcome IN ('sent', 'accepted') THEN attempts.finished_at END)
      AS last_sent_at,
    max(CASE WHEN attempts.outcome NOT IN ('sent', 'accepted')
      AND coalesce(attempts.reason, '') <> 'interrupted' THEN attempts.id END) AS failed_id
  FROM attempts JOIN alerts ON alerts.id = attempts.alert_id
  GROUP BY alerts.channel, alerts.target
) AS known LEFT JOIN attempts AS failed ON failed.id = known.failed_id
"""


def _outcomes() -> None:
    op.add_column("changes", sa.Column("days", sa.Integer(), nullable=True))
    op.execute(DAYS_SO_FAR)
    reported = (
        "status IN ('received', 'rfe_issued', 'approved', 'denied') AND tags NOT LIKE '% test %'"
    )
    columns = ("at", "status", "days", "receipt")
    _partial("ix_changes_reported", "changes", *columns, where=reported)
    _partial("ix_cases_confidential", "cases", "receipt", where="confidential")


def _cases() -> None:
    for name in ("owner_key", "team_key", "owner_email", "form"):
        op.add_column("cases", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.add_column("cases", sa.Column("listed_at", sa.BigInteger(), nullable=True))
    silent = "change_id IS NULL AND listed_at IS NOT NULL"
    _partial("ix_cases_silent", "cases", "receipt", where=silent)


def _absences() -> None:
    op.create_table(
        "absences",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("stand_in", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_absences"),
    )


def _told_people() -> None:
    op.create_table(
        "told_people",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_told_people"),
    )


def _queue() -> None:
    op.create_table(
        "queue",
        sa.Column("change_id", ID, autoincrement=False, nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.Boolean(), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("due", sa.Text(), nullable=True),
        sa.Column("due_by", sa.Text(), nullable=True),
        sa.Column("due_entered_at", sa.BigInteger(), nullable=True),
        sa.Column("due_confirmed_by", sa.Text(), nullable=True),
        sa.Column("due_confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("remind_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("change_id", name="pk_queue"),
    )
    is_open = "answered_at IS NULL"
    _partial("ix_queue_open", "queue", "change_id", where=is_open)
    _partial("ix_queue_due", "queue", "due", "since", "change_id", where=is_open)
    _partial("ix_queue_receipt", "queue", "receipt", where=is_open)
    _partial("ix_queue_remind", "queue", "remind_at", where="remind_at IS NOT NULL")
    op.execute(QUEUE_SO_FAR)


def _acknowledgements() -> None:
    op.create_table(
        "acknowledgements",
        sa.Column("id", ID, nullable=False),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["changes.id"], name="fk_acknowledgements_change_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_acknowledgements"),
    )
    op.create_index(
        op.f("ix_acknowledgements_change_id_id"), "acknowledgements", ["change_id", "id"]
    )


def _escalations() -> None:
    op.create_table(
        "escalations",
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("repetition", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("reminded_at", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["changes.id"], name="fk_escalations_change_id"),
        sa.PrimaryKeyConstraint("change_id", "name", name="pk_escalations"),
    )
    _partial("ix_escalations_running", "escalations", "due_at", where="due_at IS NOT NULL")


def _links() -> None:
    op.create_table(
        "links",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_links"),
    )
    op.create_index(op.f("ix_links_expires_at"), "links", ["expires_at"])


def _feeds() -> None:
    op.create_table(
        "feeds",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_read_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_feeds"),
        sa.UniqueConstraint("digest", name=op.f("uq_feeds_digest")),
    )


def _events() -> None:
    origin = sa.Column("origin", sa.Text(), server_default="webhook", nullable=False)
    op.add_column("events", origin)


def _asked() -> None:
    op.create_table(
        "upstream_cases",
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_told_at", sa.BigInteger(), nullable=True),
        sa.Column("last_state", sa.Text(), nullable=True),
        sa.Column("last_change", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("asked_change", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("upstream", "receipt", name="pk_upstream_cases"),
    )
    columns = ["upstream", "checked_at", "receipt"]
    op.create_index(
        op.f("ix_upstream_cases_upstream_checked_at_receipt"), "upstream_cases", columns
    )
    op.create_index(op.f("ix_upstream_cases_receipt"), "upstream_cases", ["receipt"])
    for name, where in (
        ("problem", "problem IS NOT NULL"),
        ("to_be_told", "asked_change IS NOT NULL"),
    ):
        index = f"ix_upstream_cases_{name}"
        _partial(index, "upstream_cases", "upstream", "receipt", where=where)
    op.create_table(
        "upstream_days",
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("upstream", "day", name="pk_upstream_days"),
    )
    op.create_table(
        "upstream_subscriptions",
        sa.Column("id", ID, nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_upstream_subscriptions"),
    )
    unanswered = sa.text("subscription IS NULL")
    op.create_index(
        "ix_upstream_subscriptions_unanswered",
        "upstream_subscriptions",
        ["upstream", "url"],
        unique=True,
        sqlite_where=unanswered,
        postgresql_where=unanswered,
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", ID, nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("takes_before", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("began_by", sa.Text(), nullable=False),
        sa.Column("checked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("found", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_looks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("newly_failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("told_found", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("told_first_looks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("told_failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("waits", sa.Text(), nullable=True),
        sa.Column("waits_until", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_reconciliations"),
    )
    op.create_index(op.f("ix_reconciliations_upstream_id"), "reconciliations", ["upstream", "id"])
    goes_on = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_reconciliations_going_on",
        "reconciliations",
        ["upstream"],
        unique=True,
        sqlite_where=goes_on,
        postgresql_where=goes_on,
    )


#: What asks for something and is the present state of its case, so that nothing answered it.
QUEUE_SO_FAR = """
INSERT INTO queue (change_id, receipt, since, deadline, urgent)
SELECT changes.id, changes.receipt, changes.at,
  changes.status = 'rfe_issued' OR changes.tags LIKE '% deadline %',
  changes.status = 'rfe_issued' OR changes.tags LIKE '% deadline %'
FROM changes JOIN cases ON cases.change_id = changes.id
  JOIN events ON events.id = changes.event_id
WHERE changes.tags NOT LIKE '% test %' AND changes.tags NOT LIKE '% no_info %' AND (
  changes.status = 'rfe_issued' OR changes.tags LIKE '% deadline %'
  OR changes.tags LIKE '% action %' OR changes.tags LIKE '% appointment %'
  OR events.flags LIKE '% unknown_wording %'
)
"""


#: Days from the receipt of a case to each decision, as `store/outcomes.py` counts them.
DAYS_SO_FAR = """
UPDATE changes SET days = (
  SELECT (changes.at - min(received.at)) / 86400000000 FROM changes AS received
  WHERE received.receipt = changes.receipt AND received.status = 'received'
    AND received.at <= changes.at
) WHERE status IN ('approved', 'denied')
"""
