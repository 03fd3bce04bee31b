"""`/a/{token}`: what a message said, and a button to say that it was seen; no sign-in."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from casebell.console.again import again
from casebell.console.routing import Door, SeeOther, Shown
from casebell.console.visit import Visit
from casebell.errors import BadArgument
from casebell.http.answers import Headers
from casebell.notify.links import PATH
from casebell.service.following_up import MAX_NOTE
from casebell.service.links import Opened, SeenLinks, Standing

TEMPLATE: Final = "link.html"
_HEADERS: Final[Headers] = [
    (b"x-robots-tag", b"noindex"),
    # Its address is a secret: no other page hears of it.
    (b"referrer-policy", b"no-referrer"),
]
_STATUSES: Final[Mapping[Standing, int]] = {
    Standing.OPEN: 200,
    Standing.UNKNOWN: 404,
    Standing.EXPIRED: 410,
    Standing.GONE: 410,
    Standing.ANSWERED: 410,
}
#: The headings of links that cannot be used.
_TITLES: Final[Mapping[Standing, str]] = {
    Standing.UNKNOWN: "There is no such link",
    Standing.EXPIRED: "This link is too old",
    Standing.GONE: "This link is not in use any more",
    Standing.ANSWERED: "Nothing is left to acknowledge",
}


class LinkDoors:
    """The doors' answers. To look does nothing."""

    def __init__(self, *, links: SeenLinks) -> None:
        self._links = links

    def doors(self) -> Sequence[Door]:
        """One path, to look at and to post to."""
        path = f"{PATH.removeprefix('/')}{{token}}"
        return (
            Door(method="GET", path=path, serve=self.look, open=True),
            Door(method="POST", path=path, serve=self.acknowledge, open=True),
        )

    async def look(self, visit: Visit) -> Shown:
        """Show what the message said."""
        opened = await self._links.open(visit.arguments["token"], address=visit.address)
        return Shown(
            template=TEMPLATE,
            status=_STATUSES[opened.standing],
            values=_values(opened),
            headers=_HEADERS,
        )

    async def acknowledge(self, visit: Visit) -> Shown | SeeOther:
        """Say that it was seen; the page that follows says when."""
        token = visit.arguments["token"]
        try:
            opened = await self._links.acknowledge(
                token, note=visit.value("note"), address=visit.address
            )
        except BadArgument as error:
            opened = await self._links.open(token, address=visit.address)
            shown = again(error, TEMPLATE, {**_values(opened), "note": visit.value("note")})
            shown.headers.extend(_HEADERS)
            return shown
        if opened.standing is not Standing.OPEN:
            return Shown(
                template=TEMPLATE,
                status=_STATUSES[opened.standing],
                values=_values(opened),
                headers=_HEADERS,
            )
        return SeeOther(to=f"{PATH}{token}", headers=_HEADERS)


def _values(opened: Opened) -> Mapping[str, Any]:
    return {
        "title": _TITLES.get(opened.standing, "Acknowledge"),
        "opened": opened,
        "max_note": MAX_NOTE,
        "note": "",
        "error": "",
    }
