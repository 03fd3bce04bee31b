"""A store for the router's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casebell.store.engine import Store
from contracts.stores import store_in


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store."""
    async with store_in(tmp_path) as opened:
        yield opened
