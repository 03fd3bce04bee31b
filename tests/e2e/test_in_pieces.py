"""What a long command asks for, piece by piece: it keeps no server from starting."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from casebell.cli import in_pieces
from casebell.cli.in_pieces import InPieces
from casebell.errors import ServerUnreachable
from casebell.service import Service
from casebell.store.lock import is_locked, locked
from e2e.server import MakeServer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def opened(path: Path, seen: list[bool]) -> AsyncIterator[Service]:
    """A verb on a store that is held meanwhile, and was free before."""

    async def held(*, actor: object) -> bool:
        return is_locked(path)

    seen.append(not is_locked(path))
    with locked(path):
        yield Service({"waiting": held})


async def test_the_store_is_let_go_of(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever held it for long enough gives it back, and takes it anew for the next piece."""
    server = make_server()
    path, seen = server.database, list[bool]()
    monkeypatch.setattr(in_pieces, "FREE", 0.0)
    async with InPieces(server.config, by=None, open_locally=lambda: opened(path, seen)) as pieces:
        assert [await pieces.ask("waiting") for _ in range(2)] == [True] * 2
        assert seen == [True]
        monkeypatch.setattr(in_pieces, "HELD", -1.0)
        assert [await pieces.ask("waiting") for _ in range(2)] == [True] * 2
    assert seen == [True] * 3
    assert not is_locked(path)


async def test_a_server_that_ended_is_not_stood_in_for(make_server: MakeServer) -> None:
    """Whoever asked a server leaves the store to it."""
    server: Server = await make_server().start()

    def never() -> AsyncIterator[Service]:
        raise AssertionError("the store was opened")

    async with InPieces(server.config, by=None, open_locally=never) as pieces:  # type: ignore[arg-type]
        assert await pieces.ask("waiting")
        await server.stop()
        with pytest.raises(ServerUnreachable, match="has ended"):
            await pieces.ask("waiting")
