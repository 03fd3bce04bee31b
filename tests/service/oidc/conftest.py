"""An identity provider, and a server's sign-in over it."""

from collections.abc import AsyncIterator

import pytest

from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock
from service.oidc.desk import Desk, opened
from service.oidc.provider import Provider


@pytest.fixture
def clock() -> ManualClock:
    """Of the provider and the server."""
    return ManualClock()


@pytest.fixture
async def provider(clock: ManualClock) -> AsyncIterator[Provider]:
    """One that knows somebody of the group `lawyers`."""
    async with Provider(clock) as running:
        running.claims = {"groups": ["everybody", "lawyers"]}
        yield running


@pytest.fixture
async def desk(store: Store, provider: Provider, clock: ManualClock) -> AsyncIterator[Desk]:
    """One server's; at the end everything is written."""
    async with opened(store, provider, clock) as made:
        yield made
