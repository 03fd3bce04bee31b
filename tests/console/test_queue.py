"""The queue's page, and what is said of a change on it and on the page of its case."""

import re

import pytest

from api.running import CONFIDENTIAL
from casebell.actors import Role
from console.running import RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPT = "IOE0912345601"


async def asked(console: RunningConsole) -> int:
    """The change of a case that asks for evidence."""
    if not console.rows("SELECT 1 FROM cases WHERE receipt = ?", RECEIPT):
        await console.deliver(receipt_number=RECEIPT, normalized_status="rfe_issued")
        await console.say_of_case(RECEIPT, label="<b>Diaz</b>", owner="ana")
    ((change,),) = console.rows("SELECT change_id FROM queue WHERE receipt = ?", RECEIPT)
    return int(change)


def row_of(html: str) -> str:
    """The case's row."""
    row: str
    (row,) = [one for one in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if RECEIPT in one]
    return row


async def test_from_seen_to_answered(filled: RunningConsole) -> None:
    """Every button of a row, by two people; what each did is shown with who did it."""
    change = await asked(filled)
    one, two = await filled.signed_in(Role.VIEWER), await filled.signed_in(Role.OPERATOR)
    before = text_of(row_of((await one.get("/queue")).text))
    assert "by nobody yet" in before
    assert "no date entered" in before
    assert "<b>" not in row_of((await one.get("/queue")).text)
    path = f"/cases/{RECEIPT}"
    seen = await one.post(f"{path}/acknowledge", change=str(change), note="Called.", next="/queue")
    assert "acknowledged" in await one.said(seen)
    due = await one.post(
        f"{path}/due", change=str(change), date="2025-01-02", was="none", next="/queue"
    )
    assert "Look again: 2025-01-02 is over." in await one.said(due)
    mine, others = (await one.get("/queue")).text, (await two.get("/queue")).text
    assert "by account the-viewer" in text_of(row_of(mine))
    assert re.search(r"2025-01-02 \(\d+ days ago\) overdue unconfirmed", text_of(row_of(mine)))
    # Overdue before all that has no date.
    assert re.findall(r'<a class="receipt".*?>(.*?)</a>', mine)[0] == RECEIPT
    assert "Confirm the date" not in mine
    assert "Confirm the date" in row_of(others)
    assert "Called." not in others
    confirmed = await two.post(
        f"{path}/due", change=str(change), date="2025-01-02", was="2025-01-02", next="/queue"
    )
    assert "confirmed by account the-operator" in await two.said(confirmed)
    meanwhile = await one.post(f"{path}/due", change=str(change), date="2025-01-03", was="none")
    assert meanwhile.status_code == 409
    answered = await one.post(f"{path}/answered", change=str(change), next=path)
    assert "answered, by account the-viewer" in await one.said(answered)
    assert RECEIPT not in (await two.get("/queue")).text
    page = (await two.get(path)).text
    assert "Undo: it is not answered" in page
    assert "by account the-viewer : “ Called. ”" in text_of(page)
    undone = await two.post(f"{path}/answered", change=str(change), undo="true", next="/queue")
    assert "in the queue again" in await two.said(undone)
    assert RECEIPT in (await two.get("/queue")).text


async def test_who_may(filled: RunningConsole) -> None:
    """An auditor sees it without a button, and nobody a confidential case of others."""
    await asked(filled)
    auditor = (await (await filled.signed_in(Role.AUDITOR)).get("/queue")).text
    assert CONFIDENTIAL in auditor
    assert "<button" not in row_of(auditor)
    for role in (Role.VIEWER, Role.OPERATOR):
        visitor = await filled.signed_in(role)
        for address in ("/queue", f"/queue?receipt={CONFIDENTIAL}", "/"):
            # The filter shows what was typed.
            shown = (await visitor.get(address)).text.replace(f'value="{CONFIDENTIAL}"', "")
            assert f"/cases/{CONFIDENTIAL}" not in shown
        for verb in ("acknowledge", "answered", "due"):
            answer = await visitor.post(f"/cases/{CONFIDENTIAL}/{verb}", date="2027-01-02")
            assert answer.status_code in (400, 404)


async def test_mine(filled: RunningConsole) -> None:
    """Only whoever is a person is offered it; a filter that matches nothing says so."""
    visitor = await filled.signed_in(Role.VIEWER)
    page = (await visitor.get("/queue?owner=nobody-at-all")).text
    assert "Nothing open matches." in page
    assert 'name="mine"' not in page
    assert (await visitor.get("/queue?mine=true")).status_code == 400
