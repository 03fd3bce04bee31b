"""A harness for the operator."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casebell.sandbox.http_sink import HttpSink
from casebell.store.engine import Store
from contracts.stores import store_in
from service.harness import OperationsHarness


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """Where the channel's messages go."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
def harness(store: Store, sink: HttpSink) -> OperationsHarness:
    """Everything that the verbs need."""
    return OperationsHarness(store, sink)
