"""Whether the database does what we had it do: no trigger of others, every index, every alert.

A trigger can swallow an alert, or a unique index that is not ours: what is written with "unless it
is there already" then stays away, and no statement fails.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence

from sqlalchemy import (
    Connection,
    Inspector,
    StaticPool,
    Table,
    UniqueConstraint,
    create_engine,
    inspect,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.store.schema import alerts, journal, metadata

#: Newest entries of the journal in which decisions are compared with the outbox.
LOOK_BACK = 10_000

#: In an SQLite table: rows that break a constraint are left out, or others taken away.
_SILENT = re.compile(r"\bON\s+CONFLICT\s+(IGNORE|REPLACE)\b", re.IGNORECASE)

#: What acts on our tables beside our statements: its kind, its name and its table.
_ACTING = {
    "sqlite": "SELECT 'trigger', name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": (
        "SELECT 'trigger', tgname, relname FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid "
        "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace "
        "UNION ALL SELECT 'rule', rulename, tablename FROM pg_rules "
        "WHERE schemaname = current_schema() "
        "UNION ALL SELECT 'row security', relname, relname FROM pg_class "
        "WHERE relrowsecurity AND relnamespace = current_schema()::regnamespace"
    ),
}


def differences(connection: Connection) -> list[str]:
    """What differs from the tables of this release, in words; the database is at its version."""
    inspector = inspect(connection)
    found = [
        f"{kind} {name} on {table}"
        for kind, name, table in connection.execute(text(_ACTING[connection.dialect.name]))
        if table in metadata.tables
    ]
    there = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        if table.name in there:
            found += _of_table(inspector, table)
        else:
            found.append(f"table {table.name} is missing")
    if connection.dialect.name == "sqlite":
        statement = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        found += [
            f"table {name} has a rule for conflicts"
            for name, sql in connection.execute(text(statement))
            if name in metadata.tables and _SILENT.search(sql)
        ]
    return sorted(found)


def differences_in(connection: sqlite3.Connection) -> list[str]:
    """The same in an SQLite file that the standard library opened."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as wrapped:
        return differences(wrapped)


def _of_table(inspector: Inspector, table: Table) -> Iterator[str]:
    columns = {column["name"] for column in inspector.get_columns(table.name)}
    for name in sorted(columns ^ set(table.columns.keys())):
        yield f"column {table.name}.{name} {'is not ours' if name in columns else 'is missing'}"
    # By name: on which columns, and whether of unique values.
    ours = {
        str(index.name): ([column.name for column in index.columns], bool(index.unique))
        for index in table.indexes
    }
    theirs = {
        str(index["name"]): (index["column_names"], bool(index["unique"]))
        for index in inspector.get_indexes(table.name)
        if "duplicates_constraint" not in index
    }
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield f"index {name} is missing"
        elif name not in ours:
            yield f"index {name} on {table.name} is not ours"
        elif ours[name] != theirs[name]:
            yield f"index {name} is another"
    unique = {tuple(one["column_names"]) for one in inspector.get_unique_constraints(table.name)}
    expected = {
        tuple(column.name for column in one.columns)
        for one in table.constraints
        if isinstance(one, UniqueConstraint)
    }
    for names in sorted(unique ^ expected):
        yield f"uniqueness of {table.name} ({', '.join(names)}) differs"


async def untold(connection: AsyncConnection) -> Sequence[int]:
    """Changes whose decision names a target for which no alert was ever in the outbox.

    Among the newest entries of the journal.
    """
    newest = select(journal.c.seq).order_by(journal.c.seq.desc()).limit(1).scalar_subquery()
    decided = (
        select(journal.c.subject, journal.c.data)
        .where(journal.c.seq > newest - LOOK_BACK, journal.c.kind == "decision.made")
        .order_by(journal.c.seq)
    )
    due = {
        (subject, one["channel"], one["target"])
        for subject, data in await connection.execute(decided)
        for one in json.loads(data)["notify"]
    }
    subjects = sorted({subject for subject, *_ in due})
    put: set[tuple[str, str, str]] = set()
    for start in range(0, len(subjects), 500):
        columns = alerts.c.subject, alerts.c.channel, alerts.c.target
        among = alerts.c.subject.in_(subjects[start : start + 500])
        rows = await connection.execute(select(*columns).where(among))
        put |= {(row.subject, row.channel, row.target) for row in rows}
    return sorted({int(subject.rpartition(":")[2]) for subject, *_ in due - put})
