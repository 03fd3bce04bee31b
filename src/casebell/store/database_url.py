"""Parses `storage.url`."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from casebell.errors import StorageUnavailable

#: Options of a PostgreSQL URL that are passed to the driver.
_POSTGRESQL_OPTIONS = {"host", "port", "ssl", "sslmode"}


def parse(url: str) -> URL:
    """Parse the URL. It may hold a password: an error never quotes a part of it.

    Raises:
        StorageUnavailable: it is not the URL of a supported database.
    """
    hint = "Use sqlite:///casebell.db or postgresql://user:password@host/database."
    if url.startswith("sqlite:"):
        # A path is taken literally: "%" is an ordinary character.
        path = url.removeprefix("sqlite:///")
        if path in ("", ":memory:", url):
            raise StorageUnavailable("storage.url names no file.", hint=hint)
        return URL.create("sqlite", database=path)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StorageUnavailable("storage.url is not a database URL.", hint=hint) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise StorageUnavailable("storage.url names an unknown kind of database.", hint=hint)
    if not parsed.query.keys() <= _POSTGRESQL_OPTIONS:
        raise StorageUnavailable(
            "storage.url has an option that is not supported.",
            hint=f"Supported after the question mark: {', '.join(sorted(_POSTGRESQL_OPTIONS))}.",
        )
    # The driver's name for the option that others call sslmode.
    options = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    return parsed.set(query=options)
