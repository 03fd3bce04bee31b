"""Makes a database as a release leaves it, and what that release exports of it.

    PYTHONPATH=CHECKOUT/src:tests python tests/e2e/releases/make.py NAME

writes `NAME.db.gz` and `NAME.jsonl` beside this file, with the code of CHECKOUT: the release's own
server takes in a story over HTTP, alerts a room, is stopped and runs its own `events export`.
Do this once for each release that changed the tables, and never again for one that is out.
"""

import asyncio
import gzip
import sys
import tempfile
from pathlib import Path

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from e2e.sender import deliver, document, encoded, post, shared, signed
from e2e.server import SOURCES, Server
from waiting import until

HERE = Path(__file__).parent
STATES = (
    ("received", "Case Was Received"),
    ("rfe_issued", "We sent you a request for evidence..."),
    ("rfe_received", "Response To USCIS' Request For Evidence Was Received"),
    ("interview_scheduled", "Interview Was Scheduled"),
    ("approved", "Case Was Approved"),
    ("denied", "Case Was Denied"),
    ("other", "Intent to Deny Notice Was Sent — “naïve” <b>text</b>"),
)
#: Its alert is still waiting when the server is stopped; the room's are not.
WAITS = "WAI0000000001"
#: What must be over before the server is stopped.
UNDER_WAY = (
    "SELECT 1 FROM events WHERE routed_at IS NULL UNION ALL "
    "SELECT 1 FROM held WHERE told_at IS NULL UNION ALL "
    "SELECT 1 FROM alerts WHERE state NOT IN ('sent', 'retrying')"
)


def config(room: int, broken: int) -> str:
    """The story's sources, channels and rules."""
    return f"""{SOURCES}
[channels.room]
url = "json://127.0.0.1:{room}/"
pace = "0s"
[channels.broken]
url = "json://127.0.0.1:{broken}/"
pace = "0s"
[[rules]]
name = "What waits"
when = {{ receipt = "{WAITS}" }}
notify = ["broken"]
[[rules]]
name = "Rejections and requests"
when = {{ status = ["rfe_issued", "denied"] }}
notify = ["room"]
urgent = true
[[rules]]
name = "All but receipts"
when = [{{ status = ["approved", "rfe_received"] }}, {{ tags = ["deadline", "appointment"] }}]
notify = ["room"]
[ops]
notify = ["room"]
"""


async def play(server: Server) -> None:
    """Deliver the story: every status, repeats, conflicts, a late one, held and refused ones."""
    for number, (status, text) in enumerate(STATES):
        for month in range(3):
            receipt = f"IOE09{month}{number:07d}"
            when = f"2025-1{month}-0{number + 1}T1{number}:22:03Z"
            fields = {"normalized_status": status, "raw_status_text": text, "occurred_at": when}
            await deliver(server, receipt_number=receipt, **fields)
    case = "MSC2190000001"
    sent = document(receipt_number=case, type="case.rfe.issued")
    for _ in range(3):
        await post(server, encoded(sent))
    await post(server, encoded({**sent, "normalized_status": "denied"}))
    await deliver(server, receipt_number=case, occurred_at="2025-10-14T21:22:03Z")
    approved = {"normalized_status": "approved", "raw_status_text": "Case Was Approved"}
    await deliver(server, receipt_number=case, occurred_at="2025-12-01T00:00:00Z", **approved)
    late = encoded(document(receipt_number=case, occurred_at="2025-11-30T00:00:00Z"))
    await post(server, late, signed(late, age=3600))
    for odd in ("2025-10-15 09:00:00", None, "yesterday"):
        await deliver(server, occurred_at=odd, **approved)
    polled = {"status": "Request for Evidence Was Sent", "last_status_at": "2025-10-14T08:30:00Z"}
    torch = {"type": "case.status", "data": {"receipt_number": "ABC1234567890", **polled}}
    await post(server, encoded(torch), shared(), source="torch")
    await deliver(server, receipt_number="EAC9999103402")
    for body in (b"{", encoded({"id": "evt_no_receipt"}), encoded(document(receipt_number="A1"))):
        await post(server, body)
    for _ in range(6):
        await post(server, b"{}", {"Authorization": "Parley-Signature=t=1,v1=" + "f" * 64})
    await post(server, b"{}", shared("wrong"), source="torch")
    await deliver(server, receipt_number=WAITS)


async def make(name: str) -> None:
    """Play it, stop, export, and keep both."""
    with tempfile.TemporaryDirectory() as directory:
        async with HttpSink() as room, HttpSink() as broken:
            broken.answer(HttpAnswer(status=503))
            server = Server(Path(directory), config(room.port, broken.port))
            await server.start()
            try:
                await play(server)
                await until(lambda: not server.rows(UNDER_WAY), "everything under way to end")
                assert await server.stop() == 0
            finally:
                await server.gone()
            exported = await server.run("events", "export", "--format", "jsonl")
        assert exported.code == 0, exported.err
        (HERE / f"{name}.jsonl").write_text(exported.out)
        packed = gzip.compress(server.database.read_bytes(), compresslevel=9, mtime=0)
        (HERE / f"{name}.db.gz").write_bytes(packed)


if __name__ == "__main__":
    asyncio.run(make(sys.argv[1]))
