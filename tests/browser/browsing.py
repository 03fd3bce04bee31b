"""A real browser before a real server: whoever is signed in clicks, types and downloads."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from casebell.actors import Role
from e2e.server import Server
from raw_admin import ask

#: Of every account.
PASSWORD = "correct horse battery staple"
#: Keeps it from asking anybody for anything.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: A desk's screen and a phone's.
WIDE, NARROW = 1_440, 375


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Browser]:
    """The browser that the system has."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


class Browsing:
    """A browser, and a server that has an account for each role: `viewer` and so on."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self._browser = browser
        self.server = server
        self._signed_in: dict[Role, Any] = {}

    async def add_accounts(self) -> None:
        """One for each role."""
        socket = self.server.directory / "casebell.db.sock"
        for role in Role:
            await ask(socket, "add_account", name=role, role=role, password=PASSWORD)

    async def import_cases(self, text: str) -> None:
        """Import a list of cases."""
        file = self.server.directory / "cases.csv"
        file.write_text(text)
        ran = await self.server.run("cases", "import", str(file))
        assert ran.code == 0, ran.err

    @asynccontextmanager
    async def visitor(
        self,
        role: Role | None,
        *,
        width: int = WIDE,
        dark: bool = False,
        scripts: bool = True,
    ) -> AsyncIterator["Visitor"]:
        """A window of its own; in the end no page may have complained of anything.

        Args:
            role: of whoever is signed in; None for a stranger.
            scripts: whether the browser runs JavaScript.
        """
        context = await self._browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            base_url=self.server.url,
            storage_state=None if role is None else await self._state(role),
        )
        visitor = await Visitor.of(context)
        try:
            yield visitor
        finally:
            await context.close()
        assert visitor.complaints == []

    async def _state(self, role: Role) -> Any:
        if role not in self._signed_in:
            async with self.visitor(None) as visitor:
                await visitor.page.goto("/sign-in")
                await visitor.sign_in(role)
                self._signed_in[role] = await visitor.page.context.storage_state()
        return self._signed_in[role]


class Visitor:
    """One window."""

    def __init__(self, page: Page) -> None:
        self.page = page
        #: What scripts, styles and the page's policy had to complain of, and dialogs.
        self.complaints: list[str] = []

    @classmethod
    async def of(cls, context: BrowserContext) -> "Visitor":
        """A new window."""
        visitor = cls(await context.new_page())
        page = visitor.page
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        page.on("dialog", lambda dialog: visitor.complaints.append(dialog.message))
        page.on("console", visitor._heard)
        page.on("request", visitor._asked)
        return visitor

    def _asked(self, request: Any) -> None:
        """Note what a page asks of another server than its own."""
        asked, here = urlsplit(request.url), urlsplit(self.page.url)
        web = ("http", "https")
        # A page of the browser's own, such as that of an error, has no server.
        home = here.netloc if here.scheme in web else asked.netloc
        if asked.scheme in web and asked.netloc != home:
            self.complaints.append(f"asked elsewhere: {request.url[:200]}")

    def _heard(self, message: Any) -> None:
        # That an answer is an error is no fault of the page.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    async def sign_in(self, name: str) -> None:
        """Fill the form in."""
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()

    async def heading(self) -> str:
        """The h1."""
        return await self.page.locator("h1").inner_text()

    async def column(self, label: str) -> Sequence[str]:
        """The cells of a list under a heading."""
        return await self.page.locator(f'td[data-label="{label}"]').all_inner_texts()

    async def download(self, button: Any) -> tuple[str, bytes]:
        """Press what gives a file; its name, and what is in it."""
        async with self.page.expect_download() as waiting:
            await button.click()
        given = await waiting.value
        content = await asyncio.to_thread(Path(await given.path()).read_bytes)
        return given.suggested_filename, content

    async def overflows(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(
            await self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )
