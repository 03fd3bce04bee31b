"""Nothing a test starts outlives it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from e2e.databases import Postgres, running_postgres
from e2e.server import SOURCES, MakeServer, Server


@pytest_asyncio.fixture(loop_scope="module")
async def make_server(tmp_path: Path) -> AsyncIterator[MakeServer]:
    """Servers of one test, in directories of their own; in the loop of the module's tests."""
    made: list[Server] = []

    def make(
        config: str = SOURCES,
        *,
        server: str = "",
        storage: str = "sqlite:///casebell.db",
        secrets: Mapping[str, str] | None = None,
    ) -> Server:
        directory = tmp_path / f"server-{len(made)}"
        made.append(Server(directory, config, server=server, storage=storage, secrets=secrets))
        return made[-1]

    yield make
    for server in made:
        await server.gone()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for tests that may stop and kill it, if they start it again."""
    with running_postgres() as started:
        yield started
