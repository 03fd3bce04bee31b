"""The doors of one's own account: another password, signing out elsewhere, private calendars."""

from collections.abc import Sequence

from casebell.console.again import OF_FORMS, again
from casebell.console.routing import Door, SeeOther, Shown
from casebell.console.said import said
from casebell.console.signing_in import session_cookie
from casebell.console.views import accounts
from casebell.console.visit import Visit
from casebell.errors import BadArgument
from casebell.service.sessions import Sessions

ACCOUNT = "/account"
#: Of the number of a feed.
MAX_DIGITS = 19


class OwnAccountDoors:
    """The doors' answers."""

    def __init__(self, *, sessions: Sessions) -> None:
        self._sessions = sessions

    def doors(self) -> Sequence[Door]:
        """By path."""
        return (
            Door(method="POST", path="account/password", serve=self.password),
            Door(method="POST", path="account/sign-out-elsewhere", serve=self.sign_out_elsewhere),
            Door(method="POST", path="account/feeds/add", serve=self.add_feed),
            Door(method="POST", path="account/feeds/revoke", serve=self.revoke_feed),
        )

    async def password(self, visit: Visit) -> Shown | SeeOther:
        """Change the password, for whoever types the present one and the new one twice."""
        try:
            if visit.value("new") != visit.value("again"):
                raise BadArgument("These are two different new passwords.")
            await visit.ask(
                "change_own_password",
                session=visit.session_id,
                password=visit.value("password"),
                new=visit.value("new"),
                address=visit.address,
            )
        except OF_FORMS as error:
            values = await accounts.own(visit)
            return again(error, "account.html", {"title": "Your account", **values})
        return await self._done(visit, "change_own_password")

    async def sign_out_elsewhere(self, visit: Visit) -> SeeOther:
        """End all sessions but this one."""
        await visit.ask("end_other_sessions", session=visit.session_id)
        return await self._done(visit, "end_other_sessions")

    async def add_feed(self, visit: Visit) -> Shown:
        """Make a calendar of one's own dates, and show its address."""
        try:
            feed = await visit.ask("add_own_feed")
        except OF_FORMS as error:
            values = await accounts.own(visit)
            return again(error, "account.html", {"title": "Your account", **values})
        address = feed["address"]
        if address.startswith("/"):
            # Nobody configured how people reach this; whoever asks does.
            address = f"{visit.reached.origin}{address}"
        values = {"title": "Your calendar", "address": address, "here": ACCOUNT}
        return Shown(template="feed_address.html", values=values)

    async def revoke_feed(self, visit: Visit) -> Shown | SeeOther:
        """Have a calendar of one's own dates say nothing more."""
        try:
            number = visit.value("number")
            if not (number.isascii() and number.isdigit() and len(number) < MAX_DIGITS):
                raise BadArgument("There is no calendar of this number.")
            revoked = await visit.ask("revoke_own_feed", number=int(number))
        except OF_FORMS as error:
            values = await accounts.own(visit)
            return again(error, "account.html", {"title": "Your account", **values})
        if visit.session is not None:
            await self._sessions.tell(visit.session, said("revoke_own_feed", revoked))
        return SeeOther(to=ACCOUNT)

    async def _done(self, visit: Visit, verb: str) -> SeeOther:
        if visit.session is None:
            return SeeOther(to=ACCOUNT)
        # A copy of this browser's cookie is elsewhere, too.
        cookie = await self._sessions.renew(visit.session)
        await self._sessions.tell(visit.session, said(verb, None))
        return SeeOther(to=ACCOUNT, headers=[session_cookie(visit, cookie)])
