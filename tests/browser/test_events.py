"""Events, cases and the journal in a browser: filters, pages, files, paper, hostile texts."""

import itertools
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from browser.browsing import NARROW, Browsing
from casebell.actors import Role
from casebell.kinds.parley import HOSTILE as MARKUP
from cli.installation import HOSTILE as CONTROLS
from e2e.sender import deliver, post, signed

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

RECEIPT = "IOE0912345678"
#: 200 KB of what would run, close something, or turn what follows.
TEXT = (f"\u2069\u202e{MARKUP}{CONTROLS}</bdi><svg onload=alert(3)> " * 1_000)[:200_000]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def record(browsing: Browsing) -> AsyncIterator[Browsing]:
    """Events of every fate: the first is that of `RECEIPT`."""
    server = browsing.server
    await deliver(server, receipt_number=RECEIPT, raw_status_text="Request for Evidence Was Sent.")
    for _ in range(4):
        await deliver(server, normalized_status="denied", raw_status_text="Case Was Denied")
    await deliver(
        server,
        id="evt_hostile",
        receipt_number="WAC2190054321",
        type="<script>alert(1)</script>",
        raw_status_text=TEXT,
        occurred_at="\u2069\u202ewhen",
    )
    await deliver(server, receipt_number="WAC2190054322", raw_status_text="W" * 20_000)
    await post(server, b"no JSON", signed(b"no JSON"))
    await post(server, b"{}", signed(b"other"))
    await server.settled()
    yield browsing


async def test_from_an_alert_to_its_page(record: Browsing) -> None:
    """The link asks who it is, and then shows which case, what happened, and the text."""
    async with record.visitor(None, width=NARROW) as visitor:
        await visitor.page.goto("/events/1")
        await visitor.sign_in("viewer")
        await expect(visitor.page).to_have_url(f"{record.server.url}/events/1")
        assert await visitor.heading() == f"Request for Evidence issued · {RECEIPT}"
        text = visitor.page.get_by_text("Request for Evidence Was Sent.")
        await expect(text).to_be_in_viewport()
        await expect(visitor.page.get_by_text("not legal notice. Only")).to_be_in_viewport()
        await visitor.page.get_by_role("link", name="The case and its changes").click()
        assert await visitor.heading() == f"Case {RECEIPT}"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_filter(record: Browsing, scripts: bool) -> None:
    """What is chosen narrows the list and is the address; the way back is a click."""
    async with record.visitor(Role.VIEWER, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto("/events")
        status = page.get_by_role("combobox", name="Status", exact=True)
        await status.select_option("denied")
        await page.get_by_role("textbox", name="Text contains", exact=True).fill("case was")
        await page.get_by_role("button", name="Show").click()
        assert await visitor.column("Status") == 4 * ["Denied adverse decision"]
        assert "status=denied" in page.url
        assert "text=case+was" in page.url
        await expect(status).to_have_value("denied")
        await page.get_by_role("link", name="Clear").click()
        assert len(await visitor.column("Status")) == 7


@pytest.mark.parametrize("path", ["/events?limit=2", "/events?limit=2&others=true"])
async def test_page_by_page(record: Browsing, path: str) -> None:
    """Each row comes once, to the end of the list."""
    async with record.visitor(Role.ADMIN) as visitor:
        seen: list[str] = []
        await visitor.page.goto(path)
        for _ in itertools.count():
            rows = visitor.page.locator("tbody tr td:last-child a")
            seen += [str(await one.get_attribute("href")) for one in await rows.all()]
            older = visitor.page.get_by_role("link", name="Older")
            if not await older.count():
                break
            await older.click()
        events = [path for path in seen if path.startswith("/events/")]
        assert events == [f"/events/{number}" for number in range(7, 0, -1)]


async def test_an_export(record: Browsing) -> None:
    """A file of exactly what the filter selects, whose last line says that it is whole."""
    async with record.visitor(Role.AUDITOR) as visitor:
        await visitor.page.goto("/events?status=denied&limit=50")
        await visitor.page.get_by_label("Format").select_option("jsonl")
        await visitor.page.get_by_label("With bodies").check()
        name, content = await visitor.download(
            visitor.page.get_by_role("button", name="Export what this filter selects")
        )
        assert name.startswith("casebell-events-")
        *rows, last = map(json.loads, content.decode().splitlines())
        assert last["export"]["rows"] == len(rows) == 4
        assert {row["status"] for row in rows} == {"denied"}
        assert all("Case Was Denied" in row["body"] for row in rows)


async def test_the_exact_bytes(record: Browsing) -> None:
    """A file for who may have it; the others have no link."""
    ((body,),) = record.server.rows("SELECT body FROM events WHERE id = 6")
    for role in Role:
        async with record.visitor(role) as visitor:
            await visitor.page.goto("/events/6")
            link = visitor.page.get_by_role("link", name="Exact bytes")
            if role in (Role.VIEWER, Role.OPERATOR):
                await expect(link).to_have_count(0)
                continue
            assert await visitor.download(link) == ("events-6-body", body)


async def test_the_box_for_a_receipt(record: Browsing) -> None:
    """From any page to a case, in any spelling."""
    async with record.visitor(Role.VIEWER, width=NARROW) as visitor:
        await visitor.page.goto("/events")
        await (
            visitor.page.get_by_role("search").get_by_label("Receipt number").fill("ioe-0912345678")
        )
        await visitor.page.keyboard.press("Enter")
        await expect(visitor.page).to_have_url(f"{record.server.url}/cases/{RECEIPT}")


async def test_on_paper(record: Browsing) -> None:
    """What became of an event, without what is to be clicked."""
    async with record.visitor(Role.AUDITOR) as visitor:
        await visitor.page.goto("/events/1")
        await visitor.page.emulate_media(media="print")
        for gone in ("Sign out", "Exact bytes", "Look the receipt up at USCIS"):
            await expect(visitor.page.get_by_text(gone)).to_be_hidden()
        for shown in ("Rule “Answer owed” matched", "Alert 1 to json over slack", "Printed 20"):
            await expect(visitor.page.get_by_text(shown)).to_be_visible()
        # A long text is whole on paper.
        await visitor.page.goto("/events/7")
        hidden = "one => one.scrollHeight - one.clientHeight"
        assert await visitor.page.locator(".official").evaluate(hidden) <= 1
        assert (await visitor.page.pdf()).startswith(b"%PDF")


async def test_what_stands_beside_a_hostile_text(record: Browsing) -> None:
    """“when”, as parley reported it: in this order, though the first would turn the line."""
    async with record.visitor(Role.ADMIN) as visitor:
        await visitor.page.goto("/events/6")
        places = await visitor.page.evaluate(
            """() => {
                const cell = [...document.querySelectorAll('.facts div')]
                    .find(one => one.querySelector('dt').textContent === 'When')
                    .querySelector('dd');
                const [first, second] = cell.querySelectorAll('bdi');
                return [first, second].map(one => one.getBoundingClientRect().left);
            }"""
        )
        assert places[0] < places[1]
