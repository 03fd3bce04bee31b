"""The demo's server, as a process of its own: what its log says, and when."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casebell.sandbox.expect import StepFailed
from casebell.sandbox.server_process import ServerProcess

REQUEST = "req_0123456789abcdef01234567"
OTHER = "req_76543210fedcba9876543210"


def line_of(request_id: str) -> bytes:
    """The log line of a delivery."""
    return b'{"event":"delivery.received","request_id":"%s"}\n' % request_id.encode()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """One whose log is written by the test; its process does nothing."""
    log = tmp_path / "server.log"
    log.write_bytes(line_of(OTHER))
    async with ServerProcess(config=tmp_path / "none.toml", log=log) as server:
        server._process = await asyncio.create_subprocess_exec("sleep", "600")
        yield server


class TestTheLineOfAnAnswer:
    """It is written after the answer, so whoever reads the log waits for it."""

    async def test_it_is_waited_for(self, server: ServerProcess) -> None:
        """The wait ends with the whole line, and not before."""
        waiting = asyncio.create_task(server.logged(REQUEST))
        whole = line_of(REQUEST)
        for part in (whole[:-1], whole[-1:]):
            # Long enough to look several times.
            with pytest.raises(StepFailed):
                await server.logged("req_of_nobody", within=0.05)
            assert not waiting.done()
            with server.log.open("ab") as log:
                log.write(part)
        await waiting

    async def test_it_does_not_come(self, server: ServerProcess) -> None:
        """The wait is bounded, and its end says what did not come."""
        with pytest.raises(StepFailed) as told:
            await server.logged(REQUEST, within=0.05)
        assert told.value.message == (
            f"the server's log: expected the line of {REQUEST} within 0.05 s of the answer, "
            "got no such line"
        )

    async def test_a_server_that_has_ended(self, server: ServerProcess) -> None:
        """It writes no more, and is not waited for."""
        await server.kill()
        await server.logged(REQUEST)
