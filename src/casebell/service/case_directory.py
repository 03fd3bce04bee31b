"""What can be done to what the firm says of its cases: a list imported, a case edited."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from casebell.actors import SERVER, Actor, Right
from casebell.case_file import Column, Facts, Row
from casebell.case_file.cells import MAX_CHARACTERS, CellError, fact_of
from casebell.clock import Clock
from casebell.errors import BadArgument, Forbidden
from casebell.events import Micros
from casebell.people.identity import People
from casebell.service import Verb
from casebell.service.cases import Case, Present, no_such_case
from casebell.service.done import CasesImported, CasesPut, LineLeftOut
from casebell.service.filters import receipt_number
from casebell.service.importing import ROWS_A_WRITE, carry_out
from casebell.store import case_directory, cases, journal
from casebell.store.case_directory import CaseSaid
from casebell.store.engine import Connection, Store

#: What decides who hears of a case and who sees it: on record with what it was and is, and of a
#: confidential case for its owner and admins alone.
GUARDED = (Column.CONFIDENTIAL, Column.OWNER, Column.OWNER_EMAIL, Column.TEAM)
#: Of these only that it was changed is on record: they may name a client.
_ON_RECORD = (Column.CONFIDENTIAL, Column.OWNER, Column.TEAM)
_GUARDED = "The case is confidential: its owner or an admin says who hears of it."
_HIDDEN = "This case can be changed by its owner, its team or an admin only."


@dataclass(kw_only=True, slots=True)
class _Judged:
    """What some rows would come to."""

    #: By receipt number: two rows of one case are one.
    rows: dict[str, CaseSaid] = field(default_factory=dict[str, CaseSaid])
    entries: list[journal.Entry] = field(default_factory=list[journal.Entry])
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[LineLeftOut] = field(default_factory=list[LineLeftOut])

    def answer(self) -> CasesPut:
        """As JSON."""
        return {
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "problems": self.problems,
        }


class CaseDirectory:
    """The verbs.

    Args:
        people: returns who can be told by name.
    """

    def __init__(self, *, store: Store, clock: Clock, people: Callable[[], People] = dict) -> None:
        self._store = store
        self._clock = clock
        self._people = people

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "set_case": self.set_case,
            "import_cases": self.import_cases,
            "put_cases": self.put_cases,
            "record_import": self.record_import,
        }

    async def import_cases(
        self, *, content: bytes, dry_run: bool = False, actor: Actor
    ) -> CasesImported:
        """Import a list of cases; the rows that can be understood.

        Args:
            content: the bytes of a CSV.
            dry_run: say what it would come to, and change nothing.

        Raises:
            UnusableCaseFile: it is no list of cases.
        """
        put = partial(self._put, dry_run=dry_run, actor=actor)
        one = await carry_out(content, put=put, dry_run=dry_run)
        answer: Any = one.answer()
        if not dry_run:
            await self.record_import(figures=one.figures(), actor=actor)
        imported: CasesImported = answer
        return imported

    async def put_cases(
        self,
        *,
        rows: Sequence[Mapping[str, Any]],
        dry_run: bool = False,
        actor: Actor,
    ) -> CasesPut:
        """Put rows that were read elsewhere; `record_import` sums them up.

        Args:
            rows: each with `line`, `receipt` and `facts`.
            dry_run: say what they would come to, and change nothing.

        Raises:
            BadArgument: there are too many, or they are none.
        """
        try:
            given = msgspec.convert(rows, list[Row])
        except msgspec.ValidationError:
            raise BadArgument("These are no rows of cases.", argument="rows") from None
        if len(given) > ROWS_A_WRITE:
            raise BadArgument(f"Put at most {ROWS_A_WRITE} rows at a time.", argument="rows")
        return await self._put(given, dry_run=dry_run, actor=actor)

    async def record_import(self, *, figures: Mapping[str, Any], actor: Actor) -> Mapping[str, Any]:
        """Put on record that somebody imported a list; nothing where it changed nothing."""
        if figures["new"] or figures["changed"]:
            entry = journal.Entry.of(
                actor,
                at=self._clock.now(),
                kind="cases.imported",
                subject="cases",
                data=figures,
            )
            await self._store.transact(journal.append, [entry])
        return figures

    async def _put(self, rows: Sequence[Row], *, dry_run: bool, actor: Actor) -> CasesPut:
        now = self._clock.now()
        if dry_run:
            async with self._store.read() as connection:
                return (await _judge(connection, rows, actor=actor, now=now)).answer()

        async def write(connection: Connection) -> CasesPut:
            judged = await _judge(connection, rows, actor=actor, now=now)
            await case_directory.put(connection, list(judged.rows.values()))
            await journal.append(connection, judged.entries)
            return judged.answer()

        return await self._store.transact(write)

    async def set_case(
        self, *, receipt: str, facts: Mapping[str, str | bool], actor: Actor
    ) -> Case:
        """Change what the firm says of a case: only the facts that are named.

        Args:
            receipt: in any spelling.
            facts: by the names of the columns of a list; "" or "-" clears a text.

        Raises:
            BadArgument: it is no receipt number, or a fact cannot be understood.
            NotFound: there is no such case that the actor may see.
            Forbidden: it is not the actor's to change.
        """
        number = receipt_number(receipt)
        meant = _understood(facts)
        now = self._clock.now()

        async def write(connection: Connection) -> Case:
            before = (await case_directory.find(connection, [number])).get(number)
            if before is None or not _may_see(actor, before):
                raise no_such_case()
            if not may_edit(actor, owner=before.owner, team=before.team):
                raise Forbidden("This case is neither yours nor one of your teams'.")
            said, changed = _change(before, number, meant, now=now)
            if _is_guarded(before, changed, actor):
                raise Forbidden(_GUARDED)
            if changed or before.listed_at is None:
                entry = _entry(before, said, changed, actor=actor, now=now)
                await case_directory.put(connection, [said])
                await journal.append(connection, [entry])
            # Whoever has marked it confidential may not see it any more.
            row = await cases.find(connection, number, seen_by=SERVER)
            present = await Present.of(connection, [row], people=self._people())
            return present.case(row)

        return await self._store.transact(write)


def _understood(facts: Mapping[str, str | bool]) -> Facts:
    """The facts of a case as they are kept.

    Raises:
        BadArgument: one is unknown, too long, or cannot be understood.
    """
    known = [column for column in Column if column is not Column.RECEIPT]
    if not facts:
        raise BadArgument(f"Name what is to be changed: {', '.join(known)}.")
    meant: dict[Column, str | bool] = {}
    for name, text in facts.items():
        if name not in known:
            raise BadArgument(f"A case has {', '.join(known)}, and nothing else.", argument=name)
        meant[Column(name)] = _fact(Column(name), text)
    return meant


def _fact(column: Column, given: str | bool) -> str | bool:
    if isinstance(given, bool) and column is not Column.CONFIDENTIAL:
        raise BadArgument("Write a text.", argument=column)
    if isinstance(given, bool):
        return given
    if column is not Column.CONFIDENTIAL and len(given) > MAX_CHARACTERS[column]:
        raise BadArgument(f"Write at most {MAX_CHARACTERS[column]} characters.", argument=column)
    try:
        fact = fact_of(column, given)
    except CellError as error:
        raise BadArgument(str(error), argument=column) from None
    # An empty text says nothing in a list; here it was named.
    return bool(fact) if column is Column.CONFIDENTIAL else fact or ""


async def _judge(
    connection: Connection, rows: Sequence[Row], *, actor: Actor, now: Micros
) -> _Judged:
    """What rows would come to: those to be written, and those that are left out."""
    judged = _Judged()
    receipts = {row.receipt for row in rows}
    known = await case_directory.find(connection, receipts)
    for row in rows:
        before = judged.rows.get(row.receipt) or known.get(row.receipt)
        facts = _without_lifting(row.facts, before) if actor == SERVER else row.facts
        said, changed = _change(before, row.receipt, facts, now=now)
        is_new = before is None or before.listed_at is None
        if before is not None and not _may_see(actor, before):
            # Whatever it says: that a row changes nothing would tell what is there.
            judged.problems.append({"line": row.line, "reason": _HIDDEN})
        elif before is not None and _is_guarded(before, changed, actor):
            judged.problems.append({"line": row.line, "reason": _GUARDED})
        elif is_new or changed:
            judged.new += is_new
            judged.changed += not is_new
            judged.rows[row.receipt] = said
            judged.entries.append(_entry(before, said, changed, actor=actor, now=now))
        else:
            judged.unchanged += 1
    return judged


def _without_lifting(facts: Facts, before: CaseSaid | None) -> Facts:
    """The facts of a list that nobody looks at: they make cases confidential, and none open.

    Practice software writes "no" for every case that it does not know to be.
    """
    lifts = before is not None and before.confidential and Column.CONFIDENTIAL in facts
    return {**facts, Column.CONFIDENTIAL: True} if lifts else facts


def _change(
    before: CaseSaid | None, receipt: str, facts: Facts, *, now: Micros
) -> tuple[CaseSaid, Sequence[Column]]:
    """The row with the facts, and which of them it did not have."""
    present = before or CaseSaid(receipt=receipt, updated_at=now, listed_at=None)
    changed = [column for column, fact in facts.items() if present.fact(column) != fact]
    return present.with_facts(facts, now=now), changed


def may_edit(actor: Actor, *, owner: str, team: str) -> bool:
    """Whether an actor may change what the firm says of a case that it sees."""
    own = actor.owns(owner) or actor.is_of(team)
    return actor.may(Right.EDIT_CASES) or (own and actor.may(Right.OWN_CASES))


def may_say_who_hears(actor: Actor, *, owner: str, confidential: bool) -> bool:
    """Whether this may also be who hears of the case, and who sees it."""
    return not confidential or actor.owns(owner) or actor.may(Right.CONFIDENTIAL)


def may_see(actor: Actor, *, confidential: bool, owner: str, team: str) -> bool:
    """Whether an actor may see a case: `store/sight.py` has the same as SQL."""
    own = actor.owns(owner) or actor.is_of(team)
    return not confidential or own or actor.may(Right.CONFIDENTIAL)


def _may_see(actor: Actor, case: CaseSaid) -> bool:
    return may_see(actor, confidential=case.confidential, owner=case.owner, team=case.team)


def _is_guarded(before: CaseSaid, changed: Sequence[Column], actor: Actor) -> bool:
    """Whether a change of a confidential case is for its owner and admins alone."""
    free = may_say_who_hears(actor, owner=before.owner, confidential=before.confidential)
    return not free and any(column in GUARDED for column in changed)


def _entry(
    before: CaseSaid | None,
    said: CaseSaid,
    changed: Sequence[Column],
    *,
    actor: Actor,
    now: Micros,
) -> journal.Entry:
    """What goes on record of a change."""
    told = [column for column in changed if column in _ON_RECORD]
    was = {column.value: before.fact(column) for column in told} if before else {}
    return journal.Entry.of(
        actor,
        at=now,
        kind="case.set",
        subject=f"case:{said.receipt}",
        data={
            "changed": sorted(column.value for column in changed),
            "new": before is None or before.listed_at is None,
            "was": was,
            "is": {column.value: said.fact(column) for column in told},
        },
    )
