"""The JSON values of tokens and accounts: docs/contract.md."""

from typing import Any

from typing_extensions import TypedDict

from casebell.clock import iso, iso_or_none
from casebell.people.identity import People
from casebell.settings.values import nearest
from casebell.shapes import described


@described
class NewToken(TypedDict):
    """A token, this once."""

    name: str
    role: str
    token: str
    warnings: list[str]
    """What was done, and is probably not all that is meant."""


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
        "last_used_at": iso_or_none(row.last_used_at),
        "revoked_at": iso_or_none(row.revoked_at),
    }


@described
class Account(TypedDict):
    """An account; without the hash of its password and the secret of its second factor."""

    name: str
    role: str
    email: str | None
    person: str | None
    """Whose cases are its own."""
    state: str
    """`active`, `disabled` or `expired`."""
    created_at: str
    created_by: str
    expires_at: str | None
    disabled_at: str | None
    last_sign_in_at: str | None
    password_changed_at: str | None
    """Null without a password."""
    issuer: str | None
    """The identity provider over which it signs in, in the place of a password."""
    second_factor: bool
    """Whether a code is asked for beside the password."""


@described
class AccountChanged(Account):
    """The same after something was said of an account."""

    warnings: list[str]
    """What was done, and is probably not all that is meant."""


def of_person(person: str | None, people: People) -> list[str]:
    """That nobody in the configuration has an id, which may come later."""
    if person is None or person in people:
        return []
    meant = nearest(person, people) if people else ""
    return [f"There is no [people.{person}] in the configuration. {meant}".rstrip()]


def account(row: Any, *, now: int) -> Account:
    """An account; whether it is expired depends on the time."""
    return {
        "name": row.name,
        "role": row.role,
        "email": row.email,
        "person": row.person,
        "state": unusable(row, now) or "active",
        "created_at": iso(row.created_at),
        "created_by": row.created_by,
        "expires_at": iso_or_none(row.expires_at),
        "disabled_at": iso_or_none(row.disabled_at),
        "last_sign_in_at": iso_or_none(row.last_sign_in_at),
        "password_changed_at": iso(row.password_changed_at) if row.has_password else None,
        "issuer": row.issuer,
        "second_factor": row.second_factor,
    }


@described
class OwnSession(TypedDict):
    """Where somebody is signed in."""

    began_at: str
    seen_at: str
    """The last request, to a minute."""
    this_one: bool
    """Whether it is that of whoever asks."""


@described
class OwnAccount(TypedDict):
    """The account that somebody signed in with."""

    account: Account
    has_password: bool
    """False where a provider of OpenID Connect says who it is."""
    needs_second_factor: bool
    """Whether the role may not do without one."""
    recovery_codes: int
    """How many are left."""
    sessions: list[OwnSession]


def unusable(row: Any, now: int) -> str | None:
    """Why nobody may sign in with an account; None if somebody may."""
    if row.disabled_at is not None:
        return "disabled"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return None
