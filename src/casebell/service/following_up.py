"""What people say of a change once it was told: it is seen, due on a date, answered."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import SECOND, Clock
from casebell.errors import BadArgument, NotFound, Refusal
from casebell.events import Micros
from casebell.followup.due import next_reminder
from casebell.json_text import UNSTORABLE
from casebell.service import Verb
from casebell.service.cases import no_such_case
from casebell.service.filters import receipt_number
from casebell.service.followed import owed
from casebell.settings import Settings
from casebell.shapes import Owed, described
from casebell.store import acknowledgements, cases, queries, queue_by_hand, queue_list
from casebell.store.engine import Connection, Store

#: Characters of a note.
MAX_NOTE = 500
#: The first year that a notice can name, and years from today that it cannot be beyond.
FIRST_YEAR = 2000
MAX_YEARS = 5
#: Years from today beyond which it is asked whether that is meant.
LONG = 2
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@described
class Acknowledged(TypedDict):
    """The changes of a case that somebody has seen."""

    receipt: str
    changes: list[int]
    new: list[int]
    """Of these, those of which the same actor had not said the same before."""


@described
class OwedNow(Owed):
    """What is owed of a change, after somebody said something of it."""

    receipt: str
    change: int


@described
class DueSet(OwedNow):
    """The same of a date."""

    question: str | None
    """What to look at again, where the date is an unlikely one; it is kept as it is."""


class FollowingUp:
    """The verbs; each is on record with who it was.

    Args:
        settings: those in force.
    """

    def __init__(self, *, store: Store, settings: Callable[[], Settings], clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "acknowledge": self.acknowledge,
            "set_due": self.set_due,
            "mark_answered": self.mark_answered,
        }

    async def acknowledge(
        self, *, receipt: str, change: int | None = None, note: str = "", actor: Actor
    ) -> Acknowledged:
        """Say that one has seen every open change of a case, and end its escalations.

        Open is what asks for something and is not answered, or is being escalated; where nothing
        is, the present change is meant.

        Args:
            receipt: in any spelling.
            change: this one alone.
            note: for those who may see the case.

        Raises:
            BadArgument: it is no receipt number, or the note is too long.
            NotFound: there is no such case that the actor may see, or no such change of it.
            Refusal: nothing was received of the case.
        """
        number, said = receipt_number(receipt), note_of(note)
        now = self._clock.now()

        async def write(connection: Connection) -> Acknowledged:
            row = await _case(connection, number, actor)
            meant = [change] if change is not None else await _open_changes(connection, row)
            if change is not None:
                await _see_that_it_is_of(connection, change, number)
            new = await acknowledgements.acknowledge(
                connection, meant, actor=actor, note=said, now=now
            )
            return {"receipt": number, "changes": meant, "new": new}

        return await self._store.transact(write)

    async def set_due(
        self,
        *,
        receipt: str,
        date: str | None,
        change: int | None = None,
        was: str | None = None,
        actor: Actor,
    ) -> DueSet:
        """Keep the date that a notice sets, as a person typed it; None clears it.

        A second person who types the same date confirms it. Another date is unconfirmed again.

        Args:
            receipt: in any spelling.
            date: such as `2026-12-24`.
            change: which change it is of. By default the latest open one of the case that owes an
                answer, or else the latest open one.
            was: the date that stood there when it was typed; "" for none. Where another stands
                there by now, nothing is changed.

        Raises:
            BadArgument: it is no receipt number, or no date that a notice can have.
            NotFound: there is no such case that the actor may see, or no such change of it.
            Refusal: nothing is open that could be due, or somebody else changed the date meanwhile.
        """
        number, now = receipt_number(receipt), self._clock.now()
        zone = ZoneInfo(self._settings().server.timezone)
        today = datetime.fromtimestamp(now / SECOND, UTC).astimezone(zone).date()
        typed = None if date is None else date_of(date, today=today)

        async def write(connection: Connection) -> DueSet:
            await _case(connection, number, actor)
            row = await _meant(connection, number, change)
            if row.answered_at is not None:
                raise Refusal(
                    f"Change {row.change_id} is answered, so nothing is due any more.",
                    hint=f"`casebell cases answered {number} --change {row.change_id} --undo` "
                    "takes that back.",
                )
            if was is not None and was != (row.due or ""):
                there = f"the date is {row.due}" if row.due else "no date is there"
                raise Refusal(f"Somebody changed the date meanwhile: {there} now.")
            remind_at = next_reminder(typed, after=now, zone=zone) if typed else None
            await _keep_date(connection, row, typed, remind_at=remind_at, now=now, actor=actor)
            after = await self._owed(connection, row)
            return {**after, "question": _question(typed, today=today) if typed else None}

        return await self._store.transact(write)

    async def mark_answered(
        self, *, receipt: str, change: int | None = None, undo: bool = False, actor: Actor
    ) -> OwedNow:
        """Say that an answer went out, or that nothing remains to be done; or take that back.

        Args:
            receipt: in any spelling.
            change: which change is answered. By default the open one of the case, if it is the only
                one; of `undo`, the last one of which a person said so.
            undo: take it back: the change is in the queue again, and what told people of it goes
                on.

        Raises:
            BadArgument: it is no receipt number.
            NotFound: there is no such case that the actor may see, or no such change of it.
            Refusal: nothing of the case is open, or more than one change is; of `undo`, nothing is
                answered.
        """
        number, now = receipt_number(receipt), self._clock.now()
        zone = ZoneInfo(self._settings().server.timezone)

        async def write(connection: Connection) -> OwedNow:
            await _case(connection, number, actor)
            if undo:
                row = await _answered(connection, number, change)
                due = row.due and date.fromisoformat(row.due)
                await queue_by_hand.reopen(
                    connection,
                    row.change_id,
                    remind_at=next_reminder(due, after=now, zone=zone) if due else None,
                    was=row.answered_by,
                    since=row.answered_at,
                    now=now,
                    actor=actor,
                )
            else:
                row = await _meant(connection, number, change, alone=True)
                if row.answered_at is None:
                    await queue_by_hand.answer(connection, row.change_id, now=now, actor=actor)
            return await self._owed(connection, row)

        return await self._store.transact(write)

    async def _owed(self, connection: Connection, row: Any) -> OwedNow:
        after = await queue_list.find(connection, row.change_id)
        people = self._settings().people
        return {"receipt": row.receipt, "change": row.change_id, **owed(after, people)}


def note_of(text: str) -> str:
    """A note as it is kept.

    Raises:
        BadArgument: it is too long, or no text that a database takes.
    """
    note = text.strip()
    if len(note) > MAX_NOTE:
        raise BadArgument(f"A note has at most {MAX_NOTE} characters.", argument="note")
    if UNSTORABLE.search(note):
        raise BadArgument("This is no text that can be stored.", argument="note")
    return note


def date_of(text: str, *, today: date) -> date:
    """The date that somebody typed from a notice.

    Raises:
        BadArgument: it is none, or none that a notice can have.
    """
    if not _DATE.fullmatch(text):
        raise BadArgument('Write a date, such as "2026-12-24".', argument="date")
    try:
        typed = date.fromisoformat(text)
    except ValueError:
        raise BadArgument(f"There is no such day: {text}.", argument="date") from None
    if typed.year < FIRST_YEAR or typed > today + timedelta(days=366 * MAX_YEARS):
        raise BadArgument(
            f"No notice sets this date: {text} is before {FIRST_YEAR}, or more than {MAX_YEARS} "
            "years away.",
            argument="date",
        )
    return typed


def who_it_is(actor: Actor) -> str:
    """Who somebody is: two of whom this is the same cannot confirm each other's dates."""
    return actor.person or actor.name


