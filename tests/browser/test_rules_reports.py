"""Rules and reports in a browser: compare with the file, reload, look at a span, take it along."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from browser.axe import problems
from browser.browsing import NARROW, WIDE, Browsing
from browser.site import CONFIDENTIAL
from casebell.actors import Role

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

#: The hostile name of a rule that the file gets.
NAME = "New <img src=x onerror=window.ran=1>\u202e"


@pytest.fixture
def edited(site: Browsing) -> Iterator[Browsing]:
    """A server whose file has another rule than what is in force; in the end it is as it was."""
    file = site.server.config
    text = file.read_text()
    rule = f'[[rules]]\nname = "{NAME}"\nwhen = {{ tags = ["decision"] }}\nnotify = ["broken"]\n'
    file.write_text(text.replace('notify = ["team", "broken"]', 'notify = ["team", "mail"]') + rule)
    yield site
    file.write_text(text)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_compare_with_the_file(edited: Browsing, width: int, dark: bool) -> None:
    """A button, and then who was told and who would be; legible, and nothing of a name runs."""
    async with edited.visitor(Role.AUDITOR, width=width, dark=dark) as visitor:
        page = visitor.page
        await page.goto("/rules")
        await expect(page.get_by_text("not as it was when it was last taken up")).to_be_visible()
        assert await page.get_by_role("button", name="Reload").count() == 0
        await page.get_by_role("button", name="Compare").click()
        assert page.url.endswith("/rules?over=30d#otherwise")
        sums = await page.get_by_text("would be decided otherwise.").first.inner_text()
        assert re.match(r"Of \d+ changes decided since .* E[SD]T, \d+ would be", sums)
        told = await page.get_by_role("row").filter(has_text="IOE0912345681").inner_text()
        assert 'The rule "New <img src=x onerror=window.ran=1>" is new, and matches' in told
        told = await page.get_by_role("row").filter(has_text=CONFIDENTIAL).inner_text()
        assert 'The rule "RFE <issued>" names mail now.' in told
        assert "\u202e" not in await page.content()
        assert await page.get_by_role("link", name=CONFIDENTIAL).count() == 1
        assert await visitor.overflows() <= 0
        assert await page.evaluate("window.ran === undefined")
        assert await problems(page) == []


async def test_confidential_cases_are_left_out(edited: Browsing) -> None:
    """An operator is not told of another's case, and not in a figure either."""
    looked = {}
    for role in (Role.OPERATOR, Role.ADMIN):
        async with edited.visitor(role) as visitor:
            await visitor.page.goto("/rules?over=30d")
            assert (CONFIDENTIAL in await visitor.page.content()) is (role is Role.ADMIN)
            sums = await visitor.page.get_by_text("would be decided otherwise.").first.inner_text()
            looked[role] = int(sums.split()[1])
    assert looked[Role.ADMIN] == looked[Role.OPERATOR] + 1


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_reload(edited: Browsing, scripts: bool) -> None:
    """What was changed is in force, and the page says so; back again the same way."""
    file = edited.server.config
    async with edited.visitor(Role.OPERATOR, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto("/rules")
        reload = page.get_by_role("button", name="Reload: use the file as it is")
        await reload.click()
        await expect(page.get_by_role("status")).to_contain_text("uses the new configuration")
        await expect(reload).to_have_count(0)
        row = page.get_by_role("row", name="tag decision")
        assert "New <img" in await row.inner_text()
        before = file.read_text()
        file.write_text(before.partition(f'[[rules]]\nname = "{NAME[:5]}')[0])
        await page.goto("/rules")
        await reload.click()
        await expect(row).not_to_contain_text("New <img")


async def test_a_file_that_cannot_be_used(edited: Browsing) -> None:
    """Its problems stand there; what is in force is shown as before."""
    file = edited.server.config
    file.write_text(file.read_text().replace('notify = ["team", "mail"]', 'notify = ["teem"]', 1))
    async with edited.visitor(Role.OPERATOR, width=NARROW) as visitor:
        await visitor.page.goto("/rules?over=30d")
        told = visitor.page.get_by_role("alert")
        await expect(told).to_contain_text("rules[1].notify[1]: There is no such channel.")
        assert await visitor.page.get_by_role("row", name="status denied").count() == 1
        assert await problems(visitor.page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_a_report(site: Browsing, width: int, dark: bool) -> None:
    """Pictures that say what they are, as wide as there is room; the table beside them."""
    async with site.visitor(Role.VIEWER, width=width, dark=dark) as visitor:
        page = visitor.page
        await page.goto("/reports?since=2025-01&until=2025-12")
        for title in ("Receipts", "Requests for evidence", "Approvals", "Denials"):
            picture = page.get_by_role("img", name=title)
            box = await picture.bounding_box()
            assert box
            assert 300 <= box["width"] <= width
        row = page.get_by_role("row", name="2025-01")
        assert (await row.inner_text()).split()[:3] == ["2025-01", "partial", "1"]
        # On either ground a bar is seen: its colour is not that of what is behind it.
        colours = await page.locator("rect.bar").first.evaluate(
            "bar => [getComputedStyle(bar).stroke, getComputedStyle(document.body).backgroundColor]"
        )
        assert colours[0] != colours[1]
        assert await visitor.overflows() <= 0
        assert await problems(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_span_and_its_file(site: Browsing, scripts: bool) -> None:
    """The months that were chosen are in the address, on the page and in the file."""
    async with site.visitor(Role.VIEWER, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto("/reports")
        await page.get_by_label("First month").fill("2025-10")
        await page.get_by_label("Last month").fill("2025-11")
        await page.get_by_role("button", name="Show").click()
        assert page.url.endswith("/reports?since=2025-10&until=2025-11")
        shown = await page.locator("tbody th").all_inner_texts()
        assert [one.split()[0] for one in shown] == ["2025-10", "2025-11"]
        name, content = await visitor.download(page.get_by_role("button", name="as CSV"))
        assert re.fullmatch(r"casebell-reports-\d{4}-\d\d-\d\d\.csv", name)
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert [row["month"] for row in rows] == ["2025-10", "2025-11", "in all"]
        total = (await page.locator("tfoot td").first.inner_text()).strip()
        assert rows[-1]["received"] == total


async def test_in_print(site: Browsing) -> None:
    """The pictures and the table, without what can only be pressed; whole, and on white."""
    async with site.visitor(Role.VIEWER) as visitor:
        page = visitor.page
        await page.goto("/reports?since=2025-01&until=2025-12")
        await page.emulate_media(media="print")
        assert await page.get_by_role("img").count() == 5
        assert await page.locator("form:visible, nav:visible").count() == 0
        width = await page.locator(".chart").first.evaluate("one => one.clientWidth")
        assert width > 200
