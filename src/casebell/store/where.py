"""Where the database is: `storage.url`, taken apart."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from casebell.errors import StorageUnavailable

#: Options of a PostgreSQL URL that reach the driver.
_POSTGRESQL_OPTIONS = {"host", "port", "ssl", "sslmode"}


def parse(url: str) -> URL:
    """The URL's parts. It may hold a password: no part of it is ever quoted in an error.

    Raises:
        StorageUnavailable: it names no database that we know how to use.
    """
    hint = "Use sqlite:///casebell.db or postgresql://user:password@host/database."
    if url.startswith("sqlite:"):
        # A path stands as it is written: "%" is an ordinary character.
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
    # The driver's word for what everybody else's URLs call sslmode.
    options = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    return parsed.set(query=options)
