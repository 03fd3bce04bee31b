"""The links in a message to one person, by which that person says that a change was seen.

What stands in an address is in the message as it is sent, and nowhere else: what is recorded has
`HIDDEN` in its place.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from casebell.alerts import OF_CASES, Alert, Line, Message, Part
from casebell.clock import Clock
from casebell.notify.channel import Channel
from casebell.notify.pilot import PilotedChannel
from casebell.notify.render import Style
from casebell.people.roster import Addressee, Roster
from casebell.store import links
from casebell.store.digests import digest_of
from casebell.store.engine import Store
from casebell.store.links import OPEN_FOR, Link

#: Below the console's address.
PATH = "/a/"
#: What is recorded of an address.
HIDDEN = "…"
#: The words of the link, and how soon it is left out where a service takes little.
_WORDS = Line("Acknowledge:", spare=4)


def new_token() -> str:
    """128 random bits as 22 characters of an address."""
    return secrets.token_urlsafe(16)


class Links:
    """Makes them.

    Args:
        roster: returns whom each channel reaches.
        token: returns what stands in an address, another each time.
    """

    def __init__(
        self,
        *,
        store: Store,
        roster: Callable[[], Roster],
        clock: Clock,
        token: Callable[[], str] = new_token,
    ) -> None:
        self._store = store
        self._roster = roster
        self._clock = clock
        self._token = token

    async def of(
        self, alerts: Sequence[Alert], *, over: Channel, style: Style
    ) -> Mapping[int, str]:
        """By alert, the address of its link; each is on record before it can be sent.

        Of a message that tells several, those alone have one that ask for something, or that nobody
        has acknowledged in time.

        Raises:
            StorageUnavailable: they cannot be kept now.
        """
        if style.public_url is None or isinstance(over, PilotedChannel):
            # Whoever reads the pilot's messages is not whom they are meant for.
            return {}
        made: dict[int, str] = {}
        rows = []
        now = self._clock.now()
        for alert in await self._due(alerts):
            token = self._token()
            made[alert.id] = f"{style.public_url}{PATH}{token}"
            rows.append(
                Link(
                    digest=digest_of(token),
                    change_id=alert.change_id or 0,
                    alert_id=alert.id,
                    person=alert.person or "",
                    expires_at=now + OPEN_FOR,
                )
            )
        if rows:
            await self._store.transact(links.add, rows, now=now)
        return made

    async def _due(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Those that tell one person of a change that is not answered."""
        found = [alert for alert in alerts if self._is_to_one_person(alert)]
        if not found:
            return []
        numbers = {alert.change_id or 0 for alert in found}
        async with self._store.read() as connection:
            if len(alerts) > 1:
                awaited = await links.awaited(connection, numbers)
                return [alert for alert in found if alert.change_id in awaited]
            answered = await links.answered(connection, numbers)
        return [alert for alert in found if alert.change_id not in answered]

    def _is_to_one_person(self, alert: Alert) -> bool:
        if alert.kind not in OF_CASES or alert.person is None or alert.change_id is None:
            return False
        to = Addressee(target=alert.target, addressed_as=alert.addressed_as)
        return self._roster().is_one_person(alert.channel, to)


def with_link(lines: Iterable[Line], address: str | None) -> tuple[Line, ...]:
    """The lines with the link below the one that opens the case; as they are without an address."""
    given = tuple(lines)
    opens = [place for place, line in enumerate(given) if line.part is Part.LINK]
    if address is None or not opens:
        return given
    behind = opens[0] + 1
    link = Line(address, spare=_WORDS.spare, part=Part.ACKNOWLEDGE)
    return (*given[:behind], _WORDS, link, *given[behind:])


def recorded(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines as they are recorded."""
    return tuple(
        replace(line, text=_without_token(line.text)) if line.part is Part.ACKNOWLEDGE else line
        for line in lines
    )


def with_lines(message: Message, lines: Sequence[Line]) -> Message:
    """The message with other lines."""
    body = "\n".join(line.text for line in lines)
    return replace(message, lines=tuple(lines), body=body)


def _without_token(address: str) -> str:
    return f"{address[: address.rindex('/') + 1]}{HIDDEN}"
