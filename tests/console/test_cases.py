"""The pages of cases: their list, and one with its changes."""

import re

import pytest

from casebell.actors import Role
from console.running import RunningConsole, text_of
from e2e.sender import document, encoded
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPT = "IOE0912345699"


async def the_case(console: RunningConsole) -> str:
    """The page of a case that was reported late, twice, and in conflict."""
    if not console.rows("SELECT 1 FROM cases WHERE receipt = ?", RECEIPT):
        await console.deliver(receipt_number=RECEIPT, id="evt_case")
        otherwise = encoded(document(receipt_number=RECEIPT, id="evt_case", note="otherwise"))
        assert (await console.post(otherwise))["status"] == "conflict"
        failed = "SELECT state FROM alerts JOIN events e ON e.id = event_id WHERE e.receipt = ?"
        await until(lambda: console.rows(failed, RECEIPT) == [("failed",)], "the alert to fail")
        await console.deliver(
            receipt_number=RECEIPT,
            normalized_status="received",
            raw_status_text="Case Was Received",
            occurred_at="2025-08-01T10:00:00Z",
        )
        await console.say_of_case(
            RECEIPT, label="Gomez", matter="2025-0117", owner="ana", team="rfe"
        )
    answer = await (await console.signed_in(Role.VIEWER)).get(f"/cases/{RECEIPT}")
    assert answer.status_code == 200
    return answer.text


async def test_what_the_firm_said_of_it(filled: RunningConsole) -> None:
    """Label, matter, owner and team, and where it stands since when."""
    html = await the_case(filled)
    said = text_of(html)
    assert f"Case {RECEIPT} · Gomez" in said
    assert "Status RFE issued since 2025-10-14 15:22:03 EDT" in said
    assert "Matter 2025-0117 Owner ana Team rfe" in said
    assert f'href="/events?receipt={RECEIPT}"' in html


async def test_its_changes(filled: RunningConsole) -> None:
    """The newest first; late, corroborated and conflicting ones say so, and who was told."""
    html = await the_case(filled)
    assert [text_of(one) for one in re.findall(r"<h3.*?</h3>", html, re.DOTALL)] == [
        "Request for Evidence issued",
        "Case received",
    ]
    newest, oldest = map(
        text_of, re.findall(r'<article class="change".*?</article>', html, re.DOTALL)
    )
    assert "Corroborated : also reported by event" in newest
    assert (
        "Conflicting : the source sent differing content for the same event; check both." in newest
    )
    assert "slack → json : failed (not_found: the service does not know" in newest
    assert "Late : a later status was known already when it came." in oldest
    assert "Nobody was alerted: no rule matched ." in oldest


async def test_a_receipt_leads_to_its_case(filled: RunningConsole) -> None:
    """In any spelling, from the box on every page; one that is not there is an empty list."""
    html = await the_case(filled)
    assert re.search(
        r'<form class="find" method="get" action="/cases".*?name="receipt"', html, re.DOTALL
    )
    visitor = await filled.signed_in(Role.VIEWER)
    found = await visitor.get("/cases?receipt=ioe-091-234-5699")
    assert (found.status_code, found.headers["Location"]) == (303, f"/cases/{RECEIPT}")
    missing = await visitor.get("/cases?receipt=IOE0000000000")
    assert missing.status_code == 200
    assert "That does not mean that nothing happened" in text_of(missing.text)
    wrong = await visitor.get("/cases?receipt=A12")
    assert wrong.status_code == 400
    assert "A receipt number is three letters and ten digits." in text_of(wrong.text)
    page = await visitor.get("/cases/IOE0000000000")
    assert page.status_code == 404
    assert "That does not mean that nothing happened" in text_of(page.text)
    assert (await visitor.get("/cases/ioe-091-234-5699")).status_code == 200


async def test_the_list(filled: RunningConsole) -> None:
    """The newest change first, by the filters of the address; page by page."""
    await the_case(filled)
    visitor = await filled.signed_in(Role.ADMIN)

    async def listed(query: str) -> list[str]:
        answer = await visitor.get(f"/cases?{query}")
        assert answer.status_code == 200, answer.text
        return re.findall(
            r'<td data-label="Case"><a class="receipt" href="/cases/(\w+)"', answer.text
        )

    assert await listed("owner=ana&confidential=false") == [RECEIPT]
    assert await listed("team=rfe") == [RECEIPT]
    assert RECEIPT in await listed("status=rfe_issued")
    assert await listed("status=approved") == []
    assert len(await listed("confidential=true")) == 1
    first = await visitor.get("/cases?limit=2")
    assert 'rel="next"' in first.text
    viewer = await filled.signed_in(Role.VIEWER)
    assert 'name="confidential"' not in (await viewer.get("/cases")).text
    assert "confidential" not in text_of((await viewer.get("/cases?limit=500")).text)
