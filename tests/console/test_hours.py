"""Alerts that wait for hours of their channel, as every page says it, and the API."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casebell.actors import Role
from console.running import RunningConsole, text_of
from raw_admin import ask
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Closed today, wherever the test runs, and open again in more than a week.
TODAY = datetime.now(UTC).date()
CLOSED = f"{TODAY - timedelta(days=2)}..{TODAY + timedelta(days=29)}"
OPENS = TODAY + timedelta(days=30)
WHEN = f"{OPENS:%a}, {OPENS:%b} {OPENS.day}, {OPENS.year}"


@asynccontextmanager
async def with_hours(console: RunningConsole, keys: str) -> AsyncIterator[None]:
    """The channel has these keys meanwhile, and a calendar that is closed."""
    before = console.file.read_text()
    console.file.write_text(
        before.replace('pace = "0s"', f'pace = "0s"\n{keys}')
        + '[calendars.office]\ntimezone = "America/Los_Angeles"\nopen = "08:00-18:00"\n'
        + f'closed = "{CLOSED}"\n'
        # What is denied is urgent.
        + '[[rules]]\nname = "Good"\nwhen = { status = ["approved"] }\nnotify = ["slack"]\n'
    )
    try:
        assert "value" in await ask(console.folder / "casebell.db.sock", "reload")
        yield
    finally:
        console.file.write_text(before)
        await ask(console.folder / "casebell.db.sock", "reload")


async def pages(console: RunningConsole, number: int, receipt: str) -> dict[str, str]:
    """The text of each page that shows an alert."""
    visitor = await console.signed_in(Role.OPERATOR)
    paths = ("/", "/alerts", f"/events/{number}", f"/cases/{receipt}")
    return {path: text_of((await visitor.get(path)).text) for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "at", "what"),
    [
        ('quiet_outside = "office"', "8:00 AM", "quiet hours of office"),
        ('digest = { at = "07:30", calendar = "office" }', "7:30 AM", "the digest of slack"),
    ],
)
async def test_until_when_it_waits(console: RunningConsole, keys: str, at: str, what: str) -> None:
    """Each page says it in the zone of the calendar; without the key it goes at once."""
    receipt = f"IOE00000{len(keys):05}"
    async with with_hours(console, keys):
        number = await console.deliver(
            receipt_number=receipt,
            normalized_status="approved",
            raw_status_text="Case Was Approved",
        )

        async def waits() -> list[Any]:
            found = await console.get("alerts", state="deferred", receipt=receipt)
            return [one["waits"] for one in found["items"]]

        said = await until(waits, "the alert to wait")
        shown = await pages(console, number, receipt)
        case = await console.get(f"cases/{receipt}")
        digests = await console.get("alerts", state="deferred")
    assert said[0].startswith(f"until {WHEN}, {at} P")
    assert said[0].endswith(f"T, {what}")
    # The first page counts it: it is nothing that asks for somebody.
    assert re.search("waits? on purpose", shown.pop("/"))
    for path, page in shown.items():
        assert f"waits {said[0]}" in page, path
    assert case["changes"][0]["told"][0]["waits"] == said[0]
    # The next digest waits, too, and is nothing that asks for somebody.
    kinds = {one["kind"] for one in digests["items"]}
    assert kinds == ({"case", "digest"} if "digest" in keys else {"case"})
    gone = "SELECT count(*) FROM alerts WHERE state = 'sent' AND event_id = ?"
    await until(lambda: console.rows(gone, number) == [(1,)], "it to go at once")
    found = await console.get("alerts", receipt=receipt)
    assert [one["waits"] for one in found["items"]] == [None]
