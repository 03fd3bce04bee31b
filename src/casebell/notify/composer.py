"""Makes the messages of alerts, of what is stored about them.

Whatever is wrong with an event, its alert gets a message: a plain one, if no other can be made.
"""

from collections.abc import Mapping
from dataclasses import replace

from casebell.alerts import (
    OF_CASES,
    OPERATIONS,
    UNASSIGNED,
    Alert,
    AlertKind,
    Line,
    Message,
    Payload,
)
from casebell.clock import Clock
from casebell.errors import StorageUnavailable
from casebell.events import Case, Micros
from casebell.notify.channel import Policy
from casebell.notify.fallback import NO_CASE
from casebell.notify.headlines import ANY_CHANGE, CONFIDENTIAL, Headline, headline_of
from casebell.notify.ids import group_id, message_id, thread_id
from casebell.notify.links import recorded, with_lines, with_link
from casebell.notify.payload import payload_of
from casebell.notify.render import CaseFacts, Style, for_people, render_plain
from casebell.notify.render_group import (
    Quiet,
    render_digest,
    render_emptied,
    render_group,
    render_item,
    render_plain_item,
    render_quiet,
)
from casebell.notify.render_ops import render_ops
from casebell.notify.render_reminder import render_of_case
from casebell.ops_messages import Note, OfCase
from casebell.store import queries, subjects
from casebell.store.engine import Connection, Store
from casebell.store.own_keys import MESSAGES, existing_key, own_key
from casebell.telemetry import Log


async def headline_in(connection: Connection, event_id: int) -> Headline:
    """The headline of an event's change; of any change if the event cannot be read."""
    case = await subjects.case_of(connection, event_id)
    if case is not None and case.confidential:
        return CONFIDENTIAL
    known = await subjects.known_state_of(connection, event_id)
    if known is None:
        return ANY_CHANGE
    return headline_of(known.status, known.tags, known.flags, known.text)


