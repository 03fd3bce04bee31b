"""The doors: signing in with a name and a password, signing out, the zone of times."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from casebell.console import cookies
from casebell.console.again import again
from casebell.console.protection import own_path
from casebell.console.routing import Door, SeeOther, Shown
from casebell.console.visit import Visit
from casebell.errors import SignInFailed, TooManyAttempts
from casebell.service.access import Access

TEMPLATE = "sign_in.html"
#: The browser keeps the zone for a year.
ZONE_SECONDS = 365 * 86_400


class SigningIn:
    """The doors' answers.

    Args:
        provider: the identity provider that the form offers; None where there is none.
    """

    def __init__(self, *, access: Access, provider: Callable[[], str | None]) -> None:
        self._access = access
        self._provider = provider

    def doors(self) -> Sequence[Door]:
        """By path."""
        return (
            Door(method="GET", path="sign-in", serve=self.form, open=True),
            Door(method="POST", path="sign-in", serve=self.sign_in, open=True),
            Door(method="POST", path="sign-out", serve=self.sign_out, open=True),
            Door(method="POST", path="zone", serve=self.zone, open=True),
        )

    async def form(self, visit: Visit) -> Shown | SeeOther:
        """The form; whoever is signed in goes on."""
        after = own_path(visit.parameter("next"))
        if visit.session is not None and not visit.session.asked:
            return SeeOther(to=after)
        return self._form(visit, after=after)

    async def sign_in(self, visit: Visit) -> Shown | SeeOther:
        """Who has this name and this password goes on, to the second factor where there is one."""
        after = own_path(visit.value("next"))
        if not visit.reached.private:
            return self._form(visit, after=after, status=403)
        try:
            account = await self._access.password(
                visit.value("name"), visit.value("password"), address=visit.address
            )
        except (SignInFailed, TooManyAttempts) as error:
            return again(error, TEMPLATE, self._values(visit, after=after))
        sessions = self._access.sessions
        if visit.session is not None:
            await sessions.end(visit.session)
        cookie = await sessions.begin(account, how="password", address=visit.address)
        return SeeOther(to=after, headers=[session_cookie(visit, cookie)])

    async def sign_out(self, visit: Visit) -> SeeOther:
        """End the session; whoever has none is signed out already."""
        if visit.session is not None:
            await self._access.sessions.end(visit.session)
        gone = cookies.written(cookies.SESSION, "", secure=visit.reached.secure, seconds=0)
        return SeeOther(to="/sign-in", headers=[gone])

    async def zone(self, visit: Visit) -> SeeOther:
        """Show times in UTC, or in the firm's zone."""
        chosen = cookies.written(
            cookies.ZONE,
            "utc" if visit.value("zone") == "utc" else "local",
            secure=visit.reached.secure,
            seconds=ZONE_SECONDS,
        )
        return SeeOther(to=own_path(visit.value("next")), headers=[chosen])

    def _form(self, visit: Visit, *, after: str, status: int = 200) -> Shown:
        return Shown(template=TEMPLATE, status=status, values=self._values(visit, after=after))

    def _values(self, visit: Visit, *, after: str) -> Mapping[str, Any]:
        return {
            "title": "Sign in",
            "next": after,
            "name": visit.value("name"),
            "error": "",
            "private": visit.reached.private,
            "provider": self._provider(),
        }


def session_cookie(visit: Visit, cookie: str) -> tuple[bytes, bytes]:
    """The header that signs a visitor in; the browser forgets it when it is closed."""
    return cookies.written(cookies.SESSION, cookie, secure=visit.reached.secure)
