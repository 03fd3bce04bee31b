"""What an attorney does first: follow an alert's link, sign in, see what happened."""

import pytest

from browser.browsing import NARROW, Browsing
from e2e.sender import deliver

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_from_an_alert_to_what_happened(browsing: Browsing) -> None:
    """The link of the alert, on a phone, without JavaScript: a sign-in, and then the event."""
    event = await deliver(browsing.server, receipt_number="IOE0912345679")
    async with browsing.visitor(None, width=NARROW, scripts=False) as visitor:
        await visitor.page.goto(f"/events/{event['row']}")
        await visitor.sign_in("viewer")
        assert "IOE0912345679" in await visitor.heading()
        text = await visitor.page.locator("main").inner_text()
        assert "Request for Evidence" in text
        assert "We sent you a request for evidence" in text
        assert await visitor.overflows() <= 0
