"""One application for the tests of a module: what they leave behind is no other test's business."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.running import RunningApi
from casebell.sandbox.http_sink import HttpSink
from sandbox.simulator.firm import rehearsing


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApi]:
    """It runs, and nothing was delivered yet."""
    folder = tmp_path_factory.mktemp("api")
    async with (
        HttpSink() as sink,
        rehearsing() as upstream,
        RunningApi(folder, sink, upstream).running() as running,
    ):
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def filled(api: RunningApi) -> RunningApi:
    """With events, once for all tests."""
    if not api.rows("SELECT id FROM events"):
        await api.fill(3)
    return api
