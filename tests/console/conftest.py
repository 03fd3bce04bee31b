"""One application for the tests of a module: what they leave behind is no other test's business."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpSink
from console.running import RunningConsole
from sandbox.simulator.firm import rehearsing


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningConsole]:
    """It runs, and nothing was delivered yet."""
    folder = tmp_path_factory.mktemp("console")
    async with (
        HttpSink() as sink,
        rehearsing() as upstream,
        RunningConsole(folder, sink, upstream).running() as running,
    ):
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def filled(console: RunningConsole) -> RunningConsole:
    """With events of every fate, once for all tests."""
    if not console.rows("SELECT id FROM events"):
        await console.fill(3)
    return console
