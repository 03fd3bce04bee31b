"""Translates a database's errors: what failed, where, why, and what to look at.

The drivers' texts may hold parameters and URLs, so only what is known to hold neither is passed on.
"""

import errno
import os
import re
import shlex
import socket
import sqlite3
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from casebell.errors import StorageUnavailable

#: Where a database is, by the names that the hints below use; never its user or password.
Where: TypeAlias = Mapping[str, str]


class DatabaseDamaged(StorageUnavailable):
    """The database file is damaged."""

    hint = (
        "Move it away with the -wal and -shm files beside it, then put a backup in its place: "
        "`casebell restore FILE`."
    )

    def __init__(self, reason: str) -> None:
        """`reason` is a clause without data: "its journal has gaps"."""
        self.reason = reason
        super().__init__(f"The database file is damaged: {reason}.")


def whereabouts(url: URL) -> Where:
    """Where the database of a URL is."""
    if url.get_backend_name() == "sqlite":
        return file_whereabouts(Path(url.database or ""))
    host = url.host or str(url.query.get("host", "")) or "localhost"
    port, name = str(url.port or url.query.get("port", 5432)), url.database or ""
    return {
        "place": f"PostgreSQL at {host}, port {port}, database {name}",
        "reach": f"pg_isready -h {shlex.quote(host)} -p {port}",
        "database": name,
    }


def file_whereabouts(path: Path) -> Where:
    """Where an SQLite file is."""
    return {
        "place": str(path),
        "file": shlex.quote(str(path)),
        "folder": shlex.quote(str(path.parent)),
    }


