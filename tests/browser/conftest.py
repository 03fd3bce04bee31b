"""A browser and a server for the tests of a module."""

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from browser.browsing import Browsing, chromium
from browser.site import running_site
from casebell.sandbox.http_sink import HttpSink
from e2e.server import SOURCES, Server

#: One rule that matches and one that does not.
RULES = """
[channels.slack]
url = "json://127.0.0.1:{port}/"
pace = "0s"

[[rules]]
name = "Answer owed"
when = {{ status = ["rfe_issued"] }}
notify = ["slack"]
urgent = true

[[rules]]
name = "Denied"
when = {{ status = ["denied"] }}
notify = ["slack"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, as Debian has it."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs chromium")
    async with chromium(path) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browsing(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browsing]:
    """A server that runs, with its accounts; nothing was delivered yet."""
    async with HttpSink() as sink:
        server = Server(tmp_path_factory.mktemp("browsing"), SOURCES + RULES.format(port=sink.port))
        try:
            await server.start()
            made = Browsing(browser, server)
            await made.add_accounts()
            yield made
        finally:
            await server.gone()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browsing]:
    """A server with events of every fate, and hostile texts among them."""
    async with running_site(tmp_path_factory.mktemp("site"), browser) as running:
        yield running
