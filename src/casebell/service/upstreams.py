"""How the provider's APIs stand: reachable, what they may be asked, what they track, what fails.

The keys of the values are those of docs/contract.md.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import Clock, iso, iso_or_none
from casebell.errors import CasebellError
from casebell.networks import host_of
from casebell.service import Verb, done
from casebell.service.registering import case_problem
from casebell.service.upstream_names import upstream_named
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings
from casebell.shapes import described
from casebell.store import reconciliations, registrations, subscriptions, tracked
from casebell.store.engine import Store
from casebell.upstream.asking import Patience
from casebell.upstream.connections import Connections
from casebell.upstream.parley import ParleyClient
from casebell.upstream.told import CaseProblem

#: Seconds that a look at an API may take: a page waits for it.
LOOK = 3.0
#: Cases that are shown of those that fail.
SHOWN = 5


@described
class Failing(TypedDict):
    """Cases of which an API could not be asked."""

    count: int
    cases: list[done.CaseProblem]
    """The first of them."""


@described
class SubscriptionMade(TypedDict):
    """A subscription that was made here; the API has no list of them."""

    id: str | None
    """The API's; null where it has not answered yet."""
    url: str
    events: list[str]
    created_at: str | None
    begun_at: str
    begun_by: str


@described
class Requests(TypedDict):
    """What an API may be asked."""

    left_today: int
    """For all servers together, until 00:00 GMT."""
    per_day: int
    per_minute: int


@described
class LastReconciliation(TypedDict):
    """The reconciliation that began last."""

    began_at: str
    began_by: str
    ended_at: str | None
    """Null while it goes on, or waits."""
    checked: int
    found: int
    """Changes that no webhook had delivered."""
    failed: int
    remaining: int
    waits: str | None
    """Why it does not go on now, as a sentence."""
    waits_until: str | None


@described
class Upstream(TypedDict):
    """An API of the provider."""

    name: str
    kind: str
    source: str
    host: str
    reachable: bool | None
    """Null where it was not asked."""
    trouble: str | None
    """Why it is not reachable, as a sentence."""
    requests: Requests
    registers: bool
    """Whether it takes registrations and subscriptions."""
    unregistered: int | None
    """Cases that are not registered; null where it takes no registrations."""
    failing: Failing
    reconciliation: LastReconciliation | None
    """Null where there was none yet."""
    subscriptions: list[SubscriptionMade]


class Upstreams:
    """The verb.

    Args:
        settings: returns those in force.
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
        return {"list_upstreams": self.list_upstreams}

    async def list_upstreams(
        self, *, name: str | None = None, ask: bool = True, actor: Actor
    ) -> list[Upstream]:
        """The APIs of the configuration, in its order.

        Args:
            name: only this one.
            ask: whether each is asked if it is there, for three seconds at most.

        Raises:
            NotFound: there is none of this name.
        """
        settings = self._settings()
        chosen = (
            list(settings.upstream.values()) if name is None else [upstream_named(settings, name)]
        )
        found = await asyncio.gather(*(self._trouble(one) for one in chosen if ask))
        troubles: Sequence[str | None] = found if ask else [None] * len(chosen)
        return [
            await self._one(one, asked=ask, trouble=trouble, actor=actor)
            for one, trouble in zip(chosen, troubles, strict=True)
        ]

    async def _trouble(self, upstream: UpstreamSettings) -> str | None:
        """Why an API cannot be reached, as a sentence; None where it can."""
        once = Patience(tries=1)
        try:
            async with (
                asyncio.timeout(LOOK),
                self._connections.open(upstream, patience=once) as client,
            ):
                if isinstance(client, ParleyClient):
                    await client.health()
                # That proves no token, and Torch has no such question: it is asked of a case.
                async with self._store.read() as connection:
                    tests = self._settings().routing.test_receipts
                    receipt = await registrations.any_case(connection, tests=tests)
                said = await client.statuses([receipt]) if receipt else {}
        except TimeoutError:
            return f"{host_of(upstream.base)} does not answer within {LOOK:.0f} seconds."
        except CasebellError as error:
            return error.message
        problems = [one.message for one in said.values() if isinstance(one, CaseProblem)]
        return problems[0] if problems else None

    async def _one(
        self, upstream: UpstreamSettings, *, asked: bool, trouble: str | None, actor: Actor
    ) -> Upstream:
        registers = upstream.kind == "parley"
        tests = self._settings().routing.test_receipts
        left = await self._connections.budget(upstream).left()
        async with self._store.read() as connection:
            unregistered = (
                await registrations.count_unregistered(connection, upstream.name, tests=tests)
                if registers
                else None
            )
            fail = await registrations.failing(connection, upstream.name, limit=SHOWN)
            count = await registrations.count_failing(connection, upstream.name)
            made = await subscriptions.every(connection, upstream.name)
            run = await reconciliations.latest(connection, upstream.name)
            goes_on = run is not None and run.ended_at is None
            remaining = (
                await tracked.count_left(connection, upstream.name, before=run.takes_before)
                if run is not None and goes_on
                else 0
            )
        return {
            "name": upstream.name,
            "kind": upstream.kind,
            "source": upstream.source,
            "host": host_of(upstream.base),
            "reachable": trouble is None if asked else None,
            "trouble": trouble,
            "requests": {
                "left_today": left,
                "per_day": upstream.per_day,
                "per_minute": upstream.per_minute,
            },
            "registers": registers,
            "unregistered": unregistered,
            "failing": {
                "count": count,
                "cases": [case_problem(row, row.problem, actor=actor) for row in fail],
            },
            "reconciliation": None if run is None else _last(run, remaining=remaining),
            "subscriptions": [_made(row) for row in made],
        }


def _last(run: Any, *, remaining: int) -> LastReconciliation:
    return {
        "began_at": iso(run.began_at),
        "began_by": run.began_by,
        "ended_at": iso_or_none(run.ended_at),
        "checked": run.checked,
        "found": run.found,
        "failed": run.failed,
        "remaining": remaining,
        "waits": run.waits,
        "waits_until": iso_or_none(run.waits_until),
    }


def _made(row: Any) -> SubscriptionMade:
    return {
        "id": row.subscription,
        "url": row.url,
        "events": row.events.split(),
        "created_at": iso_or_none(row.created_at),
        "begun_at": iso(row.begun_at),
        "begun_by": row.begun_by,
    }
