"""The JSON values of tokens and accounts: docs/contract.md."""

from typing import Any

from typing_extensions import TypedDict

from casebell.clock import iso
from casebell.shapes import described


@described
class NewToken(TypedDict):
    """A token, this once."""

    name: str
    role: str
    token: str


@described
class Token(TypedDict):
    """What is known of a token; without the token."""

    name: str
    role: str
    person: str | None
    """Whose cases are its own."""
    created_at: str
    created_by: str
    last_used_at: str | None
    """To a minute."""
    revoked_at: str | None


def token(row: Any) -> Token:
    """A token."""
    return {
        "name": row.name,
        "role": row.role,
        "person": row.person,
        "created_at": iso(row.created_at),
        "created_by": row.created_by,
        "last_used_at": _time(row.last_used_at),
        "revoked_at": _time(row.revoked_at),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else iso(at)
