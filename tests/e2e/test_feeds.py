"""A private calendar over real sockets: who reads it, and where its address is not."""

import sqlite3
from contextlib import closing

import httpx2
import pytest
from icalendar import Calendar

from e2e.sender import deliver
from e2e.server import SOURCES, MakeServer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPT = "IOE0912345678"
PEOPLE = """
[people.jchan]
name = "Jia Chan"
email = "jchan@f.com"
"""


async def due(server: Server) -> None:
    """The case is Jia Chan's, and its answer is due."""
    await deliver(server, receipt_number=RECEIPT)
    ran = await server.run("cases", "set", RECEIPT, "owner=Jia Chan", "label=Gomez-Label")
    assert ran.code == 0, ran.err
    with closing(sqlite3.connect(server.database)) as connection, connection:
        connection.execute("UPDATE queue SET due = '2026-12-24', due_entered_at = 1")


async def test_a_calendar(make_server: MakeServer) -> None:
    """It is read without signing in, changes nothing, and ends when it is revoked."""
    server = await make_server(SOURCES + PEOPLE).start()
    await due(server)
    made = await server.run("feeds", "add", "--person", "jchan")
    path = made.out.strip()
    secret = path.removeprefix("/feeds/").removesuffix(".ics")
    assert len(secret) == 22
    async with httpx2.AsyncClient(trust_env=False, base_url=server.url) as client:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert "Set-Cookie" not in answer.headers
        (event,) = Calendar.from_ical(answer.content).events
        assert str(event["SUMMARY"]) == "Answer due: RFE · IOE…5678 (unconfirmed)"
        for hidden in (RECEIPT, "Gomez", "request for evidence", secret):
            assert hidden.lower() not in answer.text.lower()
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == answer.headers["Content-Length"]
        same = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (same.status_code, same.content) == (304, b"")
        # None of these is an address of it, and none may bring the secret into a log.
        statuses = {
            "POST": (await client.post(path, content=b"x")).status_code,
            "without its ending": (await client.get(path.removesuffix(".ics"))).status_code,
            "with a slash": (await client.get(f"{path}/")).status_code,
            "elsewhere": (await client.get(f"/casebell{path}")).status_code,
            "doubled": (await client.get(f"/{path}")).status_code,
            "a POST elsewhere": (await client.post(f"/x{path}")).status_code,
            "another": (await client.get(f"/feeds/{'A' * 22}.ics")).status_code,
            "none": (await client.get("/feeds/")).status_code,
        }
        assert statuses == {**dict.fromkeys(statuses, 404), "POST": 405}
        assert (await client.post(path)).headers["Allow"] == "GET, HEAD"
        listed = await server.run("feeds", "list", "--json")
        assert listed.lines()[0]["last_read_at"] is not None
        assert (await server.run("feeds", "revoke", "1")).code == 0
        gone = await client.get(path)
        assert gone.status_code == 410
        assert gone.headers["X-Robots-Tag"] == "noindex, nofollow"
    requests = server.events("console.request")
    assert {line["route"] for line in requests} >= {"/feeds/{token}.ics"}
    assert await server.stop() == 0
    assert secret not in server.text()
    everything = server.database.read_bytes()
    assert secret.encode() not in everything


async def test_with_an_address_for_people_alone(make_server: MakeServer) -> None:
    """It is there, and not where deliveries go; nor does the log of those have it."""
    apart = '[console]\nlisten = "127.0.0.1:0"\n'
    server = await make_server(SOURCES + PEOPLE + apart).start()
    (started,) = await server.logged("server.started")
    path = (await server.run("feeds", "add", "--person", "jchan")).out.strip()
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{started['console']}{path}")).status_code == 200
        assert (await client.get(f"{server.url}{path}")).status_code == 404
    await server.logged("request.refused")
    assert path.removeprefix("/feeds/").removesuffix(".ics") not in server.text()
