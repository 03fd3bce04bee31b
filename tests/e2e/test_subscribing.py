"""Two servers on one PostgreSQL, each with files of its own, and a provider that delivers to both.

A subscription is made when both would accept what it signs, and not before.
"""

import uuid

import pytest

from e2e.databases import Postgres
from e2e.sender import document, encoded, post, signed
from e2e.server import SOURCES, MakeServer, Server
from raw_admin import ask
from sandbox.simulator.firm import TOKEN, rehearsing
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

UPSTREAM = """
[upstream.parley]
kind = "parley"
source = "parley"
base = "{base}"
token = "{token}"
secret_file = "parley.secret"
"""


async def test_the_secret_is_on_both(make_server: MakeServer, postgres: Postgres) -> None:
    """The first try names the server that lacks it; once it has it, deliveries to either count."""
    database = await postgres.database(f"casebell_{uuid.uuid4().hex[:8]}")
    async with rehearsing() as api:
        config = SOURCES + UPSTREAM.format(base=api.url, token=TOKEN)
        public = 'public_url = "https://casebell.example-firm.com"'
        one, other = (make_server(config, storage=database.url, server=public) for _ in range(2))
        await one.start()
        await other.start()
        await until(lambda: _sees_two(one), "each server to see the other")
        refused = await one.run("upstream", "subscribe")
        assert refused.code == 1
        assert "Other servers on this database do not have the secret yet" in refused.err
        # The second one makes no secret of its own while the first one's waits.
        second = await other.run("upstream", "subscribe")
        assert second.code == 1
        assert "was begun with a secret" in second.err
        assert api.simulator.world.subscriptions == []
        # Another secret in its file is as good as none.
        file = other.directory / "parley.secret"
        file.write_text("a secret of somebody else's own making\n")
        assert (await other.run("reload")).code == 0
        assert (await one.run("upstream", "subscribe")).code == 1
        file.write_text((one.directory / "parley.secret").read_text())
        assert (await other.run("reload")).code == 0

        async def subscribed() -> bool:
            return (await one.run("upstream", "subscribe")).code == 0

        await until(subscribed, "the servers to agree")
        (made,) = api.simulator.world.subscriptions
        for number, server in enumerate((one, other)):
            body = encoded(document(id=f"evt_{number}", receipt_number=f"IOE091234560{number}"))
            answer = await post(server, body, signed(body, secret=made.secret))
            assert answer.json()["status"] == "stored"
        for server in (one, other):
            assert made.secret not in server.text()


async def _sees_two(server: Server) -> bool:
    answer = await ask(server.directory / "casebell.sock", "list_servers")
    return len(answer["value"]) == 2
