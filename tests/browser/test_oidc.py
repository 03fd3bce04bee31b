"""Signing in with the firm's account: a real browser, a real server, oidc-provider-mock."""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browser.axe import problems
from browser.browsing import NARROW, WIDE, Browsing, Visitor
from casebell.actors import Role
from e2e.recipients import free_port
from e2e.sender import deliver
from e2e.server import PROCESS_TIMEOUT, SOURCES, Server
from raw_admin import ask
from waiting import until_sync

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FIRMS_ACCOUNT = "Sign in with your firm's account"
#: Whom the provider knows, by what it says of them.
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "ana": {"preferred_username": "ana@example-firm.com", "groups": ["lawyers", "everybody"]},
    "it": {"email": "it@example-firm.com", "email_verified": True},
    "guest": {"preferred_username": "guest@example-firm.com", "groups": ["everybody"]},
    # As Entra ID has it, in place of more than 200 groups.
    "partner": {
        "preferred_username": "partner@example-firm.com",
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}},
    },
    "hostile": {"preferred_username": "\u202e<script>window.ran=1</script>" + "W" * 20_000},
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The issuer of a provider that runs, as a process of its own."""
    port = free_port()
    people = [f"--user-claims={json.dumps({'sub': name, **PEOPLE[name]})}" for name in PEOPLE]
    listening = ["--host", "localhost", "--port", str(port), "--require-nonce", "true"]
    log = tmp_path_factory.mktemp("provider") / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", *listening, *people],
            stdout=output,
            stderr=output,
        )
    try:
        until_sync(lambda: _listens(port), "the provider")
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(PROCESS_TIMEOUT)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firm(
    browser: Browser, provider: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browsing]:
    """A server whose people sign in there."""
    server = Server(tmp_path_factory.mktemp("firm"), SOURCES)
    try:
        await server.start()
        # Where it is reached is known now.
        server.configure(
            f'{SOURCES}\n[console]\npublic_url = "{server.url}"\n'
            f'[console.oidc]\nissuer = "{provider}"\nclient_id = "casebell"\n'
            'client_secret = "s"\nroles = { "lawyers" = "viewer" }\n'
            'emails = { "it@example-firm.com" = "admin" }\n'
        )
        await ask(server.directory / "casebell.db.sock", "reload")
        yield Browsing(browser, server)
    finally:
        await server.gone()


@asynccontextmanager
async def visiting(
    firm: Browsing, provider: str, *, width: int = WIDE, dark: bool = False, scripts: bool = True
) -> AsyncIterator[Visitor]:
    """A stranger's window, which may go to the provider and back; its style stays elsewhere."""
    home = (f"asked elsewhere: {provider}", f"asked elsewhere: {firm.server.url}")
    async with firm.visitor(None, width=width, dark=dark, scripts=scripts) as visitor:
        await visitor.page.route("https://cdn.jsdelivr.net/**", lambda route: route.abort())
        yield visitor
        visitor.complaints[:] = [
            one
            for one in visitor.complaints
            if not one.startswith((*home, "asked elsewhere: https://cdn.jsdelivr.net/"))
        ]


async def sign_in_as(page: Page, name: str) -> None:
    """Press the button of the form, and at the provider that of somebody."""
    await page.get_by_role("link", name=FIRMS_ACCOUNT).click()
    await page.get_by_role("button", name=name, exact=True).click()


async def test_from_an_alert_to_what_happened(firm: Browsing, provider: str) -> None:
    """The link of the alert, on a phone, without JavaScript; then out again."""
    event = await deliver(firm.server, receipt_number="IOE0912345679")
    async with visiting(firm, provider, width=NARROW, scripts=False) as visitor:
        page, link = visitor.page, f"{firm.server.url}/events/{event['row']}"
        await page.goto(link)
        assert await visitor.overflows() <= 0
        await sign_in_as(page, "ana")
        await expect(page).to_have_url(link)
        assert "IOE0912345679" in await visitor.heading()
        await expect(page.get_by_role("banner")).to_contain_text("ana@example-firm.com")
        kept = {cookie["name"]: cookie for cookie in await page.context.cookies(firm.server.url)}
        assert list(kept) == ["casebell-session"]
        assert (kept["casebell-session"]["httpOnly"], kept["casebell-session"]["sameSite"]) == (
            True,
            "Lax",
        )
        await page.get_by_role("button", name="Sign out").click()
        await page.goto(link)
        assert await visitor.heading() == "Sign in"


