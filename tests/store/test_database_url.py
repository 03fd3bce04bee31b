"""`storage.url`: what is taken, and what is said of the rest without a part of it."""

import pytest

from casebell.errors import StorageUnavailable
from casebell.store.database_url import parse


def test_a_path_is_taken_literally() -> None:
    """Per cent, question mark and hash are characters of a file's name."""
    assert parse("sqlite:///a%20b?c#d.db").database == "a%20b?c#d.db"
    assert parse("sqlite:////var/lib/casebell.db").database == "/var/lib/casebell.db"


def test_the_usual_name_of_the_tls_option() -> None:
    """`sslmode` reaches the driver by the driver's own name; other options stay."""
    parsed = parse("postgresql://u:p@h/d?sslmode=require&host=/run/postgresql")
    assert dict(parsed.query) == {"ssl": "require", "host": "/run/postgresql"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///:memory:", "names no file"),
        ("mysql://u:hunter2@h/d", "unknown kind"),
        ("hunter2", "not a database URL"),
        ("postgresql://u:hunter2@h/d?passfile=hunter2", "option"),
    ],
)
def test_nothing_of_a_wrong_one_is_quoted(url: str, says: str) -> None:
    """It may hold a password."""
    with pytest.raises(StorageUnavailable, match=says) as caught:
        parse(url)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
