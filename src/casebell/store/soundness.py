"""Whether the database does what we had it do: no trigger of others, every index, every alert.

A trigger can swallow an alert, or a unique index that is not ours: what is written with "unless it
is there already" then stays away, and no statement fails.
"""

import asyncio
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    Connection,
    StaticPool,
    Table,
    UniqueConstraint,
    create_engine,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.store.schema import alerts, journal, metadata

#: Newest entries of the journal in which decisions are compared with the outbox.
LOOK_BACK = 10_000
#: Decisions that are read before deliveries have a turn: about a millisecond.
_ROWS_A_TURN = 100

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


#: Each column: its table and its name.
_COLUMNS = {
    "sqlite": (
        "SELECT t.name, c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c "
        "WHERE t.type = 'table'"
    ),
    "postgresql": (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema()"
    ),
}

#: Each column of an index, in the index's order: its table, the index, why there is one (`index`,
#: `constraint`, `key`), whether of unique values, and the column (NULL for an expression). One
#: statement for all tables: SQLAlchemy's reflection takes 800, 60 ms with each opening of a file.
_INDEXED = {
    "sqlite": (
        "SELECT t.name, i.name, CASE i.origin WHEN 'c' THEN 'index' WHEN 'u' THEN 'constraint' "
        """ELSE 'key' END, i."unique", c.name FROM sqlite_master AS t """
        "JOIN pragma_index_list(t.name) AS i JOIN pragma_index_info(i.name) AS c "
        "WHERE t.type = 'table' ORDER BY i.name, c.seqno"
    ),
    "postgresql": (
        "SELECT t.relname, i.relname, CASE c.contype WHEN 'u' THEN 'constraint' WHEN 'p' "
        "THEN 'key' ELSE 'index' END, x.indisunique, a.attname FROM pg_index AS x "
        "JOIN pg_class AS t ON t.oid = x.indrelid JOIN pg_class AS i ON i.oid = x.indexrelid "
        "CROSS JOIN unnest(x.indkey) WITH ORDINALITY AS k(attnum, place) "
        "LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.attnum "
        "LEFT JOIN pg_constraint AS c ON c.conindid = i.oid AND c.contype IN ('u', 'p') "
        "WHERE t.relnamespace = current_schema()::regnamespace ORDER BY i.relname, k.place"
    ),
}

#: The columns of an index, and whether it is one of unique values.
_Index = tuple[list[str | None], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """A table as the database has it."""

    columns: set[str] = field(default_factory=set)
    indexes: dict[str, _Index] = field(default_factory=dict)
    #: By the name of the constraint's index.
    unique: dict[str, list[str | None]] = field(default_factory=dict)


def differences(connection: Connection) -> list[str]:
    """What differs from the tables of this release, in words; the database is at its version."""
    found = [
        f"{kind} {name} on {table}"
        for kind, name, table in connection.execute(text(_ACTING[connection.dialect.name]))
        if table in metadata.tables
    ]
    there = _tables(connection)
    for table in metadata.sorted_tables:
        if table.name in there:
            found += _of_table(there[table.name], table)
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


def _tables(connection: Connection) -> Mapping[str, _Found]:
    """The tables that are there, by name."""
    backend = connection.dialect.name
    tables: defaultdict[str, _Found] = defaultdict(_Found)
    for table, column in connection.execute(text(_COLUMNS[backend])):
        tables[table].columns.add(column)
    for table, index, why, is_unique, column in connection.execute(text(_INDEXED[backend])):
        if why == "index":
            tables[table].indexes.setdefault(index, ([], bool(is_unique)))[0].append(column)
        elif why == "constraint":
            tables[table].unique.setdefault(index, []).append(column)
    return tables


def differences_in(connection: sqlite3.Connection) -> list[str]:
    """The same in an SQLite file that the standard library opened."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as wrapped:
        return differences(wrapped)


def _of_table(there: _Found, table: Table) -> Iterator[str]:
    for name in sorted(there.columns ^ set(table.columns.keys())):
        is_ours = name in table.columns
        yield f"column {table.name}.{name} {'is missing' if is_ours else 'is not ours'}"
    ours: Mapping[str, _Index] = {
        str(index.name): ([column.name for column in index.columns], bool(index.unique))
        for index in table.indexes
    }
    for name in sorted(ours.keys() | there.indexes.keys()):
        if name not in there.indexes:
            yield f"index {name} is missing"
        elif name not in ours:
            yield f"index {name} on {table.name} is not ours"
        elif ours[name] != there.indexes[name]:
            yield f"index {name} is another"
    expected = {
        tuple(column.name for column in one.columns)
        for one in table.constraints
        if isinstance(one, UniqueConstraint)
    }
    for names in sorted({tuple(map(str, one)) for one in there.unique.values()} ^ expected):
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
    due: set[tuple[str, str, str]] = set()
    for number, (subject, data) in enumerate(await connection.execute(decided)):
        due |= {(subject, one["channel"], one["target"]) for one in json.loads(data)["notify"]}
        if number % _ROWS_A_TURN == _ROWS_A_TURN - 1:
            await asyncio.sleep(0)
    subjects = sorted({subject for subject, *_ in due})
    put: set[tuple[str, str, str]] = set()
    for start in range(0, len(subjects), 500):
        columns = alerts.c.subject, alerts.c.channel, alerts.c.target
        among = alerts.c.subject.in_(subjects[start : start + 500])
        rows = await connection.execute(select(*columns).where(among))
        put |= {(row.subject, row.channel, row.target) for row in rows}
    return sorted({int(subject.rpartition(":")[2]) for subject, *_ in due - put})
