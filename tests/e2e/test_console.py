"""The console of a real server: an address of its own, and a sign-in over a socket."""

import httpx2
import pytest

from e2e.sender import deliver
from e2e.server import SOURCES, MakeServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "correct horse battery staple"
APART = '[console]\nlisten = "127.0.0.1:0"\n'


async def test_an_address_for_people_alone(make_server: MakeServer) -> None:
    """There are the pages and the API; where deliveries go, there is neither."""
    server = await make_server(SOURCES + APART).start()
    (started,) = await server.logged("server.started")
    people, providers = started["console"], server.url
    assert people != providers
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def status(url: str) -> int:
            return (await client.get(url)).status_code

        for path in ("/events", "/sign-in", "/api/v1/events", "/events/1"):
            assert await status(f"{providers}{path}") == 404, path
        assert await status(f"{people}/sign-in") == 200
        assert await status(f"{people}/events") == 303
        assert await status(f"{people}/api/v1/events") == 401
        for path in ("/ready", "/metrics", "/webhooks/parley"):
            assert await status(f"{people}{path}") == 404, path
        for url in (people, providers):
            assert await status(f"{url}/health") == 200
    await deliver(server)
    assert await server.stop() == 0


async def test_an_address_that_is_taken(make_server: MakeServer) -> None:
    """The start ends with the key that names it."""
    taken = await make_server(SOURCES).start()
    server = make_server(f'{SOURCES}[console]\nlisten = "127.0.0.1:{taken.port}"\n')
    await server.launch()
    assert await server.ended() == 1
    assert "console.listen" in server.text()


async def test_no_pages(make_server: MakeServer) -> None:
    """Where the console is off there is no page, and the API stays."""
    server = await make_server(SOURCES + "[console]\nenabled = false\n").start()
    async with httpx2.AsyncClient(trust_env=False) as client:
        for path in ("/events", "/sign-in", "/"):
            assert (await client.get(f"{server.url}{path}")).status_code == 404, path
        assert (await client.get(f"{server.url}/api/v1/events")).status_code == 401
