"""What the upstream's APIs were asked: cases, requests of a day, subscriptions, reconciliations."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from casebell.store.schema.base import Id, metadata, partial

#: Queries repeat these conditions word for word, or the partial indexes below do not serve them.
FAILING = text("problem IS NOT NULL")
TO_BE_TOLD = text("asked_change IS NOT NULL")
GOES_ON = text("ended_at IS NULL")
UNANSWERED = text("subscription IS NULL")

#: What each API of the configuration was asked about each case.
upstream_cases = Table(
    "upstream_cases",
    metadata,
    # The name in the configuration.
    Column("upstream", Text, primary_key=True),
    Column("receipt", Text, primary_key=True),
    # When the API said that it tracks the case; null: not registered, or an API that takes none.
    Column("registered_at", BigInteger),
    # When it was last asked and answered, whatever it said; 0: never.
    Column("checked_at", BigInteger, nullable=False, server_default="0"),
    # When it first told of the case. Until then the next look is a first one, and alerts nobody.
    Column("first_told_at", BigInteger),
    # A digest of the state that it told last, and the change that was the case's present one then:
    # the same again has no news.
    Column("last_state", Text),
    Column("last_change", BigInteger),
    # Why the last look failed, as a sentence; null where it did not.
    Column("problem", Text),
    # What its first look found that asks for something, until a summary has told of it.
    Column("asked_change", BigInteger),
    # The next to look at: the longest unchecked first.
    Index(None, "upstream", "checked_at", "receipt"),
    # Whether another API has told of a case, at the first look.
    Index(None, "receipt"),
    # Those that are shown as failing.
    partial("ix_upstream_cases_problem", "upstream", "receipt", where=FAILING.text),
    # Those of which a summary is to tell.
    partial("ix_upstream_cases_to_be_told", "upstream", "receipt", where=TO_BE_TOLD.text),
)

#: Requests of a day, which all servers share.
upstream_days = Table(
    "upstream_days",
    metadata,
    Column("upstream", Text, primary_key=True),
    # As "2026-12-24", by GMT.
    Column("day", Text, primary_key=True),
    Column("requests", Integer, nullable=False),
)

#: Our subscriptions: the page of the API has no list of them.
upstream_subscriptions = Table(
    "upstream_subscriptions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("upstream", Text, nullable=False),
    Column("url", Text, nullable=False),
    # Words.
    Column("events", Text, nullable=False),
    # Which secret of the file signs its deliveries: the beginning of its SHA-256.
    Column("secret", Text, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("begun_by", Text, nullable=False),
    # The API's id, and when it says that it was made; null until it has answered.
    Column("subscription", Text),
    Column("created_at", BigInteger),
    # One at a time is begun.
    Index(
        "ix_upstream_subscriptions_unanswered",
        "upstream",
        "url",
        unique=True,
        sqlite_where=UNANSWERED,
        postgresql_where=UNANSWERED,
    ),
)

#: Each reconciliation: the last of each API goes on until it has ended.
reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("upstream", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    # It takes the cases that were last checked before.
    Column("takes_before", BigInteger, nullable=False),
    # Null while it goes on, also where the budget of the day ended it for now.
    Column("ended_at", BigInteger),
    # The actor who began it; "server" for the schedule.
    Column("began_by", Text, nullable=False),
    # Cases so far, and changes that no webhook had delivered.
    Column("checked", BigInteger, nullable=False, server_default="0"),
    Column("found", BigInteger, nullable=False, server_default="0"),
    # Cases looked at for the first time, those whose look failed, and those of them that had not
    # failed so before.
    Column("first_looks", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("newly_failed", BigInteger, nullable=False, server_default="0"),
    # How many of these people were told of.
    Column("told_found", BigInteger, nullable=False, server_default="0"),
    Column("told_first_looks", BigInteger, nullable=False, server_default="0"),
    Column("told_failed", BigInteger, nullable=False, server_default="0"),
    # Why it waits, as a sentence, and until when; null while it goes on, or is done.
    Column("waits", Text),
    Column("waits_until", BigInteger),
    # How often in a row the API failed as a whole: the pauses grow.
    Column("failures", Integer, nullable=False, server_default="0"),
    # Who works on it and until when: another may take over then.
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    # The latest of an API.
    Index(None, "upstream", "id"),
    # One at a time goes on.
    Index(
        "ix_reconciliations_going_on",
        "upstream",
        unique=True,
        sqlite_where=GOES_ON,
        postgresql_where=GOES_ON,
    ),
)
