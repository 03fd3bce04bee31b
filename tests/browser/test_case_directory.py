"""A list of cases in a browser, with JavaScript and without: looked at, imported, one edited."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.axe import problems
from browser.browsing import NARROW, WIDE, Browsing
from casebell.actors import Role

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

LIST = """receipt;Responsible Attorney;Title;Client SSN
{};Jia Chan;Gomez <img src=x onerror=window.ran=1>;078-05-1120
IOE1;Jia Chan;Kim;078-05-1121
"""


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_a_list(site: Browsing, tmp_path: Path, width: int, scripts: bool) -> None:
    """A file is chosen and looked at, the rows that were shown are imported, a case is edited."""
    receipt = f"IOE09123{width:04d}{scripts:d}"
    file = tmp_path / "export.csv"
    file.write_bytes(LIST.format(receipt).encode("utf-16"))
    async with site.visitor(Role.OPERATOR, width=width, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto("/cases")
        await page.get_by_role("link", name="Import a list of cases").click()
        await page.get_by_label("The list").set_input_files(file)
        await page.get_by_role("button", name="Look at it").click()
        await expect(page.get_by_role("heading", name="What this list would")).to_be_visible()
        await expect(page.get_by_text("Client SSN")).to_be_visible()
        await expect(page.get_by_text("078-05")).to_have_count(0)
        await expect(page.get_by_role("cell", name="three letters")).to_be_visible()
        assert await visitor.overflows() <= 0
        if scripts:
            assert await problems(page) == []
        await page.get_by_role("button", name="Import 1 case").click()
        await expect(page.get_by_role("status")).to_contain_text("1 case in the list: 1 new")
        await page.goto(f"/cases/{receipt}")
        await page.get_by_text("Change what we say of this case").click()
        await page.get_by_label("Team").fill("rfe")
        await page.get_by_label("Confidential").select_option("no")
        if scripts:
            assert await problems(page) == []
        assert await visitor.overflows() <= 0
        await page.get_by_role("button", name="Change", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("is as you said")
        await expect(page.locator("dl.facts")).to_contain_text("rfe")
        if scripts:
            assert await page.evaluate("window.ran === undefined")
