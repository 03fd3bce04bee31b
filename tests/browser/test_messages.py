"""Mail and cards on a phone and on a desk: everything is read without scrolling sideways."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page

from browser.axe import problems
from browser.messages import alert, draw_card, mailed, posted_card
from casebell.alerts import Line, Message, Part
from contracts.channel_contract import HOSTILE_BODY

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

#: A phone's mail program, and one on a desk.
WIDTHS = (390, 1_280)
#: What no program breaks by itself.
LONG_WORD = "https://www.uscis.gov/" + "x" * 300


def hostile() -> Message:
    """What it must stand: words without an end, and markup of every kind."""
    lines = [Line(LONG_WORD, part=Part.SENTENCE), Line("漢" * 200, part=Part.WARNING)]
    lines += [Line(f"USCIS text: “{line} {LONG_WORD}”") for line in HOSTILE_BODY.split("\n")]
    lines += [Line("A" * 200 + ":"), Line(LONG_WORD, part=Part.LINK)]
    lines += [Line(LONG_WORD, part=Part.DETAIL), Line(LONG_WORD, part=Part.FOOTER)]
    return Message.of(LONG_WORD, lines, urgent=True)


@asynccontextmanager
async def window(browser: Browser, *, width: int, dark: bool = False) -> AsyncIterator[Page]:
    """A window that notes what a page asks of the network."""
    context = await browser.new_context(
        viewport={"width": width, "height": 760}, color_scheme="dark" if dark else "light"
    )
    try:
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        yield page
        # A picture from elsewhere would tell its owner who reads, and when.
        assert asked == []
    finally:
        await context.close()


async def overflow(page: Page) -> int:
    """Pixels that stand out on the right."""
    wide: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
async def test_a_mail_is_read_on_any_screen(browser: Browser, width: int, dark: bool) -> None:
    """It is as wide as the screen, its button is for a thumb, and its letters stand out."""
    async with window(browser, width=width, dark=dark) as page:
        await page.set_content(await mailed(alert()))
        assert await overflow(page) == 0
        heading = page.get_by_role("heading")
        assert await heading.inner_text() == "USCIS issued a Request for Evidence."
        button = page.get_by_role("link", name="Open in Casebell")
        box = await button.locator("xpath=..").bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert await problems(page) == []
    async with window(browser, width=width, dark=dark) as page:
        await page.set_content(await mailed(hostile()))
        assert await overflow(page) == 0


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_card_is_read_whole(browser: Browser, width: int) -> None:
    """Teams' own library finds nothing wrong with it, and cuts no text off."""
    for message in (alert(), hostile()):
        async with window(browser, width=width) as page:
            assert await draw_card(page, await posted_card(message)) == []
            cut: list[str] = await page.evaluate(
                "[...document.querySelectorAll('.ac-textBlock')]"
                ".filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText)"
            )
            assert cut == []
            assert await overflow(page) == 0
