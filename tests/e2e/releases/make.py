"""Makes the database that this release leaves, and what its commands say of it.

    PYTHONPATH=tests .venv/bin/python -m e2e.releases.make

writes `VERSION.db.gz` and `VERSION.json.gz` beside this file: the real server gets a scenario over
HTTP, alerts a room, is stopped, and its own commands list what there is. Run it before a release,
when its version is set; while the version is not out, run it again whenever tables or scenario
change. A released version's files stay as they are: the upgrade test starts from them.
"""

import asyncio
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

from casebell import __version__
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from e2e.sender import deliver, document, encoded, post, shared, signed
from e2e.server import SOURCES, TORCH_SECRET, Server
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
APPROVED = {"normalized_status": "approved", "raw_status_text": "Case Was Approved"}
#: Its channel is away when the server is stopped. The firm has told us its label.
WAITS = "WAI0000000001"
LABEL = "Acme O-1A"
#: Its channel does not exist any more.
FAILS = "FAI0000000001"
#: Its event is undecided when the server is stopped.
UNDECIDED = "UND0000000001"
POLLED_AT = "2025-10-14T08:30:00Z"
#: Torch sent this case with a secret that the office did not have yet.
REFUSED = "ABC1234567892"
NEW_TORCH_SECRET = "torch-shared-secret-of-tomorrow"
#: What must be over before the server is stopped.
UNDER_WAY = (
    f"SELECT 1 FROM events WHERE routed_at IS NULL AND receipt <> '{UNDECIDED}' UNION ALL "
    "SELECT 1 FROM held WHERE notified_at IS NULL UNION ALL "
    "SELECT 1 FROM alerts WHERE state NOT IN ('sent', 'failed') AND "
    "NOT (state = 'retrying' AND channel = 'broken')"
)
#: By name, what each listing is asked for with.
LISTINGS = {
    "events": ("events", "export", "--format", "jsonl"),
    "alerts": ("alerts", "list", "--json"),
    "held": ("held", "list", "--json"),
    "refused": ("refused", "list", "--json"),
    "why": ("why", "evt_conflict", "--json"),
}
Listings: TypeAlias = dict[str, list[dict[str, Any]]]


def config(room: int, broken: int, gone: int) -> str:
    """The scenario's sources, channels and rules."""
    channels = "".join(
        f'[channels.{name}]\nurl = "json://127.0.0.1:{port}/"\npace = "0s"\ndisclose = "standard"\n'
        for name, port in (("room", room), ("broken", broken), ("gone", gone))
    )
    return f"""{SOURCES}
{channels}
[[rules]]
name = "What waits"
when = {{ receipt = "{WAITS}" }}
notify = ["broken"]
[[rules]]
name = "What fails"
when = {{ receipt = "{FAILS}" }}
notify = ["gone"]
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
    """Deliver the scenario: every status, repeats, conflicts, a late one, held and refused ones."""
    await server.start()
    for number, (status, text) in enumerate(STATES):
        for month in range(3):
            receipt = f"IOE09{month}{number:07d}"
            when = f"2025-1{month}-0{number + 1}T1{number}:22:03Z"
            fields = {"normalized_status": status, "raw_status_text": text, "occurred_at": when}
            await deliver(server, receipt_number=receipt, **fields)
    case = "MSC2190000001"
    sent = document(id="evt_conflict", receipt_number=case, type="case.rfe.issued")
    for _ in range(3):
        await post(server, encoded(sent))
    await post(server, encoded({**sent, "normalized_status": "denied"}))
    await deliver(server, receipt_number=case, occurred_at="2025-10-14T21:22:03Z")
    await deliver(server, receipt_number=case, occurred_at="2025-12-01T00:00:00Z", **APPROVED)
    late = encoded(document(receipt_number=case, occurred_at="2025-11-30T00:00:00Z"))
    await post(server, late, signed(late, age=3600))
    for odd in ("2025-10-15 09:00:00", None, "yesterday"):
        await deliver(server, occurred_at=odd, **APPROVED)
    await deliver(server, receipt_number="EAC9999103402")
    await deliver(server, receipt_number=FAILS)
    await deliver(server, receipt_number=WAITS, **APPROVED)
    await deliver(server, receipt_number=UNDECIDED, **APPROVED)
    for secret, receipt, code in (
        (TORCH_SECRET, "ABC1234567890", 200),
        ("a guess that is long enough", "ABC1234567891", 401),
        (NEW_TORCH_SECRET, REFUSED, 401),
    ):
        polled = {"status_text": "Request for Evidence Was Sent", "last_status_at": POLLED_AT}
        torch = {"type": "case.status", "data": {"receipt_number": receipt, **polled}}
        answer = await post(server, encoded(torch), shared(secret), source="torch")
        assert answer.status_code == code, answer.text
    for body in (b"{", encoded({"id": "evt_no_receipt"}), encoded(document(receipt_number="A1"))):
        await post(server, body)
    assert (await server.run("held", "discard", "1")).code == 0
    for _ in range(6):
        await post(server, b"{}", {"Authorization": "Parley-Signature=t=1,v1=" + "f" * 64})


async def play_on(server: Server) -> None:
    """What no delivery brings about: what the firm told of a case, and a decision that fails."""
    server.write(
        f"UPDATE cases SET label = '{LABEL}', matter = '2025-0113', team = 'O-1' "
        f"WHERE receipt = '{WAITS}'",
        f"UPDATE changes SET status = 'unreadable' WHERE receipt = '{UNDECIDED}'",
    )
    await server.start()
    await deliver(server, receipt_number=WAITS)
    await deliver(server, receipt_number=UNDECIDED)


async def listings(server: Server) -> Listings:
    """What the commands say."""
    found: Listings = {}
    for name, command in LISTINGS.items():
        ran = await server.run(*command)
        assert ran.code == 0, ran.err
        found[name] = ran.lines()
    return found


def read(release: str) -> tuple[bytes, Listings]:
    """What a release left: its database, and what its commands said of it."""
    database, said = (
        gzip.decompress((HERE / f"{release}.{kind}.gz").read_bytes()) for kind in ("db", "json")
    )
    return database, json.loads(said)


async def make() -> None:
    """Play it, stop, list, and keep both."""
    with tempfile.TemporaryDirectory() as directory:
        async with HttpSink() as room, HttpSink() as broken, HttpSink() as gone:
            broken.answer(HttpAnswer(status=503))
            gone.answer(HttpAnswer(status=404))
            server = Server(Path(directory), config(room.port, broken.port, gone.port))
            try:
                for part in (play, play_on):
                    await part(server)
                    await until(lambda: not server.rows(UNDER_WAY), "what is under way to end")
                    assert await server.stop() == 0
            finally:
                await server.gone()
            server.write(f"UPDATE changes SET status = 'approved' WHERE receipt = '{UNDECIDED}'")
            said = json.dumps(await listings(server), ensure_ascii=False)
        for kind, content in (("db", server.database.read_bytes()), ("json", said.encode())):
            packed = gzip.compress(content, compresslevel=9, mtime=0)
            (HERE / f"{__version__}.{kind}.gz").write_bytes(packed)


if __name__ == "__main__":
    asyncio.run(make())
