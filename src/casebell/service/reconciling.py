"""Reconciling by hand: a piece of the work for each call, so that its end loses nothing.

The keys of the values are those of docs/contract.md.
"""

from collections.abc import Callable, Mapping
from typing import Final

from casebell.actors import Actor
from casebell.clock import Clock
from casebell.errors import BadArgument, NotFound, Refusal
from casebell.service import Verb
from casebell.service.done import Reconciled
from casebell.service.filters import moment
from casebell.service.upstream_names import upstream_named
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings
from casebell.store import cases
from casebell.store.engine import Store
from casebell.upstream.reconcile import Reconciler
from casebell.upstream.stand import Stand
from casebell.uscis.receipts import ReceiptError, canonical, is_test

#: Seconds of one call at most.
MOST_SECONDS: Final = 60.0


class Reconciling:
    """The verb.

    Args:
        settings: returns those in force.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        reconciler: Reconciler,
        clock: Clock,
    ) -> None:
        self._store = store
        self._settings = settings
        self._reconciler = reconciler
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"reconcile": self.reconcile}

    async def reconcile(
        self,
        *,
        upstream: str | None = None,
        receipt: str | None = None,
        since: str | None = None,
        seconds: float = 10.0,
        actor: Actor,
    ) -> Reconciled:
        """Go on with the reconciliation of an API for a while; begin one where none goes on.

        Args:
            upstream: which; it need not be named where there is one.
            receipt: look at this case alone, at once.
            since: a reconciliation that begins takes only cases that were last checked before.
            seconds: how long at most, but for what is being asked.

        Raises:
            BadArgument: something given cannot be understood, or several APIs could be meant.
            NotFound: there is no such API or case.
            Refusal: the receipt is a test's.
            UpstreamError: the API tells nothing of the one case now.
        """
        settings = self._settings()
        meant = self._meant(settings, upstream)
        if receipt is not None:
            return _answer(await self._look_at(settings, meant, receipt, actor=actor))
        before = None
        if since is not None:
            zone, now = settings.server.timezone, self._clock.now()
            before = moment(since, timezone=zone, now=now)
        if not 0 <= seconds <= MOST_SECONDS:
            raise BadArgument(f"Give from 0 to {MOST_SECONDS:.0f} seconds.")
        stand = await self._reconciler.go_on(meant, seconds=seconds, by=actor, since=before)
        return _answer(stand)

    def _meant(self, settings: Settings, name: str | None) -> UpstreamSettings:
        if name is not None:
            return upstream_named(settings, name)
        if len(settings.upstream) == 1:
            return next(iter(settings.upstream.values()))
        if not settings.upstream:
            raise NotFound(
                "No [upstream] is configured.",
                hint="Write [upstream.parley] with kind and source, as docs/configuration.md says.",
            )
        raise BadArgument(
            "There are several APIs.", hint=f"Name one of them: {', '.join(settings.upstream)}."
        )

    async def _look_at(
        self, settings: Settings, upstream: UpstreamSettings, text: str, *, actor: Actor
    ) -> Stand:
        try:
            receipt = canonical(text)
        except ReceiptError:
            raise BadArgument("This is no receipt number.") from None
        if is_test(receipt, settings.routing.test_receipts):
            raise Refusal("This is the receipt number of a test: no API is asked about it.")
        async with self._store.read() as connection:
            found = await cases.find(connection, receipt, seen_by=actor)
        if found is None:
            raise NotFound(
                "There is no case of this receipt number.",
                hint="`casebell cases set` makes it known.",
            )
        return await self._reconciler.look_at(upstream, receipt, by=actor)


def _answer(stand: Stand) -> Reconciled:
    return {
        "upstream": stand.upstream,
        "run": stand.run,
        "checked": stand.checked,
        "found": stand.found,
        "first_looks": stand.first_looks,
        "failed": stand.failed,
        "remaining": stand.remaining,
        "done": stand.done,
        "waits": stand.waits,
        "fails": stand.fails,
        "elsewhere": stand.elsewhere,
    }
