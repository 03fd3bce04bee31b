"""Nothing a test starts outlives it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest_asyncio

from e2e.server import SOURCES, MakeServer, Server


@pytest_asyncio.fixture(loop_scope="module")
async def make_server(tmp_path: Path) -> AsyncIterator[MakeServer]:
    """Servers of one test, in directories of their own; in the loop of the module's tests."""
    made: list[Server] = []

    def make(
        config: str = SOURCES, *, server: str = "", secrets: Mapping[str, str] | None = None
    ) -> Server:
        directory = tmp_path / f"server-{len(made)}"
        made.append(Server(directory, config, server=server, secrets=secrets))
        return made[-1]

    yield make
    for server in made:
        await server.gone()
