"""Every page, for every role, at both widths, light and dark: reachable, legible, inert."""

from collections.abc import Sequence

import pytest

from browser.axe import problems
from browser.browsing import NARROW, WIDE, Browsing, Visitor
from browser.site import CONFIDENTIAL, HOSTILE_RECEIPT, event_of
from casebell.actors import GRANTS, Right, Role
from casebell.console.pages import PAGES
from casebell.console.routing import Page

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


def paths(page: Page, site: Browsing) -> Sequence[str]:
    """Where to find a page: with ordinary cases and the hostile one."""
    if page.path == "cases/{receipt}":
        return [f"/cases/{receipt}" for receipt in ("IOE0912345678", HOSTILE_RECEIPT)]
    if page.path == "events/{id}":
        receipts = ("IOE0912345679", "IOE0912345682", HOSTILE_RECEIPT)
        return [f"/events/{event_of(site, receipt)}" for receipt in receipts]
    if page.path == "accounts/change":
        return ["/accounts/change?name=viewer"]
    return [f"/{page.path.replace('{id}', '1').replace('{name}', 'team')}"]


async def status_of(visitor: Visitor, path: str) -> int:
    """What a page answers."""
    answer = await visitor.page.goto(path)
    assert answer is not None
    return answer.status


async def check(visitor: Visitor, path: str) -> None:
    """A page with one h1, as wide as its window, in which nothing ran."""
    assert await status_of(visitor, path) == 200, path
    assert await visitor.page.locator("h1").count() == 1, path
    assert await visitor.heading(), path
    assert await visitor.overflows() <= 0, path
    assert await visitor.page.evaluate("window.ran === undefined"), path
    assert await visitor.page.locator("main").is_visible(), path


@pytest.mark.parametrize("role", Role)
async def test_who_sees_what(site: Browsing, role: Role) -> None:
    """As the table of rights says; the navigation has what is there and nothing else."""
    async with site.visitor(role) as visitor:
        await visitor.page.goto("/")
        links = await visitor.page.locator("nav[aria-label=Pages] a").all()
        shown = {await link.get_attribute("href") for link in links}
        mine = [page for page in PAGES if page.right in GRANTS[role]]
        assert shown == {f"/{page.path}" for page in mine if page.nav}
        for page in PAGES:
            for path in paths(page, site):
                if page in mine:
                    await check(visitor, path)
                else:
                    assert await status_of(visitor, path) == 403, path
        expected = 200 if Right.CONFIDENTIAL in GRANTS[role] else 404
        for path in (f"/cases/{CONFIDENTIAL}", f"/events/{event_of(site, CONFIDENTIAL)}"):
            assert await status_of(visitor, path) == expected, path


@pytest.mark.parametrize(
    ("width", "dark"), [(NARROW, True), (WIDE, False)], ids=["375-dark", "1440-light"]
)
async def test_legible(site: Browsing, width: int, dark: bool) -> None:
    """axe-core finds nothing on any page, and leaves nothing undecided that is not measured."""
    async with site.visitor(None, width=width, dark=dark) as visitor:
        await visitor.page.goto("/sign-in")
        assert await problems(visitor.page) == []
    async with site.visitor(Role.ADMIN, width=width, dark=dark) as visitor:
        for page in PAGES:
            for path in paths(page, site):
                await check(visitor, path)
                assert await problems(visitor.page) == [], path
        assert await status_of(visitor, "/cases/none") == 404
        assert await problems(visitor.page) == []


async def test_without_javascript(site: Browsing) -> None:
    """Every page is there, and its buttons work."""
    async with site.visitor(Role.ADMIN, width=NARROW, scripts=False) as visitor:
        for page in PAGES:
            for path in paths(page, site):
                assert await status_of(visitor, path) == 200, path
                assert await visitor.heading(), path
        await visitor.page.goto("/channels")
        await visitor.page.get_by_role("button", name="Test team").click()
        told = await visitor.page.get_by_role("status").inner_text()
        assert "delivered" in told
