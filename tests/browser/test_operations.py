"""The buttons of operations, pressed: what they do, and what the page says of it."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from browser.browsing import NARROW, Browsing, Visitor
from casebell.actors import Role

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BOTH = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])


def state_of(site: Browsing, alert: int) -> tuple[str, bool]:
    """The state of an alert, and whether it was dismissed."""
    sql = "SELECT state, dismissed_at IS NOT NULL FROM alerts WHERE id = ?"
    ((state, dismissed),) = site.server.rows(sql, alert)
    return str(state), bool(dismissed)


async def failed(visitor: Visitor) -> list[int]:
    """The numbers of the failed alerts that can be ticked, the newest first."""
    await visitor.page.goto("/alerts?outstanding=true")
    boxes = await visitor.page.locator("input[name=ids]").all()
    return [int(await box.get_attribute("value") or "") for box in boxes]


@BOTH
async def test_tick_and_dismiss(site: Browsing, scripts: bool) -> None:
    """Those that were ticked, with a note; the filter stays as it was."""
    async with site.visitor(Role.OPERATOR, width=NARROW, scripts=scripts) as visitor:
        first, second, *_ = await failed(visitor)
        for number in (first, second):
            await visitor.page.get_by_label(f"Alert {number}", exact=True).check()
        await visitor.page.get_by_label("Note for the record").fill("Called them: “é” <b>")
        await visitor.page.get_by_role("button", name="Dismiss the ticked ones").click()
        told = visitor.page.get_by_role("status")
        await expect(told).to_have_text("2 alerts: dismissed, and kept on record.")
        assert visitor.page.url.endswith("/alerts?outstanding=true")
        assert {state_of(site, one) for one in (first, second)} == {("failed", True)}
        await visitor.page.reload()
        await expect(told).to_have_count(0)


@BOTH
async def test_send_again(site: Browsing, scripts: bool) -> None:
    """A failed alert is on its way again; its history has who asked for it, and why."""
    sql = (
        "SELECT alerts.id FROM alerts JOIN events ON events.id = alerts.event_id "
        "WHERE state = 'failed' AND dismissed_at IS NULL AND receipt LIKE 'IOE09123456%'"
    )
    number = site.server.rows(sql)[-1][0]
    async with site.visitor(Role.OPERATOR, scripts=scripts) as visitor:
        await visitor.page.goto("/alerts?outstanding=true")
        await visitor.page.get_by_label(f"Alert {number}", exact=True).check()
        await visitor.page.get_by_label("Note for the record").fill("The channel is mended.")
        await visitor.page.get_by_role("button", name="Send the ticked ones again").click()
        told = visitor.page.get_by_role("status")
        await expect(told).to_have_text(f"Alert {number}: will be sent again.")
    ((event,),) = site.server.rows("SELECT event_id FROM alerts WHERE id = ?", number)
    async with site.visitor(Role.OPERATOR) as visitor:
        await visitor.page.goto(f"/events/{event}")
        text = await visitor.page.locator("main").inner_text()
        assert "The channel is mended." in text
        assert "account:operator" in text


@BOTH
async def test_send_all_again(site: Browsing, scripts: bool) -> None:
    """All that failed over a channel, by its filter; every box can be ticked by a link as well."""
    async with site.visitor(Role.OPERATOR, width=NARROW, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto("/alerts?channel=broken&state=failed&outstanding=true")
        boxes = page.locator("input[name=ids]")
        count = await boxes.count()
        await page.get_by_role("link", name="Tick all shown").click()
        await expect(page.locator("input[name=ids]:checked")).to_have_count(count)
        await page.get_by_text("Send all again that failed and that this filter selects").click()
        await page.get_by_label("Note on all of them").fill("The channel is mended.")
        await page.get_by_role("button", name="Send all of them again").click()
        told = page.get_by_role("status")
        await expect(told).to_have_text(f"{count} alerts: will be sent again.")
        assert "ticked" not in page.url
    await site.server.settled()


@BOTH
async def test_from_today_to_the_lists(site: Browsing, scripts: bool) -> None:
    """Each part leads to its list; an attorney reads the same facts without the ways there."""
    async with site.visitor(Role.OPERATOR, width=NARROW, scripts=scripts) as visitor:
        for link, path in (
            ("deliveries held", "/held"),
            ("The queue", "/queue"),
            ("failed alerts", "/alerts?outstanding=true"),
            ("broken", "/channels#broken"),
            ("signature mismatch", "/refused?source=parley"),
        ):
            await visitor.page.goto("/")
            await visitor.page.locator("main").get_by_role("link", name=link).first.click()
            await expect(visitor.page).to_have_url(site.server.url + path)
    async with site.visitor(Role.VIEWER, width=NARROW, scripts=scripts) as visitor:
        await visitor.page.goto("/")
        note = visitor.page.get_by_role("note", name="Not everything is in here")
        await expect(note).to_contain_text("What they say is in no case.")
        await expect(note.get_by_role("link")).to_have_count(0)


@BOTH
async def test_register_cases(site: Browsing, scripts: bool) -> None:
    """The page says what came of it, in place where there are scripts."""
    async with site.visitor(Role.OPERATOR, width=NARROW, scripts=scripts) as visitor:
        page = visitor.page
        # Those of another case are missing each time.
        receipt = f"IOE07777777{'71' if scripts else '72'}"
        await site.import_cases(f"receipt\n{receipt}\n")
        await page.goto("/upstream")
        if scripts:
            await page.evaluate("window.here = 1")
        await page.get_by_role("button", name="Register the cases of parley").click()
        told = page.get_by_role("status")
        await expect(told).to_contain_text("registered with parley")
        assert page.url.endswith("/upstream")
        if scripts:
            assert await page.evaluate("window.here") == 1
        parley = page.get_by_role("region", name="parley")
        await expect(parley.get_by_text("none", exact=True).first).to_be_visible()


@BOTH
async def test_test_a_channel(site: Browsing, scripts: bool) -> None:
    """The result for each target, in place where there are scripts."""
    async with site.visitor(Role.OPERATOR, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto("/channels")
        if scripts:
            await page.evaluate("window.here = 1")
        for name, said in (
            ("team", "team → json: delivered."),
            ("broken", "broken → json: not delivered. "),
        ):
            await page.get_by_role("button", name=f"Test {name}").click()
            await expect(page.get_by_role("status")).to_contain_text(said)
        assert page.url.endswith("/channels")
        if scripts:
            assert await page.evaluate("window.here") == 1, "the page was loaded anew"


async def test_a_test_under_way(site: Browsing) -> None:
    """A channel of many targets takes its time: meanwhile the button cannot be pressed again."""
    async with site.visitor(Role.OPERATOR) as visitor:
        page, go_on = visitor.page, asyncio.Event()

        async def hold(route: Route) -> None:
            await go_on.wait()
            await route.continue_()

        await page.goto("/channels")
        await page.route("**/channels/team/test", hold)
        button = page.get_by_role("button", name="Test team")
        await button.click()
        await expect(button).to_be_disabled()
        go_on.set()
        await expect(page.get_by_role("status")).to_contain_text("json: delivered.")
        await expect(button).to_be_enabled()


async def test_hold_and_release(site: Browsing) -> None:
    """A body is shown as it came; what is still not understood says why; one is discarded."""
    async with site.visitor(Role.OPERATOR) as visitor:
        page = visitor.page
        await page.goto("/held")
        await page.locator("summary").last.click()
        await expect(page.locator("pre").last).to_contain_text("not json")
        await page.get_by_label("Held delivery 1", exact=True).check()
        await page.get_by_role("button", name="Release the ticked ones").click()
        told = page.get_by_role("status")
        await expect(told).to_contain_text("Held delivery 1 still cannot be understood")
        await page.get_by_label("Held because of").select_option("invalid_json")
        await page.get_by_role("button", name="Release all of these").click()
        await expect(told).to_contain_text("still cannot be understood")
        await page.get_by_role("row", name="not json").get_by_role("button", name="Discard").click()
        await expect(told).to_have_text("Held delivery 1 is discarded; its body is kept.")
        await page.get_by_label("State").select_option("discarded")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("tbody tr")).to_have_count(1)


async def test_refused_and_why(site: Browsing) -> None:
    """The likely cause of one, and checking it again."""
    async with site.visitor(Role.OPERATOR) as visitor:
        page = visitor.page
        await page.goto("/refused")
        await page.get_by_role("link", name="Why 1 was refused", exact=True).click()
        assert await visitor.heading() == "Refused delivery 1"
        await expect(page.locator("dl")).to_contain_text("What to do")
        await page.get_by_role("button", name="Check again with today's secrets").click()
        await expect(page.get_by_role("status")).to_contain_text("still does not authenticate")


async def test_an_auditor_looks(site: Browsing) -> None:
    """The same pages, without anything to press but filters and exports."""
    async with site.visitor(Role.AUDITOR) as visitor:
        for path in ("/alerts", "/channels", "/held", "/refused", "/refused/1", "/servers"):
            await visitor.page.goto(path)
            buttons = await visitor.page.locator("main button").all_inner_texts()
            assert set(buttons) <= {"Show", "Export all alerts"}, path
            assert await visitor.page.locator("main input[type=checkbox][name=ids]").count() == 0


async def test_utc(site: Browsing) -> None:
    """One press shows each time in UTC; the next the firm's again, on the same page."""
    async with site.visitor(Role.VIEWER) as visitor:
        page = visitor.page
        await page.goto("/events?status=rfe_issued")
        assert " EST" in (await visitor.column("Received"))[0]
        await page.get_by_role("button", name="Times: America/New_York").click()
        assert page.url.endswith("/events?status=rfe_issued")
        assert all(one.endswith(" UTC") for one in await visitor.column("Received"))
        await page.get_by_role("button", name="Times: UTC").click()
        assert " EST" in (await visitor.column("Received"))[0]
