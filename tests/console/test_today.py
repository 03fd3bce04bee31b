"""The first page: what asks for somebody, as each role may see it."""

import re

import pytest

from api.running import CONFIDENTIAL
from casebell.actors import Role
from console.running import RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def page(console: RunningConsole, role: Role) -> str:
    """The first page's text, which must be there."""
    answer = await (await console.signed_in(role)).get("/")
    assert answer.status_code == 200
    return text_of(answer.text)


def receipts(console: RunningConsole) -> list[str]:
    """Those of the cases that ask, in order of arrival."""
    return [receipt for (receipt,) in console.rows("SELECT receipt FROM events ORDER BY id")]


async def test_nothing_yet(console: RunningConsole) -> None:
    """An empty record says of what it speaks, and that a source has never delivered."""
    shown = await page(console, Role.ADMIN)
    assert "No case that you may see asks for anything, by what Casebell has received." in shown
    assert "parley never none" in shown
    assert "Nothing is held." in shown


async def test_an_attorney(filled: RunningConsole) -> None:
    """Sees the cases that ask and the alerts that failed, and nothing of the service."""
    shown = await page(filled, Role.VIEWER)
    assert f"{receipts(filled)[0]} RFE issued deadline" in shown
    assert shown.count("failed not found") == 3
    assert CONFIDENTIAL not in shown
    for hidden in ("Sources", "Channels in trouble", "held", "Refused"):
        assert hidden not in shown


async def test_operations(filled: RunningConsole) -> None:
    """Sees the channel that fails, when the source came, and how much is held."""
    shown = await page(filled, Role.OPERATOR)
    assert re.search(r"slack json never just now ?: not found ?, HTTP 404", shown)
    assert "parley just now" in shown
    assert "3 deliveries held" in shown
    # Of a confidential case, only that its alert failed, masked.
    assert shown.count("failed not found") == 4
    assert CONFIDENTIAL not in shown


async def test_whoever_sees_all(filled: RunningConsole) -> None:
    """A confidential case asks, too."""
    assert CONFIDENTIAL in await page(filled, Role.AUDITOR)


async def test_refusals_in_a_row(filled: RunningConsole) -> None:
    """A source that sends with a wrong secret is named, with the likely cause."""
    for number in range(3):
        await filled.post(b'{"id": %d}' % number, Authorization="Parley-Signature=t=1,v1=00")
    kept = "SELECT count(*) FROM streaks"
    await filled.until_rows(kept, [(1,)])
    shown = await page(filled, Role.OPERATOR)
    assert "3 \N{MULTIPLICATION SIGN}" in shown
    listed = text_of((await (await filled.signed_in(Role.OPERATOR)).get("/refused")).text)
    assert "3 times" in listed
    assert "What to do:" in listed


async def test_what_is_answered(filled: RunningConsole) -> None:
    """A case whose answer came asks no longer."""
    first, second, *_ = receipts(filled)
    await filled.deliver(
        receipt_number=first,
        normalized_status="rfe_received",
        raw_status_text="We received your response to our Request for Evidence.",
        occurred_at="2026-01-14T19:22:03Z",
    )
    shown = await page(filled, Role.VIEWER)
    assert f"{first} RFE issued" not in shown
    assert f"{second} RFE issued" in shown
