"""Rules that used to stop the server: ordinary expressions over ordinary texts."""

import httpx2
import pytest

from e2e.sender import deliver
from e2e.server import SOURCES, MakeServer
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Each ran for ever, or for seconds, over the text below it.
RULES = r"""
[channels.team]
url = "json://127.0.0.1:9/"
[[rules]]
name = "Slow"
when = { text = ['/request (\w+\s*)+evidence$/', '/we.*request.*evidence.*notice.*deadline/'] }
notify = ["team"]
[[rules]]
name = "Rest"
when = { }
notify = []
"""
UNDECIDED = "SELECT id FROM events WHERE routed_at IS NULL"
TEXTS = [
    "We sent you a request for additional evidence for your case. The notice says what we need.",
    "We request evidence. We sent a notice. " * 50,
]


async def test_an_ordinary_expression_stops_nothing(make_server: MakeServer) -> None:
    """Each text is decided, health answers meanwhile, and the server ends when it is told to."""
    server = await make_server(SOURCES + RULES).start()
    for text in TEXTS:
        await deliver(server, raw_status_text=text)
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            assert (await client.get(f"{server.url}/health")).status_code == 200
        await until(lambda: not server.rows(UNDECIDED), "the event's decision")
    assert await server.stop() == 0
    warned = await server.run("check")
    assert warned.code == 0
    assert "Warning: Rule “Slow”: \\w knows ASCII letters and digits alone here" in warned.out
