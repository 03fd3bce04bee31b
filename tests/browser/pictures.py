"""Makes the pictures of the documentation: pages from the demo, and a message as it arrives.

`PYTHONPATH=tests python -m browser.pictures` writes docs/pictures anew, after a change of pages or
messages.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page

from browser.browsing import chromium
from browser.messages import alert, draw_card, mailed, posted_card
from casebell.actors import Role
from casebell.sandbox.demo_environment import ACCOUNT, DemoEnvironment, set_up_demo
from casebell.sandbox.fixtures import RFE_RECEIPT
from casebell.sandbox.scenario import SCENARIO
from casebell.sandbox.server_process import run_json

FOLDER = Path(__file__).parents[2] / "docs/pictures"
#: Dots to a pixel: letters stay sharp where a page shows a picture smaller.
SCALE = 2
#: Of 100: letters have no halo.
QUALITY = 85
#: Bytes of a picture at most.
MAX_SIZE = 150_000
#: A message of the demo whose first attempt failed, and what it has for the attorney.
RETRIED, RFE = "evt-1010", "evt-1001"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """What somebody sees in a window."""

    name: str
    width: int = 1200
    height: int = 720
    dark: bool = False

    @property
    def file(self) -> str:
        """In the folder of pictures."""
        return f"{self.name}.webp"


@dataclass(frozen=True, kw_only=True, slots=True)
class PagePicture(Picture):
    """A page of the console."""

    #: With the key of an event in braces where its number belongs.
    path: str
    role: Role


@dataclass(frozen=True, kw_only=True, slots=True)
class MessagePicture(Picture):
    """A message where it arrives."""

    draw: Callable[[Page], Awaitable[object]]


PAGES: Sequence[PagePicture] = (
    # Before everybody else signs in, which goes on record.
    PagePicture(name="journal", path="/audit", role=Role.AUDITOR),
    PagePicture(name="today", path="/", role=Role.ADMIN),
    PagePicture(name="queue", path="/queue", role=Role.VIEWER, height=500),
    PagePicture(name="event", path=f"/events/{{{RFE}}}", role=Role.VIEWER, height=500),
    PagePicture(name="phone", path=f"/events/{{{RFE}}}", role=Role.VIEWER, width=375, dark=True),
    PagePicture(name="case", path=f"/cases/{RFE_RECEIPT}", role=Role.VIEWER, height=500),
    PagePicture(name="why", path=f"/events/{{{RETRIED}}}", role=Role.AUDITOR, height=1320),
    PagePicture(name="events", path="/events", role=Role.AUDITOR),
    PagePicture(name="channels", path="/channels", role=Role.ADMIN),
    PagePicture(name="rules", path="/rules", role=Role.ADMIN),
    PagePicture(name="upstream", path="/upstream", role=Role.ADMIN, height=640),
    PagePicture(name="reports", path="/reports", role=Role.VIEWER, height=640),
    PagePicture(name="refused", path="/refused/1", role=Role.ADMIN, height=420, dark=True),
)


async def _draw_mail(page: Page) -> None:
    await page.set_content(await mailed(alert()))


async def _draw_card(page: Page) -> None:
    await draw_card(page, await posted_card(alert()))


MESSAGES: Sequence[MessagePicture] = (
    MessagePicture(name="mail", draw=_draw_mail, width=1280, height=600),
    MessagePicture(name="mail-phone", draw=_draw_mail, width=390, height=760, dark=True),
    MessagePicture(name="teams", draw=_draw_card, width=760, height=450),
)
PICTURES: Sequence[Picture] = (*PAGES, *MESSAGES)


async def make_pictures(browser: Browser, folder: Path) -> None:
    """Play the demo, and take every picture of it."""
    async with _played() as demo:
        numbers = {
            event["key"]: event["id"]
            for event in await run_json("events", "list", "--limit", "500", config=demo.config)
        }
        for role in {picture.role for picture in PAGES}:
            words = ("accounts", "add", _name(role), "--role", role, "--password-stdin")
            await run_json(*words, config=demo.config, typed=demo.password)
        for picture in PAGES:
            async with _window(browser, picture, base_url=demo.server.url) as page:
                await _open(page, demo, picture, numbers)
                await _take(page, folder / picture.file)
    await make_message_pictures(browser, folder)


async def make_message_pictures(browser: Browser, folder: Path) -> None:
    """Send a message over real channels, and take a picture of what arrived."""
    for picture in MESSAGES:
        async with _window(browser, picture) as page:
            await picture.draw(page)
            await _take(page, folder / picture.file)


def _name(role: Role) -> str:
    return f"{ACCOUNT}-{role}"


@asynccontextmanager
async def _played() -> AsyncIterator[DemoEnvironment]:
    """The demo after its last step, with its server up again."""
    async with set_up_demo() as demo:
        await demo.server.start()
        for step in SCENARIO:
            async for _ in step.play(demo):
                pass
        if not demo.server.runs:
            await demo.server.start()
        await demo.register_cases()
        yield demo


@asynccontextmanager
async def _window(
    browser: Browser, picture: Picture, *, base_url: str | None = None
) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        device_scale_factor=SCALE,
        color_scheme="dark" if picture.dark else "light",
        base_url=base_url,
    )
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _open(
    page: Page, demo: DemoEnvironment, picture: PagePicture, numbers: Mapping[str, int]
) -> None:
    """Sign in, and go to the page."""
    await page.goto("/sign-in")
    await page.get_by_label("Name").fill(_name(picture.role))
    await page.get_by_label("Password").fill(demo.password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{demo.server.url}/")
    answer = await page.goto(picture.path.format_map(numbers))
    assert answer is not None
    assert answer.ok, f"{picture.path}: {answer.status}"


async def _take(page: Page, path: Path) -> None:
    """Keep what is in the window as WebP, which playwright itself does not write."""
    chromes = await page.context.new_cdp_session(page)
    shown = await chromes.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    await asyncio.to_thread(path.write_bytes, base64.b64decode(shown["data"]))


async def main() -> None:
    """Into docs/pictures, or the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    async with chromium("/usr/bin/chromium") as browser:
        await make_pictures(browser, folder)


if __name__ == "__main__":
    asyncio.run(main())
