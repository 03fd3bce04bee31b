"""A step of the demo: somebody has seen a Request for Evidence, and when its answer is due."""

from datetime import UTC, datetime, timedelta

import httpx2
from icalendar import Calendar

from casebell.sandbox import fixtures
from casebell.sandbox.demo_environment import DemoEnvironment
from casebell.sandbox.expect import expect
from casebell.sandbox.scenario_step import Lines, expect_recipients
from casebell.sandbox.server_process import run_json

#: Days until the date that is typed: as many as a request may leave.
_DAYS = 84
_ANA = ("--by", "Ana Ruiz")


async def seen(demo: DemoEnvironment) -> Lines:
    """Its owner acknowledges it, and types the date of the notice, which is in her calendar."""
    receipt = fixtures.LISTED_RECEIPT
    (row,) = await run_json("queue", *_ANA, "--mine", config=demo.config)
    expect("the receipt in the queue", expected=receipt, got=row["receipt"])
    expect("who has seen it", expected=None, got=row["acknowledged_by"])
    yield "queue", "it is there, and nobody has seen it: after two office hours mail tells again"
    (answer,) = await run_json("ack", receipt, *_ANA, config=demo.config)
    expect("casebell ack", expected=[row["change"]], got=answer["new"])
    day = f"{(datetime.now(UTC) + timedelta(days=_DAYS)).date()}"
    (due,) = await run_json("cases", "due", receipt, day, *_ANA, config=demo.config)
    expect("casebell cases due", expected=day, got=due["due"])
    (row,) = await run_json("queue", *_ANA, "--mine", config=demo.config)
    by = row["acknowledged_by"] or ""
    expect("Ana Ruiz has seen it", expected=True, got="“Ana Ruiz”" in by)
    expect_recipients(await demo.arrivals())
    yield "seen", f"by {by}: nobody is told again"
    (feed,) = await run_json("feeds", "add", "--person", "ana", config=demo.config)
    async with httpx2.AsyncClient(trust_env=False) as client:
        calendar = await client.get(feed["address"])
    (event,) = Calendar.from_ical(calendar.content).events
    title = str(event["SUMMARY"])
    expect("her calendar", expected="Answer due: RFE · IOE…0010 (unconfirmed)", got=title)
    yield "calendar", f"“{title}” on {day}, as she typed it"
    secret = feed["address"].rpartition("/")[2].removesuffix(".ics")
    expect("its address in the log", expected=False, got=secret in demo.server.log.read_text())