async def test_an_address_gives_a_role(firm: Browsing, provider: str) -> None:
    """A verified one, that of an administrator; the account has no password to change."""
    async with visiting(firm, provider) as visitor:
        await visitor.page.goto("/accounts")
        await sign_in_as(visitor.page, "it")
        assert await visitor.heading() == "Accounts"
        await visitor.page.goto("/account")
        main = visitor.page.locator("main")
        await expect(main).to_contain_text("it@example-firm.com")
        await expect(main).to_contain_text(Role.ADMIN)
        await expect(main.get_by_label("Present password")).to_have_count(0)
        assert await problems(visitor.page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_whoever_does_not_get_in(
    firm: Browsing, provider: str, width: int, dark: bool
) -> None:
    """Reads why, and can sign in as somebody else; axe-core finds nothing, and nothing ran."""
    said = {
        "guest": "none of them is known here",
        "partner": "You are in so many groups that it left them all out.",
        "hostile": "nothing that it says of you gives you a role",
    }
    async with visiting(firm, provider, width=width, dark=dark) as visitor:
        page = visitor.page
        await page.goto("/cases?team=rfe")
        assert await problems(page) == []
        assert await visitor.overflows() <= 0
        for name, words in said.items():
            await sign_in_as(page, name)
            assert await visitor.heading() == "Not signed in"
            await expect(page.get_by_role("alert")).to_contain_text(words)
            assert await problems(page) == []
            assert await visitor.overflows() <= 0
            assert await page.evaluate("window.ran === undefined")
            assert await page.context.cookies(firm.server.url) == []
            await page.get_by_role("link", name="Sign in again").click()
            assert await visitor.heading() == "Sign in"
        await sign_in_as(page, "ana")
        await expect(page).to_have_url(f"{firm.server.url}/cases?team=rfe")


async def test_the_provider_says_no(firm: Browsing, provider: str) -> None:
    """In words of its own, which are shown as they are."""
    async with visiting(firm, provider) as visitor:
        page = visitor.page
        await page.goto("/cases")
        await page.get_by_role("link", name=FIRMS_ACCOUNT).click()
        [state] = parse_qs(urlsplit(page.url).query)["state"]
        said = {"error": "access_denied", "error_description": "AADSTS50105: <b>not</b> assigned"}
        # The mock's own button leaves the state out, which no provider may.
        await page.goto(
            f"{firm.server.url}/sign-in/oidc/callback?{urlencode({**said, 'state': state})}"
        )
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("localhost did not let you in. It says: AADSTS50105")
        assert await problems(page) == []


async def test_the_way_back(firm: Browsing, provider: str) -> None:
    """An answer counts once: whoever goes back to it stays signed in, and reads that it is over."""
    answers: list[str] = []
    async with visiting(firm, provider) as visitor:
        page = visitor.page
        page.on(
            "request",
            lambda asked: answers.append(asked.url) if "/callback?" in asked.url else None,
        )
        await page.goto("/cases")
        await sign_in_as(page, "ana")
        await expect(page).to_have_url(f"{firm.server.url}/cases")
        await page.goto(answers[0])
        await expect(page.get_by_role("alert")).to_contain_text("not open in this browser")
        await page.goto("/cases")
        assert await visitor.heading() == "Cases"
    # Somebody who finds it in a history elsewhere.
    async with visiting(firm, provider) as visitor:
        await visitor.page.goto(answers[0])
        await expect(visitor.page.get_by_role("alert")).to_contain_text("not open in this browser")
        await visitor.page.goto("/cases")
        assert await visitor.heading() == "Sign in"


async def test_two_windows(firm: Browsing, provider: str) -> None:
    """The sign-in that began last goes on; the other one says that it does not, and harms none."""
    async with visiting(firm, provider) as visitor:
        first, second = visitor.page, await visitor.page.context.new_page()
        await second.route("https://cdn.jsdelivr.net/**", lambda route: route.abort())
        for page in (first, second):
            await page.goto("/cases")
            await page.get_by_role("link", name=FIRMS_ACCOUNT).click()
        await first.get_by_role("button", name="ana", exact=True).click()
        await expect(first.get_by_role("alert")).to_contain_text("not open in this browser")
        await second.get_by_role("button", name="ana", exact=True).click()
        await expect(second).to_have_url(f"{firm.server.url}/cases")
        await first.get_by_role("link", name="Sign in again").click()
        assert await visitor.heading() == "Cases"
