"""An old signed delivery in a stranger's hands: a duplicate, and it mutes nothing."""

import pytest

from e2e.recipients import RecordingSink
from e2e.sender import document, encoded, post, signed
from e2e.server import SOURCES, MakeServer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = """
[channels.team]
url = "json://127.0.0.1:{port}/"
pace = "0s"
disclose = "full"

[[rules]]
name = "All"
when = {{}}
notify = ["team"]
"""
#: Seconds; the first is fresh, the others are past the tolerance of five minutes.
AGES = (0, 299, 600, 86_400)


async def replay(server: Server, body: bytes, headers: dict[str, str], *, key: str) -> str:
    """Post the same bytes with the same signature, from elsewhere, under another key."""
    again = {**headers, "Idempotency-Key": key}
    answer = await post(server, body, again, address="127.0.0.66")
    assert answer.status_code == 200, answer.text
    status: str = answer.json()["status"]
    return status


async def test_a_replay_mutes_nothing(make_server: MakeServer) -> None:
    """Whatever its age and key, it is a duplicate; what the source tells afterwards is alerted."""
    async with RecordingSink() as team:
        server = await make_server(SOURCES + RULES.format(port=team.port)).start()
        receipt = "IOE7000000001"
        first = encoded(document(receipt_number=receipt))
        # What the next delivery will be called: its id, its key. Neither is proven by an old one.
        coming = document(
            receipt_number=receipt,
            occurred_at="2026-01-20T10:00:00Z",
            raw_status_text="We sent you another request for evidence...",
        )
        key = "the-key-of-the-coming-one"
        for age in AGES:
            headers = signed(first, age=age)
            if age == 0:
                assert (await post(server, first, headers)).json()["status"] == "stored"
            for name in (headers["Idempotency-Key"], "another", coming["id"], key, ""):
                assert await replay(server, first, headers, key=str(name)) == "duplicate"
        await server.settled()
        assert len(team.messages_of(receipt)) == 1

        answer = await post(
            server, encoded(coming), signed(encoded(coming)) | {"Idempotency-Key": key}
        )
        assert answer.json()["status"] == "stored"
        await server.settled()
        told = team.messages_of(receipt)
        assert len(told) == 2
        assert "another request for evidence" in told[1]["message"]


async def test_a_replay_before_its_original_mutes_nothing(make_server: MakeServer) -> None:
    """A copy that overtakes its original is alerted once, and the original is its duplicate."""
    async with RecordingSink() as team:
        server = await make_server(SOURCES + RULES.format(port=team.port)).start()
        receipt = "IOE7000000002"
        body = encoded(document(receipt_number=receipt))
        headers = signed(body, age=3_600)
        assert await replay(server, body, headers, key="a stranger's") == "stored"
        assert (await post(server, body)).json()["status"] == "duplicate"
        await server.settled()
        assert len(team.messages_of(receipt)) == 1
        (event,) = (await server.run("events", "list", "--json")).lines()
        assert "stale_signature" in event["flags"]


async def test_a_replay_under_another_source_is_refused(make_server: MakeServer) -> None:
    """What one source signed proves nothing to another that has a secret of its own."""
    other = '[sources.other]\nkind = "parley"\nsecrets = ["another-secret-than-parley-has"]\n'
    server = await make_server(SOURCES + other).start()
    body = encoded(document())
    headers = signed(body)
    assert (await post(server, body, headers)).status_code == 200
    for source in ("other", "torch"):
        assert (await post(server, body, headers, source=source)).status_code == 401
    assert server.rows("SELECT count(*) FROM events") == [(1,)]
