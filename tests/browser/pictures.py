"""Makes the pictures of the documentation, from the demo: `PYTHONPATH=tests python -m browser.pictures`.

Whatever a page looks like is seen there once this is run again.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page

from browser.browsing import chromium
from casebell.actors import Role
from casebell.sandbox.demo_environment import ACCOUNT, DemoEnvironment, set_up_demo
from casebell.sandbox.fixtures import RFE_RECEIPT
from casebell.sandbox.scenario import SCENARIO
from casebell.sandbox.server_process import run_json

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/pictures"
#: Of a screen with two dots to a pixel: letters stay sharp where a page shows them smaller.
SCALE = 2
#: Of 100; letters have no halo.
QUALITY = 85


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A page, as somebody sees it."""

    name: str
    path: str
    role: Role
    width: int = 1200
    height: int = 760
    dark: bool = False

    @property
    def file(self) -> str:
        """In the folder of pictures."""
        return f"{self.name}.webp"


PICTURES: Sequence[Picture] = (
    Picture(name="today", path="/", role=Role.ADMIN),
    Picture(name="event", path="/events/1", role=Role.VIEWER),
    Picture(
        name="event-phone", path="/events/1", role=Role.VIEWER, width=375, height=760, dark=True
    ),
    Picture(name="why", path="/events/20", role=Role.AUDITOR, height=1500),
    Picture(name="case", path=f"/cases/{RFE_RECEIPT}", role=Role.VIEWER),
    Picture(name="events", path="/events?others=true", role=Role.AUDITOR),
    Picture(name="journal", path="/audit", role=Role.AUDITOR),
    Picture(name="channels", path="/channels", role=Role.ADMIN),
    Picture(name="refused", path="/refused", role=Role.ADMIN, dark=True),
)


async def make(browser: Browser, folder: Path) -> None:
    """Play the demo, and take every picture of it."""
    async with _played() as demo:
        for role in {picture.role for picture in PICTURES}:
            words = ("accounts", "add", f"{ACCOUNT}-{role}", "--role", role, "--password-stdin")
            await run_json(*words, config=demo.config, typed=demo.password)
        for picture in PICTURES:
            await _take(browser, demo, picture, folder)


@asynccontextmanager
async def _played() -> AsyncIterator[DemoEnvironment]:
    async with set_up_demo() as demo:
        await demo.server.start()
        for step in SCENARIO:
            async for _ in step.play(demo):
                pass
        if not demo.server.runs:
            await demo.server.start()
        yield demo


async def _take(browser: Browser, demo: DemoEnvironment, picture: Picture, folder: Path) -> None:
    context = await browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        device_scale_factor=SCALE,
        color_scheme="dark" if picture.dark else "light",
        base_url=demo.server.url,
    )
    try:
        page = await context.new_page()
        await page.goto(f"/sign-in?next={picture.path}")
        await page.get_by_label("Name").fill(f"{ACCOUNT}-{picture.role}")
        await page.get_by_label("Password").fill(demo.password)
        await page.get_by_role("button", name="Sign in").click()
        await page.locator("h1").wait_for()
        content = await _shot(page)
    finally:
        await context.close()
    await asyncio.to_thread((folder / picture.file).write_bytes, content)


async def _shot(page: Page) -> bytes:
    """What is in the window, as WebP, which playwright itself does not write."""
    session = await page.context.new_cdp_session(page)
    shown = await session.send(
        "Page.captureScreenshot",
        {"format": "webp", "quality": QUALITY, "captureBeyondViewport": False},
    )
    return base64.b64decode(shown["data"])


async def main() -> None:
    """Into docs/pictures, or the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    async with chromium("/usr/bin/chromium") as browser:
        await make(browser, folder)


if __name__ == "__main__":
    asyncio.run(main())
