"""The doors of the second factor: a code after the password, and setting it up."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import segno
from markupsafe import Markup

from casebell.console.again import OF_FORMS, again
from casebell.console.protection import own_path
from casebell.console.routing import Door, SeeOther, Shown
from casebell.console.said import said
from casebell.console.signing_in import session_cookie
from casebell.console.visit import Visit
from casebell.errors import NotSignedIn
from casebell.service.access import Access
from casebell.service.sessions import Asked, Session

CODE = "second_factor_code.html"
PAGE = "second_factor.html"
RECOVERY_CODES = "recovery_codes.html"

#: Of recovery codes: whoever has no more is told to make new ones.
FEW = 3


class SecondFactorDoors:
    """The doors' answers; whoever signs in has given the password before."""

    def __init__(self, *, access: Access) -> None:
        self._access = access

    def doors(self) -> Sequence[Door]:
        """By path; open, because whoever is not signed in yet must get in."""
        return (
            Door(method="GET", path="sign-in/code", serve=self.code_form, open=True),
            Door(method="POST", path="sign-in/code", serve=self.code, open=True),
            Door(method="GET", path="second-factor", serve=self.page, open=True),
            Door(method="POST", path="second-factor/begin", serve=self.begin, open=True),
            Door(method="POST", path="second-factor/confirm", serve=self.confirm, open=True),
            Door(method="POST", path="second-factor/recovery-codes", serve=self.recovery_codes),
            Door(method="POST", path="second-factor/off", serve=self.turn_off),
        )

    async def code_form(self, visit: Visit) -> Shown | SeeOther:
        """The form for a code; whoever is asked for none goes on."""
        after = own_path(visit.parameter("next"))
        if _session(visit).asked is not Asked.CODE:
            return SeeOther(to=after)
        return Shown(template=CODE, values=_code_values(visit, after=after))

    async def code(self, visit: Visit) -> Shown | SeeOther:
        """Who has the right code is signed in, by another session than before."""
        session, after = _session(visit), own_path(visit.value("next"))
        if session.asked is not Asked.CODE:
            return SeeOther(to=after)
        try:
            used = await self._access.code(
                session.actor.account or "", visit.value("code"), address=visit.address
            )
        except OF_FORMS as error:
            return again(error, CODE, _code_values(visit, after=after))
        left = used.recovery_codes_left
        how = "code" if left is None else "recovery_code"
        sessions = self._access.sessions
        cookie = await sessions.finish(session, how=how, address=visit.address)
        if left is not None:
            told = {"sentences": [_said_of_left(left)], "good": left > FEW}
            await sessions.tell(await sessions.find(cookie), told)
        return SeeOther(to=after, headers=[session_cookie(visit, cookie)])

    async def page(self, visit: Visit) -> Shown | SeeOther:
        """What there is, and what can be done about it."""
        if (elsewhere := _code_first(visit)) is not None:
            return elsewhere
        return Shown(template=PAGE, values=await _page_values(visit))

    async def begin(self, visit: Visit) -> Shown | SeeOther:
        """Make a secret, which the page then shows."""
        if (elsewhere := _code_first(visit)) is not None:
            return elsewhere
        enrols = _session(visit).asked is Asked.ENROL
        try:
            await visit.ask(
                "begin_second_factor",
                session=visit.session_id,
                password=None if enrols else visit.value("password"),
                address=visit.address,
            )
        except OF_FORMS as error:
            return again(error, PAGE, await _page_values(visit, tried="begin"))
        return SeeOther(to=_with_next("/second-factor", visit))

    async def confirm(self, visit: Visit) -> Shown | SeeOther:
        """Put it in force; show the recovery codes, which are nowhere but on this page."""
        if (elsewhere := _code_first(visit)) is not None:
            return elsewhere
        session = _session(visit)
        try:
            made = await visit.ask(
                "confirm_second_factor", session=session.id, code=visit.value("code")
            )
        except OF_FORMS as error:
            return again(error, PAGE, await _page_values(visit, tried="confirm"))
        sessions = self._access.sessions
        if session.asked is Asked.ENROL:
            cookie = await sessions.finish(session, how="second_factor", address=visit.address)
        else:
            cookie = await sessions.renew(session)
        headers = [session_cookie(visit, cookie)]
        return _codes_shown(visit, made["codes"], first=True, headers=headers)

    async def recovery_codes(self, visit: Visit) -> Shown | SeeOther:
        """Make new ones, and show them."""
        try:
            made = await visit.ask(
                "make_recovery_codes", password=visit.value("password"), address=visit.address
            )
        except OF_FORMS as error:
            return again(error, PAGE, await _page_values(visit, tried="codes"))
        return _codes_shown(visit, made["codes"], first=False)

    async def turn_off(self, visit: Visit) -> Shown | SeeOther:
        """Give it up."""
        try:
            await visit.ask(
                "turn_off_second_factor", password=visit.value("password"), address=visit.address
            )
        except OF_FORMS as error:
            return again(error, PAGE, await _page_values(visit, tried="off"))
        told = said("turn_off_second_factor", None)
        await self._access.sessions.tell(_session(visit), told)
        return SeeOther(to="/account")


