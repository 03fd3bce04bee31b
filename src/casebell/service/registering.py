"""Registers the cases of the directory with an API: a piece at a time, so that each can be told.

    choose → ask → record       a batch, in one transaction

A batch carries a key that follows from its content. So whoever was cut off between asking and
recording asks for the same again, and the API repeats its answer.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casebell.actors import Actor
from casebell.clock import Clock
from casebell.errors import UpstreamRefused
from casebell.json_text import canonical
from casebell.service import Verb
from casebell.service.case_directory import may_see
from casebell.service.done import CaseProblem, CasesRegistered
from casebell.service.upstream_names import NotOffered, upstream_named
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings
from casebell.store import registrations
from casebell.store.engine import Store
from casebell.upstream.connections import Connections
from casebell.upstream.parley import ParleyClient
from casebell.upstream.told import NewReceipt
from casebell.uscis.receipts import is_test, mask

#: Seconds after which a piece begins no further batch: whoever asked is told how far it is.
PIECE = 2.0
#: Answers that say that something in the request is wrong, as a case may be.
INVALID = (400, 413, 422)
#: Cases that are refused one by one before the refusal is held to be of something else.
MAX_REFUSED = 8
_UNNAMED = "The API named it neither as registered nor as known."


@dataclass(kw_only=True, slots=True)
class _Told:
    """What an API said of some cases."""

    registered: set[str] = field(default_factory=set[str])
    already: set[str] = field(default_factory=set[str])
    #: Why others are not registered, as sentences.
    problems: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, other: "_Told") -> None:
        """What it said of others, too."""
        self.registered |= other.registered
        self.already |= other.already
        self.problems |= other.problems


@dataclass(kw_only=True, slots=True)
class _Piece:
    """What a piece came to so far."""

    #: Cases that are passed over: those with problems.
    skip: int
    registered: int = 0
    already: int = 0
    problems: list[CaseProblem] = field(default_factory=list[CaseProblem])

    def add(self, told: _Told, chosen: Sequence[Any], *, actor: Actor) -> None:
        """What became of a batch."""
        self.registered += len(told.registered)
        self.already += len(told.already)
        self.skip += len(told.problems)
        for case in chosen:
            if case.receipt in told.problems:
                self.problems.append(case_problem(case, told.problems[case.receipt], actor=actor))


class Registering:
    """The verb.

    Args:
        settings: returns those in force.
        connections: opens clients.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        connections: Connections,
        clock: Clock,
    ) -> None:
        self._store = store
        self._settings = settings
        self._connections = connections
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"register_cases": self.register_cases}

    async def register_cases(
        self, *, name: str, skip: int = 0, dry_run: bool = False, actor: Actor
    ) -> CasesRegistered:
        """Register the next cases that an API does not track yet, for about two seconds.

        Args:
            name: of the API in the configuration.
            skip: how many problems the pieces before had: these cases are not tried again.
            dry_run: say how many there are, and ask the API nothing.

        Raises:
            NotFound: there is no such API.
            NotOffered: it takes no registrations.
            UpstreamError: it could not be asked; what it had answered before is kept.
        """
        upstream = upstream_named(self._settings(), name)
        if upstream.kind != "parley":
            raise NotOffered(
                f"The API of {name} takes no registrations: Torch reads any case that it is "
                "asked about.",
                hint="To have webhooks for your cases, ask your Parley contact.",
            )
        piece = _Piece(skip=skip)
        if not dry_run:
            ends = self._clock.monotonic() + PIECE
            async with self._connections.parley(upstream) as client:
                while await self._batch(upstream, client, piece, actor=actor):
                    if self._clock.monotonic() >= ends:
                        break
        tests = self._settings().routing.test_receipts
        async with self._store.read() as connection:
            left = await registrations.count_unregistered(connection, name, tests=tests)
        return {
            "upstream": name,
            "dry_run": dry_run,
            "registered": piece.registered,
            "already": piece.already,
            "problems": piece.problems,
            "remaining": max(left - piece.skip, 0),
            "done": not dry_run and left <= piece.skip,
        }

    async def _batch(
        self, upstream: UpstreamSettings, client: ParleyClient, piece: "_Piece", *, actor: Actor
    ) -> bool:
        """Register one batch; whether there was one."""
        chosen = await self._next(upstream, skip=piece.skip)
        if not chosen:
            return False
        told = await _asked(client, upstream, chosen)
        await self._store.transact(
            registrations.record,
            upstream.name,
            registered=told.registered,
            already=told.already,
            problems=told.problems,
            now=self._clock.now(),
            actor=actor,
        )
        piece.add(told, chosen, actor=actor)
        return True

    async def _next(self, upstream: UpstreamSettings, *, skip: int) -> Sequence[Any]:
        """The next cases, as many as one request takes; none of a test."""
        tests = self._settings().routing.test_receipts
        wanted = skip + upstream.batch
        found: list[Any] = []
        after = ""
        while len(found) < wanted:
            async with self._store.read() as connection:
                rows = await registrations.unregistered(
                    connection, upstream.name, after=after, limit=wanted
                )
            found += [row for row in rows if not is_test(row.receipt, tests)]
            if len(rows) < wanted:
                break
            after = rows[-1].receipt
        return found[skip:wanted]


async def _asked(client: ParleyClient, upstream: UpstreamSettings, chosen: Sequence[Any]) -> _Told:
    """What an API says of these cases.

    A batch that it refuses is halved: one case that it does not take must not keep the others.
    """
    told = _Told()
    waiting = [chosen]
    while waiting:
        some = waiting.pop()
        receipts = [_as_sent(case, upstream) for case in some]
        try:
            answer = await client.register(receipts, key=key_of(upstream.name, receipts))
        except UpstreamRefused as error:
            if error.status not in INVALID:
                raise
            if len(some) > 1:
                half = len(some) // 2
                waiting += [some[half:], some[:half]]
                continue
            told.problems[some[0].receipt] = error.message
            if len(told.problems) == MAX_REFUSED and not told.registered:
                raise
            continue
        asked = {case.receipt for case in some}
        one = _Told(registered=asked & {*answer.registered}, already=asked & {*answer.already})
        one.problems = dict.fromkeys(asked - one.registered - one.already, _UNNAMED)
        told.add(one)
    return told


def _as_sent(case: Any, upstream: UpstreamSettings) -> NewReceipt:
    """A case as the API is told of it: of a confidential one nothing but its number."""
    label = case.label if upstream.labels and not case.confidential else ""
    return NewReceipt(receipt=case.receipt, label=label)


def key_of(upstream: str, receipts: Sequence[NewReceipt]) -> str:
    """The Idempotency-Key of a batch: SHA-256 of its content in lower-case hex.

    Parley's page, "Base URL, versioning, and idempotency".
    """
    content = [upstream, [[one.receipt, one.label] for one in receipts]]
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def case_problem(case: Any, problem: str, *, actor: Actor) -> CaseProblem:
    """A case of which an API could not be asked; masked where the actor may not see it."""
    shown = may_see(actor, confidential=bool(case.confidential), owner=case.owner, team=case.team)
    return {"receipt": case.receipt if shown else mask(case.receipt), "problem": problem}
