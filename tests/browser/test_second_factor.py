"""The second factor and accounts in a browser: with its keyboard, with paper, without scripts."""

import re
import time

import pytest
from playwright.async_api import Error, Page, expect
from pyotp import TOTP

from browser.axe import problems
from browser.browsing import NARROW, PASSWORD, WIDE, Browsing, Visitor
from casebell.actors import Role
from raw_admin import ask

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NEW = "another correct horse"
#: Both widths, light and dark, with scripts and without.
WINDOWS = pytest.mark.parametrize(
    ("width", "dark", "scripts"),
    [(NARROW, True, True), (WIDE, False, True), (NARROW, False, False)],
    ids=["phone, dark", "desk, light", "phone, without scripts"],
)


async def add(browsing: Browsing, name: str, role: Role = Role.VIEWER) -> None:
    """An account of a test's own."""
    socket = browsing.server.directory / "casebell.db.sock"
    await ask(socket, "add_account", name=name, role=role, password=PASSWORD)


def shown(secret: str, *, early: int = 0) -> str:
    """The code on an authenticator whose clock is that many intervals ahead."""
    return TOTP(secret).at(time.time() + 30 * early)


async def legible(visitor: Visitor, *, scripts: bool = True) -> None:
    """One h1, as wide as the window; axe-core, which is a script, finds nothing."""
    await visitor.page.wait_for_load_state()
    assert await visitor.page.locator("h1").count() == 1
    if scripts:
        assert await visitor.overflows() <= 0, visitor.page.url
        assert await problems(visitor.page) == [], visitor.page.url


async def sign_out(page: Page) -> None:
    """From whichever page."""
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page).to_have_url(re.compile(r"/sign-in$"))


@WINDOWS
async def test_from_the_first_to_the_last(
    browsing: Browsing, width: int, dark: bool, scripts: bool
) -> None:
    """Set up, asked for, replaced by a recovery code, given up: each page is legible."""
    name = f"ana-{width}-{scripts}"
    await add(browsing, name)
    async with browsing.visitor(None, width=width, dark=dark, scripts=scripts) as visitor:
        page = visitor.page
        await page.goto("/account")
        await visitor.sign_in(name)
        await legible(visitor, scripts=scripts)
        await page.get_by_role("link", name="Set it up").click()
        await legible(visitor, scripts=scripts)
        await page.get_by_label("Your password").fill(PASSWORD)
        await page.get_by_role("button", name="Set it up").click()
        picture = page.get_by_role("img", name="QR code of the key below")
        box = await picture.locator("svg").bounding_box()
        assert box is not None
        # Large enough for a camera, and whole.
        assert 200 <= box["width"] <= width
        assert box["width"] == pytest.approx(box["height"], abs=1)
        await legible(visitor, scripts=scripts)
        secret = (await page.locator("code.key").inner_text()).replace(" ", "")
        await page.get_by_label("Code of six digits").fill("12345")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("not the code")
        await expect(page.get_by_label("Code of six digits")).to_be_focused()
        await legible(visitor, scripts=scripts)
        await page.get_by_label("Code of six digits").fill(shown(secret))
        await page.keyboard.press("Enter")
        codes = page.get_by_role("list", name="Recovery codes").locator("li")
        await expect(codes).to_have_count(10)
        recovery = await codes.all_inner_texts()
        await legible(visitor, scripts=scripts)
        await page.emulate_media(media="print")
        await expect(page.get_by_text(recovery[9])).to_be_visible()
        await expect(page.get_by_text("I have kept them")).to_be_hidden()
        await page.emulate_media(media="screen")
        await page.get_by_role("link", name="I have kept them").click()
        assert await _back(page, recovery[0])

        await page.goto("/account")
        await sign_out(page)
        await visitor.sign_in(name)
        field = page.get_by_label("Code of six digits")
        await expect(field).to_be_focused()
        await legible(visitor, scripts=scripts)
        await field.fill(shown(secret, early=1))
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{browsing.server.url}/")

        await sign_out(page)
        await visitor.sign_in(name)
        await page.get_by_text("The authenticator is not at hand").click()
        await legible(visitor, scripts=scripts)
        await page.get_by_label("Recovery code").fill(recovery[4].upper())
        await page.get_by_role("button", name="Sign in with it").click()
        await expect(page.get_by_role("status")).to_contain_text("9 of your recovery codes are")

        await page.goto("/second-factor")
        for summary in ("Set up another authenticator", "Make new recovery codes", "Turn it off"):
            await page.get_by_text(summary).click()
        await legible(visitor, scripts=scripts)
        await page.locator("#off-password").fill("wrong" * 3)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("not your present password")
        # What was open still is.
        await page.locator("#off-password").fill(PASSWORD)
        await page.get_by_role("button", name="Turn off").click()
        await expect(page.get_by_role("status")).to_contain_text("Your second factor is off.")
        await legible(visitor, scripts=scripts)


