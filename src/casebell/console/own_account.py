"""The doors of one's own account: another password, and signing out everywhere else."""

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


class OwnAccountDoors:
    """The doors' answers."""

    def __init__(self, *, sessions: Sessions) -> None:
        self._sessions = sessions

    def doors(self) -> Sequence[Door]:
        """By path."""
        return (
            Door(method="POST", path="account/password", serve=self.password),
            Door(method="POST", path="account/sign-out-elsewhere", serve=self.sign_out_elsewhere),
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

    async def _done(self, visit: Visit, verb: str) -> SeeOther:
        if visit.session is None:
            return SeeOther(to=ACCOUNT)
        # A copy of this browser's cookie is elsewhere, too.
        cookie = await self._sessions.renew(visit.session)
        await self._sessions.tell(visit.session, said(verb, None))
        return SeeOther(to=ACCOUNT, headers=[session_cookie(visit, cookie)])
