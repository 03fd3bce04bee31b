"""The tables beside a case: the journal, servers, tokens and accounts, keys and marks."""

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
    partial("ix_journal_by_hand", "subject", "seq", where=BY_HAND.text),
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
    # JSON object: by section, SHA-256 of the settings by which it decides and tells.
    Column("settings", Text, nullable=False),
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
    # Argon2id, with its parameters. None where a provider of OpenID Connect says who it is.
    Column("password_hash", Text),
    # That provider, and whom it knows by this: never an e-mail address, which may pass to another.
    Column("issuer", Text),
    Column("subject", Text),
    # What codes of the second factor are made from: to check one it must be known as it is.
    Column("totp_secret", Text),
    # The last interval of 30 seconds whose code was used: none is taken twice.
    Column("totp_step", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    # The actor.
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("disabled_at", BigInteger),
    Column("last_sign_in_at", BigInteger),
    Column("password_changed_at", BigInteger, nullable=False),
    UniqueConstraint("key"),
    UniqueConstraint("issuer", "subject"),
)

#: Who is away, until when, and who hears beside them; a row for each person at most.
absences = Table(
    "absences",
    metadata,
    # The id in the configuration.
    Column("person", Text, primary_key=True),
    Column("until", BigInteger, nullable=False),
    # The id of who hears, too.
    Column("stand_in", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The actor.
    Column("created_by", Text, nullable=False),
)

#: Codes for whoever lost what makes those of the second factor; each serves once.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("account_id", BigInteger, ForeignKey("accounts.id"), primary_key=True),
    # Hex: SHA-256 of the code, which is random.
    Column("digest", Text, primary_key=True),
    Column("used_at", BigInteger),
)

#: Who is signed in; a row is removed with its end.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    # Hex: SHA-256 of what the browser has in its cookie, which is kept nowhere.
    Column("digest", Text, nullable=False),
    Column("account_id", BigInteger, ForeignKey("accounts.id"), nullable=False),
    # "" once signed in; before, what is still asked for: `code`, `enrol`.
    Column("asked", Text, nullable=False),
    # A secret of a second factor that is not asked for before a code of it has been shown.
    Column("totp_pending", Text),
    Column("began_at", BigInteger, nullable=False),
    # The last request, to a minute.
    Column("seen_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    # JSON: what was last done, for the next page to say.
    Column("told", Text),
    UniqueConstraint("digest"),
    Index(None, "account_id"),
    # Old rows are removed by it.
    Index(None, "ends_at"),
    # No number twice: what is still under way for one session is not done to the next.
    sqlite_autoincrement=True,
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