async def _back(page: Page, code: str) -> bool:
    """Whether the browser does not show what was shown once, when somebody goes back."""
    try:
        await page.go_back()
    except Error:
        # It would have to send the form again.
        await page.wait_for_url("chrome-error://chromewebdata/")
    return code not in await page.content()


async def test_a_password_of_ones_own(browsing: Browsing) -> None:
    """What the browser can check it checks before anything is sent; two browsers, one stays."""
    await add(browsing, "mo")
    async with browsing.visitor(None) as elsewhere, browsing.visitor(None) as visitor:
        for one in (elsewhere, visitor):
            await one.page.goto("/account")
            await one.sign_in("mo")
            # Not before the page is there, which another navigation would break off.
            await expect(one.page.locator("h1")).to_have_text("Your account")
        page = visitor.page
        await page.reload()
        assert await visitor.column("Since") != []
        await page.get_by_role("button", name="Sign out everywhere else").click()
        await expect(page.get_by_role("status")).to_contain_text("signed out everywhere else")
        await elsewhere.page.reload()
        await expect(elsewhere.page).to_have_url(re.compile(r"/sign-in\?next=%2Faccount$"))
        await page.get_by_label("Present password").fill(PASSWORD)
        await page.get_by_label("New password").fill("short")
        await page.get_by_label("The new one again").fill("short")
        await page.get_by_role("button", name="Change it").click()
        assert await page.locator("#new:invalid").count() == 1
        await page.get_by_label("New password").fill(NEW)
        await page.get_by_label("The new one again").fill(NEW + "!")
        await page.get_by_role("button", name="Change it").click()
        await expect(page.get_by_role("alert")).to_contain_text("two different new passwords")
        await page.get_by_label("Present password").fill(PASSWORD)
        await page.get_by_label("New password").fill(NEW)
        await page.get_by_label("The new one again").fill(NEW)
        await page.get_by_role("button", name="Change it").click()
        await expect(page.get_by_role("status")).to_contain_text("Your password is changed")


@WINDOWS
async def test_accounts(browsing: Browsing, width: int, dark: bool, scripts: bool) -> None:
    """An admin adds one, and its owner signs in with what the page showed; then it is ended."""
    name = f"new-{width}-{scripts}"
    async with (
        browsing.visitor(Role.ADMIN, width=width, dark=dark, scripts=scripts) as visitor,
        browsing.visitor(None, width=width, scripts=scripts) as owner,
    ):
        page = visitor.page
        await page.goto("/accounts")
        await page.get_by_text("Add an account").click()
        await legible(visitor, scripts=scripts)
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("Role").select_option("operator")
        await page.get_by_label("Expires").fill("2031-01-31T18:00")
        await page.get_by_role("button", name="Add it").click()
        await legible(visitor, scripts=scripts)
        password = await page.locator("code.key").inner_text()
        await owner.page.goto("/account")
        await owner.page.get_by_label("Name").fill(name)
        await owner.page.get_by_label("Password").fill(password)
        await owner.page.keyboard.press("Enter")
        await expect(owner.page.locator("h1")).to_have_text("Your account")

        await page.get_by_role("link", name="The account", exact=True).click()
        await expect(page.locator("h1")).to_have_text(f"Account {name}")
        await expect(page.get_by_label("Expires")).to_have_value("2031-01-31T18:00")
        await legible(visitor, scripts=scripts)
        await page.get_by_label("E-mail").fill("new@example-firm.com")
        await page.get_by_role("button", name="Change", exact=True).click()
        said = page.get_by_role("status")
        await expect(said).to_contain_text(f"Account {name} (operator) is changed.")
        await expect(page.get_by_label("E-mail")).to_have_value("new@example-firm.com")
        await page.get_by_role("button", name="Disable").click()
        await expect(said).to_contain_text(f"Account {name} (operator) is disabled.")
        await owner.page.reload()
        await expect(owner.page).to_have_url(re.compile(r"/sign-in\?next=%2Faccount$"))
        await page.get_by_role("button", name="Enable").click()
        await expect(said).to_contain_text(f"Account {name} (operator) is enabled.")
        await page.get_by_role("button", name="New password").click()
        await expect(page.locator("code.key")).not_to_have_text(password)
        await page.get_by_role("link", name="All accounts").click()
        assert name in "".join(await page.locator("tbody a").all_inner_texts())
        await legible(visitor, scripts=scripts)


async def test_a_token_is_revoked(browsing: Browsing) -> None:
    """Not by one careless click."""
    socket = browsing.server.directory / "casebell.db.sock"
    await ask(socket, "add_token", name="practice", role=Role.VIEWER)
    async with browsing.visitor(Role.ADMIN) as visitor:
        page = visitor.page
        await page.goto("/accounts")
        button = page.get_by_role("button", name="Revoke practice")
        await expect(button).to_be_hidden()
        await page.get_by_text("Revoke practice…").click()
        await legible(visitor)
        await button.click()
        await expect(page.get_by_role("status")).to_contain_text("Token practice is revoked")
        await expect(button).to_have_count(0)
