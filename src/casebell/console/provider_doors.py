"""The doors of signing in over the firm's identity provider: to it, and back from it."""

from collections.abc import Sequence

from casebell.clock import SECOND, Clock
from casebell.console import cookies
from casebell.console.again import again
from casebell.console.protection import own_path, sign_in_path
from casebell.console.routing import Door, SeeOther, Shown
from casebell.console.signing_in import session_cookie
from casebell.console.visit import Visit
from casebell.errors import TooManyAttempts
from casebell.http.answers import Headers
from casebell.http.throttle import LogThrottle
from casebell.service.oidc.failures import NotOpen, SignInByProviderFailed
from casebell.service.oidc.pending import OPEN_FOR, Pending
from casebell.service.oidc.sign_in import CALLBACK, SignInByProvider
from casebell.service.sessions import Sessions
from casebell.telemetry import Log

TEMPLATE = "not_signed_in.html"


class ProviderDoors:
    """The doors' answers; each failure is logged with its cause, of a flood some."""

    def __init__(
        self, *, sign_in: SignInByProvider, sessions: Sessions, clock: Clock, log: Log
    ) -> None:
        self._sign_in = sign_in
        self._sessions = sessions
        self._log = log
        self._throttle = LogThrottle(clock)

    def doors(self) -> Sequence[Door]:
        """By path."""
        return (
            Door(method="GET", path="sign-in/oidc", serve=self.begin, open=True),
            Door(method="GET", path=CALLBACK.removeprefix("/"), serve=self.finish, open=True),
        )

    async def begin(self, visit: Visit) -> Shown | SeeOther:
        """Go to the provider."""
        after = own_path(visit.parameter("next"))
        if not visit.reached.private:
            return _not_from_here(after)
        try:
            begun = await self._sign_in.begin(next_path=after, address=visit.address)
        except SignInByProviderFailed as error:
            return self._failed(error, after=after)
        return SeeOther(to=begun.url, headers=[_pending(visit, begun.cookie)])

    async def finish(self, visit: Visit) -> Shown | SeeOther:
        """Come back from there; whoever gets in goes on to where the sign-in began."""
        cookie = visit.cookies.get(cookies.PENDING, "")
        if not visit.reached.private:
            return _not_from_here(_after(cookie))
        try:
            done = await self._sign_in.finish(
                cookie=cookie,
                # What is there twice was not sent by a provider.
                query={name: given[0] for name, given in visit.query.items() if len(given) == 1},
                address=visit.address,
            )
        except (NotOpen, TooManyAttempts) as error:
            # Another sign-in may be open in another window.
            return self._failed(error, after=_after(cookie))
        except SignInByProviderFailed as error:
            return self._failed(error, after=_after(cookie), headers=[_pending(visit, "")])
        if visit.session is not None:
            await self._sessions.end(visit.session)
        session = await self._sessions.begin(done.account, how="oidc", address=visit.address)
        return SeeOther(
            to=own_path(done.next),
            headers=[session_cookie(visit, session), _pending(visit, "")],
        )

    def _failed(
        self,
        error: SignInByProviderFailed | TooManyAttempts,
        *,
        after: str,
        headers: Headers | None = None,
    ) -> Shown:
        values = {"title": "Not signed in", "again": sign_in_path(after), "hint": ""}
        if isinstance(error, TooManyAttempts):
            return again(error, TEMPLATE, values)
        if (left_out := self._throttle.line(error.code)) is not None:
            self._log.warning(
                "oidc.failed",
                reason=error.code,
                cause=error.cause,
                **({"detail": error.detail} if error.detail else {}),
                **({"left_out": left_out} if left_out else {}),
            )
        return Shown(
            template=TEMPLATE,
            status=error.http_status,
            values={**values, "error": error.message, "hint": error.hint},
            headers=headers or [],
        )


def _not_from_here(after: str) -> SeeOther:
    """Where the connection is not private the form says so."""
    return SeeOther(to=sign_in_path(after))


def _after(cookie: str) -> str:
    """Where a sign-in was to lead that failed."""
    pending = Pending.read(cookie)
    return own_path(pending.next if pending else "")


def _pending(visit: Visit, cookie: str) -> tuple[bytes, bytes]:
    """The header that has the browser carry a sign-in, or carry it no more."""
    seconds = OPEN_FOR // SECOND if cookie else 0
    return cookies.written(cookies.PENDING, cookie, secure=visit.reached.secure, seconds=seconds)
