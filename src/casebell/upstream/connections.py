"""How the APIs of the configuration are reached: each with a client, and one budget for all."""

from collections.abc import Callable

from casebell.clock import Clock
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings
from casebell.store.engine import Store
from casebell.upstream.asking import Patience
from casebell.upstream.budget import Budget
from casebell.upstream.client import UpstreamClient, client_for
from casebell.upstream.parley import ParleyClient


class Connections:
    """Opens clients.

    Args:
        settings: returns those in force.
        patience: how often they try; by default as a server does.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        clock: Clock,
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self._patience = patience
        self._settings = settings
        self._clock = clock
        #: By what an API may be asked: a reload may change that.
        self._budgets: dict[tuple[str, int, int], Budget] = {}

    def parley(self, upstream: UpstreamSettings) -> ParleyClient:
        """A client of an API of kind "parley", which takes registrations and subscriptions.

        Raises:
            TypeError: it is of another kind.
        """
        client = self.open(upstream)
        if not isinstance(client, ParleyClient):
            raise TypeError(upstream.kind)
        return client

    def open(
        self, upstream: UpstreamSettings, *, patience: Patience | None = None
    ) -> UpstreamClient:
        """A client of an API, to be entered with `async with`.

        Args:
            patience: how often it tries, where it is another than that of the others.
        """
        return client_for(
            upstream,
            source=self._settings().sources[upstream.source],
            budget=self.budget(upstream),
            clock=self._clock,
            patience=patience or self._patience,
        )

    def budget(self, upstream: UpstreamSettings) -> Budget:
        """What an API may still be asked."""
        limits = (upstream.name, upstream.per_minute, upstream.per_day)
        if limits not in self._budgets:
            self._budgets[limits] = Budget(
                self._store,
                upstream=upstream.name,
                per_minute=upstream.per_minute,
                per_day=upstream.per_day,
                clock=self._clock,
            )
        return self._budgets[limits]