def _question(typed: date, *, today: date) -> str | None:
    if typed < today:
        return f"{typed} is over. Is it the date in the notice?"
    if typed > today + timedelta(days=365 * LONG):
        return f"{typed} is more than {LONG} years away. Is it the date in the notice?"
    return None


async def _case(connection: Connection, number: str, actor: Actor) -> Any:
    row = await cases.find(connection, number, seen_by=actor)
    if row is None:
        raise no_such_case()
    return row


async def _see_that_it_is_of(connection: Connection, change: int, number: str) -> None:
    found = await queries.find_change(connection, change)
    if found is None or found.receipt != number:
        raise NotFound(
            f"Case {number} has no change {change}.",
            hint=f"`casebell cases show {number}` shows its changes.",
        )


async def _open_changes(connection: Connection, case: Any) -> list[int]:
    asked = await queue_list.asked_of(connection, case.receipt)
    found = {row.change_id for row in asked if row.answered_at is None}
    found.update(await queue_list.escalating(connection, case.receipt))
    if not found and case.change_id is None:
        raise Refusal("Nothing was received of this case, so there is nothing to acknowledge.")
    return sorted(found or {case.change_id})


async def _meant(
    connection: Connection, number: str, change: int | None, *, alone: bool = False
) -> Any:
    """What is asked of the case that is meant.

    Args:
        alone: whether it must be named where more than one is open: who says twice that an answer
            went out, as after a lost connection, must not close what another notice asked.
    """
    asked = await queue_list.asked_of(connection, number)
    if change is not None:
        await _see_that_it_is_of(connection, change, number)
        for row in asked:
            if row.change_id == change:
                return row
        raise Refusal(f"Change {change} asks for nothing, so it is not in the queue.")
    found = [row for row in asked if row.answered_at is None]
    if not found:
        raise Refusal("Nothing of this case is open: it is not in the queue.")
    if alone and len(found) > 1:
        numbers = ", ".join(str(row.change_id) for row in found)
        raise Refusal(
            f"More than one change of this case is open: {numbers}.",
            hint="Say which one with `--change`, or `change` in a request.",
        )
    return next((row for row in found if row.deadline), found[0])


async def _answered(connection: Connection, number: str, change: int | None) -> Any:
    """What is answered, of which that is taken back."""
    if change is not None:
        row = await _meant(connection, number, change)
        if row.answered_at is None:
            raise Refusal(f"Change {change} is not answered.")
        return row
    asked = await queue_list.asked_of(connection, number)
    by_people = [
        row for row in asked if row.answered_by and not row.answered_by.startswith("change:")
    ]
    if not by_people:
        raise Refusal("Nobody said of a change of this case that it is answered.")
    return max(by_people, key=lambda row: row.answered_at)


async def _keep_date(
    connection: Connection,
    row: Any,
    typed: date | None,
    *,
    remind_at: Micros | None,
    now: Micros,
    actor: Actor,
) -> None:
    by = who_it_is(actor)
    if typed is None:
        if row.due is not None:
            await queue_by_hand.clear_due(
                connection, row.change_id, was=row.due, now=now, actor=actor
            )
    elif row.due != typed.isoformat():
        await queue_by_hand.enter_due(
            connection,
            row.change_id,
            typed,
            by=by,
            remind_at=remind_at,
            was=row.due,
            now=now,
            actor=actor,
        )
    elif row.due_confirmed_at is None and row.due_by != by:
        await queue_by_hand.confirm_due(
            connection, row.change_id, typed, by=by, now=now, actor=actor
        )
