"""What every table shares: how constraints are named, ids, partial indexes."""

from sqlalchemy import (
    BigInteger,
    Index,
    Integer,
    MetaData,
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


def partial(name: str, *columns: str, where: str) -> Index:
    """An index of those rows alone for which a condition holds, on either backend."""
    condition = text(where)
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)
