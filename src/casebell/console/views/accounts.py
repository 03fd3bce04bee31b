"""The pages of accounts: one's own, all of them, and one of them for whoever runs Casebell."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from casebell.actors import Role
from casebell.console.visit import Visit
from casebell.service.passwords import MIN_CHARACTERS

#: The fields of a new account.
NOTHING_TYPED: Mapping[str, str] = {
    "name": "",
    "role": Role.VIEWER,
    "email": "",
    "person": "",
    "expires": "",
}


async def own(visit: Visit) -> Mapping[str, Any]:
    """One's own account."""
    return {
        "own": await visit.ask("own_account", session=visit.session_id),
        # Whose account is nobody's in the configuration has no cases of their own.
        "feeds": await visit.ask("own_feeds") if visit.actor.person in visit.people else None,
        "min_characters": MIN_CHARACTERS,
        # Where a form is posted to is no page.
        "here": "/account",
        "error": "",
    }


async def everybody(visit: Visit) -> Mapping[str, Any]:
    """All accounts and tokens."""
    return {
        "accounts": await visit.ask("list_accounts"),
        "tokens": await visit.ask("list_tokens"),
        "roles": list(Role),
        "here": "/accounts",
        "typed": NOTHING_TYPED,
        "error": "",
    }


async def one(visit: Visit) -> Mapping[str, Any]:
    """One account, to be changed."""
    return await one_named(visit, visit.arguments["name"])


async def one_named(visit: Visit, name: str) -> Mapping[str, Any]:
    """The same by its name."""
    account = await visit.ask("find_account", name=name)
    fields = fields_of(account, zone=visit.local_zone)
    return {
        "account": account,
        "was": fields,
        "typed": fields,
        "roles": list(Role),
        "here": visit.here,
        "error": "",
    }


def fields_of(account: Mapping[str, Any], *, zone: str) -> Mapping[str, str]:
    """What the form of an account has in its fields."""
    expires = account["expires_at"]
    if expires is not None:
        moment = datetime.fromisoformat(expires).astimezone(ZoneInfo(zone))
        expires = f"{moment:%Y-%m-%dT%H:%M}"
    return {
        "role": account["role"],
        "email": account["email"] or "",
        "person": account["person"] or "",
        "expires": expires or "",
    }
