"""A real server with events of every fate, and hostile texts among them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser

from browser.browsing import Browsing
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store.schema import cases, upstream_cases, upstream_subscriptions
from contracts.stores import store_in
from contracts.writing import writing
from e2e.sender import deliver, document, encoded, post, shared, signed
from e2e.server import SOURCES, Server
from raw_admin import ask
from sandbox.simulator.firm import TOKEN, rehearsing
from waiting import until

#: A case that only its owner, auditors and admins see.
CONFIDENTIAL = "IOE0999999999"
#: The case of the hostile texts.
HOSTILE_RECEIPT = "IOE0666666666"
#: If it runs anywhere, `window.ran` is there.
SCRIPT = (
    "<script>window.ran=1</script><img src=x onerror=window.ran=1>"
    "<svg onload=window.ran=1></svg>\"'><a href=javascript:window.ran=1>x</a>"
    "{{7*7}} {% raw %} ${7*7} <style>*{display:none}</style><meta http-equiv=refresh content=0>"
)
#: Marks that turn what stands behind them: overrides, embeddings and isolates without an end.
TURNING = "\u202e\u202d\u2066\u2067\u2068\u202a\u202bgnihton\u200f"
#: Without a place where it could be broken.
LONG = "W" * 200_000

CONFIGURATION = """
[channels.team]
url = "json://127.0.0.1:{sink}/team"
pace = "0s"

[channels.broken]
url = "json://127.0.0.1:{broken}/nobody"
pace = "0s"

[channels.mail]
url = "mailto://127.0.0.1:9?from=casebell@firm.com"
to = ["@owner"]
unassigned = ["rfe@firm.com"]

[upstream.parley]
kind = "parley"
source = "parley"
base = "{api}"
token = "{token}"
secret_file = "parley.secret"

[upstream.gone]
kind = "parley"
source = "parley"
base = "http://127.0.0.1:9"
token = "{token}"

[upstream.torch]
kind = "torch"
source = "torch"
base = "{api}"
token = "{token}"

[people.jchan]
name = "Jia Chan"
email = "jchan@firm.com"
teams = ["rfe", "removal defense"]

[people.kim]
name = "<b onclick=x>Kim</b> {{{{7*7}}}} Roe"
email = "kim.with-a-rather-long-address@immigration.example-firm.com"

[people.ana]
name = "Ana Ruiz"

[[rules]]
name = "RFE <issued>"
when = {{ status = ["rfe_issued"] }}
notify = ["team", "broken"]
urgent = true

[[rules]]
name = "Everything else"
when = {{}}
notify = ["team"]
"""


@asynccontextmanager
async def running_site(folder: Path, browser: Browser) -> AsyncIterator[Browsing]:
    """The server runs and is filled; the browser is before it."""
    async with HttpSink() as sink, HttpSink() as broken, rehearsing() as api:
        broken.answer(HttpAnswer(status=404))
        configuration = CONFIGURATION.format(
            sink=sink.port, broken=broken.port, api=api.url, token=TOKEN
        )
        server = Server(folder, SOURCES + configuration)
        await _say_of_cases(folder)
        try:
            await server.start()
            browsing = Browsing(browser, server)
            await browsing.add_accounts()
            await _fill(server)
            away = {"name": "jchan", "until": "2999-12-31", "to": "kim"}
            await ask(server.directory / "casebell.db.sock", "set_away", **away)
            yield browsing
        finally:
            await server.gone()


def event_of(browsing: Browsing, receipt: str) -> int:
    """The newest event of a receipt."""
    ((number,),) = browsing.server.rows("SELECT max(id) FROM events WHERE receipt = ?", receipt)
    return int(number)


async def _say_of_cases(folder: Path) -> None:
    """What the firm says of a confidential case, and of one with hostile texts."""
    store = store_in(folder)
    async with store, writing(store) as connection:
        told = {"label": f"Gomez {SCRIPT}{TURNING}", "matter": "12-7", "team": "rfe"}
        for row in (
            {"receipt": CONFIDENTIAL, "confidential": True, "owner": "ana"},
            {"receipt": HOSTILE_RECEIPT, "owner": TURNING, **told},
        ):
            await connection.execute(cases.insert().values(**row, updated_at=0))
            problem = f"It says: {SCRIPT}{TURNING}"
            failing = {"upstream": "parley", "receipt": row["receipt"], "problem": problem}
            await connection.execute(upstream_cases.insert().values(**failing))
        for number, subscription in enumerate((f"sub_{SCRIPT}{TURNING}", None)):
            begun = {
                "upstream": "parley",
                "url": f"https://casebell.firm.com/{SCRIPT[:90]}/webhooks/parley",
                "events": "case.status.updated case.rfe.issued case.approved case.denied",
                "secret": str(number),
                "begun_at": 1_764_000_000_000_000,
                "begun_by": "cli:jchan",
                "subscription": subscription,
            }
            await connection.execute(upstream_subscriptions.insert().values(**begun))


async def _fill(server: Server) -> None:
    """Deliveries of every fate."""
    await deliver(server, receipt_number="IOE0912345678")
    await deliver(
        server,
        receipt_number="IOE0912345678",
        normalized_status="rfe_received",
        raw_status_text="We received your response to our Request for Evidence.",
        occurred_at="2025-12-01T19:22:03Z",
    )
    late = {"normalized_status": "received", "raw_status_text": "We received your Form I-130."}
    await deliver(
        server, receipt_number="IOE0912345678", occurred_at="2025-01-02T00:00:00Z", **late
    )
    same = {"receipt_number": "IOE0912345679", "occurred_at": "2025-11-02T12:00:00Z"}
    await deliver(server, **same)
    told = {
        "receipt_number": "IOE0912345679",
        "status_text": "We sent you a request for evidence...",
        "status_category": "Request for Evidence",
        "last_status_at": "2025-11-02T12:00:00Z",
    }
    torch = {"id": "torch_1", "type": "case.status.updated", "data": told}
    await post(server, encoded(torch), shared(), source="torch")
    await deliver(server, receipt_number="IOE0912345680", normalized_status="approved")
    await deliver(server, receipt_number="IOE0912345681", normalized_status="denied")
    await deliver(server, receipt_number=CONFIDENTIAL)
    conflict = {"id": "evt_conflict", "receipt_number": "IOE0912345682"}
    await deliver(server, **conflict)
    await post(server, encoded(document(**conflict, normalized_status="approved")))
    for text in (SCRIPT, TURNING + SCRIPT, LONG):
        await deliver(
            server,
            id=f"evt_<b onclick=x>{len(text)}",
            receipt_number=HOSTILE_RECEIPT,
            raw_status_text=text,
            type=f"case.{SCRIPT[:60]}",
        )
    for body in (b"not json", SCRIPT.encode(), json.dumps({"id": LONG}).encode(), b"\xff\x00\x9f"):
        await post(server, body)
    unsigned = signed(b"something else")
    for _ in range(3):
        await post(server, encoded(document()), unsigned)
    failed = "SELECT count(*) FROM alerts WHERE state = 'failed'"
    await until(lambda: server.rows(failed)[0][0] >= 6, "the alerts over the broken channel")
    await server.settled()
    kept = "SELECT count(*) FROM refused"
    await until(lambda: server.rows(kept) == [(3,)], "every refusal to be kept")