def _session(visit: Visit) -> Session:
    """The session of whoever has given the password.

    Raises:
        NotSignedIn: nobody has.
    """
    if visit.session is None:
        raise NotSignedIn
    return visit.session


def _code_first(visit: Visit) -> SeeOther | None:
    """Where somebody goes who has a second factor and has not given a code yet."""
    if _session(visit).asked is Asked.CODE:
        return SeeOther(to=_with_next("/sign-in/code", visit))
    return None


def _next(visit: Visit) -> str:
    return own_path(visit.value("next") or visit.parameter("next"))


def _with_next(path: str, visit: Visit) -> str:
    return f"{path}?next={quote(_next(visit), safe='')}"


def _code_values(visit: Visit, *, after: str) -> Mapping[str, Any]:
    return {
        "title": "Second factor",
        "name": visit.actor.account,
        "next": after,
        "error": "",
    }


async def _page_values(visit: Visit, *, tried: str = "") -> Mapping[str, Any]:
    own = await visit.ask("own_account", session=visit.session_id)
    pending = await visit.ask("pending_second_factor", session=visit.session_id)
    return {
        "title": "Second factor",
        # Where it was posted to is no page.
        "here": "/second-factor",
        "own": own,
        "enrols": _session(visit).asked is Asked.ENROL,
        "pending": pending and {"key": in_fours(pending["secret"]), "picture": picture(pending)},
        "next": _next(visit),
        "tried": tried,
        "error": "",
    }


def _codes_shown(
    visit: Visit, codes: Sequence[str], *, first: bool, headers: Sequence[tuple[bytes, bytes]] = ()
) -> Shown:
    return Shown(
        template=RECOVERY_CODES,
        values={
            "title": "Recovery codes",
            "here": "/second-factor",
            "name": visit.actor.account,
            "codes": codes,
            "first": first,
            "next": _next(visit),
        },
        headers=list(headers),
    )


def _said_of_left(left: int) -> str:
    some = f"{left} of your recovery codes" if left else "No other recovery code"
    make = " Make new ones: your name above leads to them." if left <= FEW else ""
    return f"This code serves no more. {some} {'is' if left < 2 else 'are'} left.{make}"


def in_fours(secret: str) -> str:
    """A secret as people type it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def picture(enrolment: Mapping[str, str]) -> Markup:
    """What an authenticator reads with its camera, as SVG: black on white, whatever the page is."""
    code = segno.make(enrolment["address"], error="m", micro=False)
    # A picture of squares: nothing of the address stands in it as text.
    return Markup(code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True))  # noqa: S704
