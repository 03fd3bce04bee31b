"""Translates a database's errors: their texts hold no parameters and no URLs."""

import os
import socket
import sqlite3

from sqlalchemy.exc import SQLAlchemyError

from casebell.errors import StorageUnavailable
from casebell.store import integrity


def translate(error: Exception) -> StorageUnavailable | None:
    """What is raised in place of a database's error; None if it is no such error.

    Nor is an error for the data that it was given: to wait and try again does not help.
    """
    cause = getattr(error, "orig", None) or error
    if str(getattr(cause, "sqlstate", "")).startswith(_DATA_EXCEPTION):
        return None
    if isinstance(error, SQLAlchemyError | sqlite3.Error | OSError) or _is_asyncpgs(error):
        if reason := integrity.damage(cause):
            return integrity.DatabaseDamaged(reason)
        return StorageUnavailable(f"The storage failed: {_safe_reason(cause)}.")
    return None


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
    if isinstance(error, OSError) and error.errno:
        return f"{name}, {os.strerror(error.errno)}"
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate:
        return _POSTGRESQL_STATES.get(sqlstate, f"{name}, SQLSTATE {sqlstate}")
    first = str(error.args[0]) if error.args else ""
    for phrase in _SQLITE_PHRASES:
        if phrase in first:
            return phrase
    return name


#: Class of PostgreSQL's states for a value that it does not take (its manual, appendix A).
_DATA_EXCEPTION = "22"

#: SQLite's texts for errors that an operator can act on.
_SQLITE_PHRASES = (
    "database is locked",
    "database or disk is full",
    "attempt to write a readonly database",
    "unable to open database file",
    "disk I/O error",
)

#: PostgreSQL's states that an operator can act on (its manual, appendix A).
_POSTGRESQL_STATES = {
    "28000": "the database refused the user",
    "28P01": "the database refused the user or the password",
    "3D000": "there is no such database on the server",
    "42501": "the database's user lacks a privilege",
    "53100": "the database's disk is full",
    "53300": "the database has too many connections",
    "57P01": "the database is being shut down",
    "57P03": "the database is starting or shutting down",
}