class Composer:
    """Reads what an alert tells, and renders it.

    Each method raises StorageUnavailable where that cannot be read.
    """

    def __init__(self, *, store: Store, clock: Clock, log: Log) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        #: Of this database, for the ids of messages; None until one is needed.
        self._key: bytes | None = None

    async def one(
        self, alert: Alert, style: Style, *, link: str | None, payload: bool
    ) -> tuple[Message, Message, str]:
        """The message of an alert; the same for the record; and if it is plain, why.

        Args:
            link: by which its reader says that it was seen.
            payload: whether it carries the alert as JSON, too.
        """
        message, flaw = await self._render(alert, style)
        message = replace(message, id=message_id(alert, key=await self._own_key()))
        if payload:
            message = replace(message, payload=await self._payload(alert))
        if link is None:
            return message, message, flaw
        lines = with_link(message.lines, link)
        return with_lines(message, lines), with_lines(message, recorded(lines)), flaw

    async def together(
        self, alerts: tuple[Alert, ...], style: Style, *, links: Mapping[int, str]
    ) -> tuple[Message, tuple[Message, ...]]:
        """The message of several alerts; and for the record what of it told each.

        Who may read of one of them need not be somebody who may read of all.

        Args:
            links: by alert, by which its reader says that it was seen.
        """
        items = [with_link(await self._item(one, style), links.get(one.id)) for one in alerts]
        message = render_group(alerts, items, style)
        message = replace(message, id=group_id(alerts, key=await self._own_key()))
        told = (Message.of(message.title, recorded(item), urgent=False) for item in items)
        return message, tuple(told)

    async def digest(
        self, alerts: tuple[Alert, ...], policy: Policy, *, links: Mapping[int, str]
    ) -> tuple[Message, tuple[Message, ...]]:
        """The message of a digest with what waited for it; and for the record what told each.

        Args:
            alerts: the digest among them.
            links: as in `together`.
        """
        style = policy.style
        waited = [one for one in alerts if one.kind is not AlertKind.DIGEST]
        by_case: dict[str, list[Alert]] = {}
        for one in waited:
            by_case.setdefault((await self.case(one)).receipt, []).append(one)
        items = {
            one.id: with_link(await self._item(one, style), links.get(one.id))
            for of_case in by_case.values()
            for one in of_case
        }
        if items:
            message = render_digest(items.values(), style, cases=len(by_case))
        elif any(one.together for one in alerts):
            # It had some, which go by themselves: nobody may read that nothing happened.
            message = render_emptied(style)
        else:
            message = await self._quiet(alerts, policy)
        message = replace(message, id=group_id(alerts, key=await self._own_key()))
        # That of the digest itself tells of no case: more people may read it.
        own = message if not items else Message.of(message.title, message.lines[:1], urgent=False)
        told = (
            Message.of(message.title, recorded(items[one.id]), urgent=False)
            if one.id in items
            else own
            for one in alerts
        )
        return message, tuple(told)

    async def case(self, alert: Alert) -> Case:
        """The case of which an alert tells."""
        if alert.kind not in OF_CASES:
            return NO_CASE
        async with self._store.read() as connection:
            return await subjects.case_of(connection, alert.event_id or 0) or NO_CASE

    async def headline(self, alert: Alert) -> Headline:
        """The headline of a case alert; of any change if its event cannot be read."""
        async with self._store.read() as connection:
            return await headline_in(connection, alert.event_id or 0)

    async def _render(self, alert: Alert, style: Style) -> tuple[Message, str]:
        """The message; and if it is the plain one, the error for the record."""
        try:
            if alert.kind not in OF_CASES:
                return render_ops(await self._note(alert), may_repeat=alert.may_repeat), ""
            facts = await self._facts(alert)
            message = render_of_case(alert, facts, style, now=self._clock.now())
            if facts.case.confidential and alert.addressed_as in (UNASSIGNED, OPERATIONS):
                # A thread would lay it beside what was said of the case before.
                return message, ""
            thread = thread_id(facts.event.receipt, key=await self._own_key())
            return replace(message, thread=thread), ""
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind: the alert must be sent
            self._log.error("alert.render_failed", alert=alert.id, error=error)
            flaw = f"a plain message, for making it failed: {type(error).__name__}"
            return render_plain(alert, await self.headline(alert), style), flaw

    async def _note(self, alert: Alert) -> Note | None:
        """What operations are told; of a case that is confidential by now, nothing of it."""
        if not isinstance(alert.note, OfCase):
            return alert.note
        async with self._store.read() as connection:
            case = await subjects.case_of(connection, alert.note.event)
        return alert.note.hushed() if case and case.confidential else alert.note

    async def _item(self, alert: Alert, style: Style) -> tuple[Line, ...]:
        """What a message of several says of this one."""
        try:
            facts = await self._facts(alert)
            return render_item(alert, facts, style, now=self._clock.now())
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind: the others must be sent
            self._log.error("alert.render_failed", alert=alert.id, error=error)
            return render_plain_item(alert, await self.headline(alert), style)

    async def _quiet(self, alerts: tuple[Alert, ...], policy: Policy) -> Message:
        """What a digest says for which nothing waited."""
        since, now = min(one.created_at for one in alerts), self._clock.now()
        async with self._store.read() as connection:
            last = await queries.last_deliveries(connection, policy.sources)
            waiting = await queries.backlog(connection)
        digest, zone = policy.hours.digest, policy.style.timezone

        def in_words(at: Micros) -> str:
            return digest.calendar.in_words(at, now=now) if digest else for_people(at, zone)

        quiet = Quiet(
            since=in_words(since),
            last_deliveries={
                name: in_words(last[name]) if name in last else None for name in policy.sources
            },
            held=waiting["held"],
            undecided=waiting["unrouted"],
        )
        may_repeat = any(one.may_repeat for one in alerts)
        return render_quiet(quiet, policy.style, may_repeat=may_repeat)

    async def _payload(self, alert: Alert) -> Payload | None:
        """The alert for a program; None if it cannot be made, which the channel reports."""
        try:
            key = await self._own_key()
            async with self._store.read() as connection:
                return await payload_of(connection, alert, key=key)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind: the attempt must have a result
            self._log.error("alert.render_failed", alert=alert.id, error=error)
            return None

    async def _own_key(self) -> bytes:
        if self._key is None:
            async with self._store.read() as connection:
                self._key = await existing_key(connection, MESSAGES)
        if self._key is None:
            self._key = await self._store.transact(own_key, name=MESSAGES)
        return self._key

    async def _facts(self, alert: Alert) -> CaseFacts:
        event_id = alert.event_id or 0
        async with self._store.read() as connection:
            event, case, current = await subjects.event_with_case(connection, event_id)
        return CaseFacts(event_id=event_id, event=event, case=case, current_status=current)
