"""A server whose answers a test chooses."""

from collections.abc import AsyncIterator

import pytest

from casebell.sandbox.http_sink import HttpSink


@pytest.fixture
async def api() -> AsyncIterator[HttpSink]:
    """Answers as it is told to."""
    async with HttpSink() as sink:
        yield sink
