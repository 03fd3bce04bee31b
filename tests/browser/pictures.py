"""Makes the pictures of the documentation, from the demo.

`PYTHONPATH=tests python -m browser.pictures` writes docs/pictures anew, after a change of pages.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser

from browser.browsing import chromium
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
    """A page, as somebody sees it."""

    name: str
    #: With the key of an event in braces where its number belongs.
    path: str
    role: Role
    width: int = 1200
    height: int = 720
    dark: bool = False

    @property
    def file(self) -> str:
        """In the folder of pictures."""
        return f"{self.name}.webp"


PICTURES: Sequence[Picture] = (
    # Before everybody else signs in, which goes on record.
    Picture(name="journal", path="/audit", role=Role.AUDITOR),
    Picture(name="today", path="/", role=Role.ADMIN),
    Picture(name="event", path=f"/events/{{{RFE}}}", role=Role.VIEWER, height=500),
    Picture(name="phone", path=f"/events/{{{RFE}}}", role=Role.VIEWER, width=375, dark=True),
    Picture(name="case", path=f"/cases/{RFE_RECEIPT}", role=Role.VIEWER, height=500),
    Picture(name="why", path=f"/events/{{{RETRIED}}}", role=Role.AUDITOR, height=1320),
    Picture(name="events", path="/events", role=Role.AUDITOR),
    Picture(name="channels", path="/channels", role=Role.ADMIN),
    Picture(name="rules", path="/rules", role=Role.ADMIN),
    Picture(name="reports", path="/reports", role=Role.VIEWER, height=640),
    Picture(name="refused", path="/refused/1", role=Role.ADMIN, height=420, dark=True),
)


async def make_pictures(browser: Browser, folder: Path) -> None:
    """Play the demo, and take every picture of it."""
    async with _played() as demo:
        numbers = {
            event["key"]: event["id"]
            for event in await run_json("events", "list", "--limit", "500", config=demo.config)
        }
        for role in {picture.role for picture in PICTURES}:
            words = ("accounts", "add", _name(role), "--role", role, "--password-stdin")
            await run_json(*words, config=demo.config, typed=demo.password)
        for picture in PICTURES:
            content = await _take(browser, demo, picture, numbers)
            await asyncio.to_thread((folder / picture.file).write_bytes, content)


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
        yield demo


async def _take(
    browser: Browser, demo: DemoEnvironment, picture: Picture, numbers: Mapping[str, int]
) -> bytes:
    """What is in the window, as WebP, which playwright itself does not write."""
    context = await browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        device_scale_factor=SCALE,
        color_scheme="dark" if picture.dark else "light",
        base_url=demo.server.url,
    )
    try:
        page = await context.new_page()
        await page.goto("/sign-in")
        await page.get_by_label("Name").fill(_name(picture.role))
        await page.get_by_label("Password").fill(demo.password)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{demo.server.url}/")
        answer = await page.goto(picture.path.format_map(numbers))
        assert answer is not None
        assert answer.ok, f"{picture.path}: {answer.status}"
        chromes = await context.new_cdp_session(page)
        shown = await chromes.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        return base64.b64decode(shown["data"])
    finally:
        await context.close()


async def main() -> None:
    """Into docs/pictures, or the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    async with chromium("/usr/bin/chromium") as browser:
        await make_pictures(browser, folder)


if __name__ == "__main__":
    asyncio.run(main())