def translate(error: Exception, where: Where) -> StorageUnavailable | None:
    """What is raised in place of a database's error; None if it is no such error.

    Nor is an error for the data that it was given: to wait and try again does not help.
    """
    cause = getattr(error, "orig", None) or error
    if str(getattr(cause, "sqlstate", "")).startswith(_DATA_EXCEPTION):
        return None
    if isinstance(error, SQLAlchemyError | sqlite3.Error | OSError) or _is_asyncpgs(error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if reason := _SQLITE_DAMAGE.get(code):
            return DatabaseDamaged(reason)
        return StorageUnavailable(
            f"The storage failed: {_safe_reason(cause)} ({where['place']}).",
            hint=_hint(cause, code, where),
            passes=_passes(cause, code),
        )
    return None


@contextmanager
def sqlite_errors(path: Path, *, copy: Path | None = None) -> Iterator[None]:
    """Translate the errors of the standard library's sqlite3.

    Args:
        path: the file that is read.
        copy: the file that is written.
    """
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        written = getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_WRITING
        at = copy if copy is not None and written else path
        raise translate(error, file_whereabouts(at)) or error from None


def _is_asyncpgs(error: BaseException) -> bool:
    """Whether asyncpg raised it, past SQLAlchemy.

    Its errors have no base class of their own, and on SQLite asyncpg is not imported.
    """
    return type(error).__module__.startswith("asyncpg.")


def _safe_reason(error: BaseException) -> str:
    """A short text for the driver's error that holds no data; else the name of its class."""
    name = type(error).__name__
    if isinstance(error, socket.gaierror):
        return "the database's host has no known address"
    if isinstance(error, TimeoutError):
        return "the database does not answer"
    if isinstance(error, ssl.SSLError):
        return f"the connection cannot be encrypted, {error.reason or name}"
    if isinstance(error, OSError) and (number := _errno(error)):
        return os.strerror(number)
    if sqlstate := getattr(error, "sqlstate", None):
        phrase, _ = _POSTGRESQL_STATES.get(sqlstate, (name, ""))
        return f"{phrase}, SQLSTATE {sqlstate}"
    first = str(error.args[0]) if error.args else ""
    for phrase in _SQLITE_PHRASES:
        if phrase in first:
            code = getattr(error, "sqlite_errorname", "")
            return f"{phrase}, {code}" if code else phrase
    return name


def _errno(error: OSError) -> int:
    """The system's number; of several addresses that were tried, the first one's."""
    found = None if error.errno else _ERRNO.search(str(error))
    return int(found[1]) if found else error.errno or 0


def system_passes(error: OSError) -> bool:
    """Whether what the system says of a file may end by itself."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def _passes(error: BaseException, code: int) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    if isinstance(error, OSError):
        return True
    state = str(getattr(error, "sqlstate", ""))
    return code in _SQLITE_PASSES or state[:2] in _POSTGRESQL_PASSES


def _hint(error: BaseException, code: int, where: Where) -> str:
    if "file" in where:
        return _SQLITE_HINTS.get(code, _SQLITE_HINT).format_map(where)
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate:
        _, hint = _POSTGRESQL_STATES.get(sqlstate, ("", ""))
        return (hint or "PostgreSQL's own log says more.").format_map(where)
    if isinstance(error, socket.gaierror):
        return "See that storage.url names the right host."
    return "See that PostgreSQL runs and can be reached from here: `{reach}`.".format_map(where)


#: In what asyncio says where no address of a host could be reached.
_ERRNO = re.compile(r"\[Errno (\d+)\]")

#: SQLite's result codes for a damaged file, each with SQLite's own text.
_SQLITE_DAMAGE = MappingProxyType(
    {
        sqlite3.SQLITE_CORRUPT: "database disk image is malformed",
        sqlite3.SQLITE_NOTADB: "file is not a database",
    }
)

#: SQLite's result codes that only the written one of two files can have.
_OF_WRITING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)

#: SQLite's texts for errors that an operator can act on.
_SQLITE_PHRASES = (
    "database is locked",
    "database or disk is full",
    "attempt to write a readonly database",
    "unable to open database file",
    "disk I/O error",
)

_SQLITE_HINT = "Look at the disk and the file: `df -h {folder}`, `ls -la {folder}`."
_MAY_WRITE = "See that this user may write the file and its folder: `ls -la {folder}`."
#: What to look at, by SQLite's result code.
_SQLITE_HINTS = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: "Make room on its disk: `df -h {folder}`.",
        sqlite3.SQLITE_BUSY: "Another program holds it; this names it: `fuser -v {file}`.",
        sqlite3.SQLITE_READONLY: _MAY_WRITE,
        sqlite3.SQLITE_CANTOPEN: _MAY_WRITE,
        sqlite3.SQLITE_PERM: _MAY_WRITE,
        sqlite3.SQLITE_IOERR: "The disk is full or faulty: `df -h {folder}`, then `dmesg`.",
    }
)

#: SQLite's result codes for what may end by itself.
_SQLITE_PASSES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR)
#: The same as classes of PostgreSQL's states: connection, resources, an operator's doing.
_POSTGRESQL_PASSES = ("08", "53", "57")

#: Class of PostgreSQL's states for a value that it does not take (its manual, appendix A).
_DATA_EXCEPTION = "22"

_WHO = "See user and password in storage.url, and the server's pg_hba.conf."
_COMES_BACK = "It answers once it has started; PostgreSQL's own log says more."
#: PostgreSQL's states that an operator can act on (its manual, appendix A), with what to look at.
_POSTGRESQL_STATES = MappingProxyType(
    {
        "28000": ("the database refused the user", _WHO),
        "28P01": ("the database refused the user or the password", _WHO),
        "3D000": (
            "there is no such database on the server",
            "Make it with `createdb`, or name another in storage.url.",
        ),
        "42501": (
            "the database's user lacks a privilege",
            "The user needs to own the database, or its schema.",
        ),
        "53100": ("the database's disk is full", "Make room on PostgreSQL's disk."),
        "53300": (
            "the database has too many connections",
            "Raise PostgreSQL's max_connections, or end what else is connected.",
        ),
        "57P01": ("the database is being shut down", _COMES_BACK),
        "57P03": ("the database is starting or shutting down", _COMES_BACK),
    }
)
