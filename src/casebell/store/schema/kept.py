"""The tables beside a case: the journal, servers, tokens and accounts, keys and marks."""

from sqlalchemy import (
    BigInteger,
    Column,
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
