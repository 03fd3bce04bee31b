"""The doors of accounts, for whoever runs Casebell: what is more than a button."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from casebell.actors import Right
from casebell.console.again import OF_FORMS, again
from casebell.console.routing import Door, SeeOther, Shown
from casebell.console.said import said
from casebell.console.views import accounts
from casebell.console.visit import Visit
from casebell.errors import BadArgument
from casebell.service.passwords import generated
from casebell.service.sessions import Sessions

#: What can be changed of an account.
FIELDS = ("role", "email", "person", "expires")


class AccountDoors:
    """The doors' answers; each verb asks for the right to it.

    Passwords are made here and shown once: nobody types one for somebody else.
    """

    def __init__(self, *, sessions: Sessions) -> None:
        self._sessions = sessions

    def doors(self) -> Sequence[Door]:
        """By path. An account is named by a field: its name may have a slash."""
        return (
            Door(method="POST", path="accounts/add", serve=self.add, right=Right.ACCOUNTS),
            Door(method="POST", path="accounts/change", serve=self.change, right=Right.ACCOUNTS),
            Door(
                method="POST", path="accounts/password", serve=self.password, right=Right.ACCOUNTS
            ),
        )

    async def add(self, visit: Visit) -> Shown:
        """Add an account, and show its password."""
        typed = {name: visit.value(name).strip() for name in ("name", *FIELDS)}
        password = generated()
        given = {name: text for name, text in typed.items() if text}
        try:
            for name in ("name", "role"):
                if name not in given:
                    raise BadArgument(f"An account has a {name}.")
            account = await visit.ask("add_account", password=password, **given)
        except OF_FORMS as error:
            values = {"title": "Accounts", **await accounts.everybody(visit), "typed": typed}
            return again(error, "accounts.html", values)
        warnings = account["warnings"]
        return _password_shown(account["name"], password, added=True, warnings=warnings)

    async def change(self, visit: Visit) -> Shown | SeeOther:
        """Change what was changed in the form, and nothing that somebody else changed meanwhile."""
        name = visit.value("name")
        changes: dict[str, str | None] = {}
        for field in FIELDS:
            typed = visit.value(field).strip()
            if field in visit.form and typed != visit.value(f"was_{field}"):
                changes[field] = typed or None
        try:
            if not changes:
                raise BadArgument("Nothing is changed.")
            account = await visit.ask("set_account", name=name, changes=changes)
        except OF_FORMS as error:
            values = await accounts.one_named(visit, name)
            form = {**values["typed"], **{key: text or "" for key, text in changes.items()}}
            values = {"title": "Account", **values, "typed": form, "here": _page(name)}
            return again(error, "accounts_change.html", values)
        if visit.session is not None:
            await self._sessions.tell(visit.session, said("set_account", account))
        return SeeOther(to=_page(account["name"]))

    async def password(self, visit: Visit) -> Shown:
        """Give an account another password, and show it."""
        name, password = visit.value("name"), generated()
        account = await visit.ask("set_password", name=name, password=password)
        return _password_shown(account["name"], password, added=False)


def _page(name: str) -> str:
    return f"/accounts/change?{urlencode({'name': name})}"


def _password_shown(
    name: str, password: str, *, added: bool, warnings: Sequence[str] = ()
) -> Shown:
    values: Mapping[str, object] = {
        "title": "Password",
        "name": name,
        "password": password,
        "added": added,
        "warnings": warnings,
        "here": _page(name),
    }
    return Shown(template="accounts_password.html", values=values)
