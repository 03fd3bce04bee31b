"""The buttons of operations, by each role: what they do, and what the next page says."""

import re
from html import unescape
from typing import Any

import pytest

from casebell.actors import Role
from casebell.sandbox.http_sink import HttpAnswer
from console.running import RunningConsole, text_of
from e2e.sender import signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = ("/alerts", "/channels", "/held", "/refused", "/refused/1", "/servers", "/people")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR, Role.ADMIN])
async def test_who_may_press(filled: RunningConsole, role: Role) -> None:
    """An auditor looks at the same pages, and finds no button there but that of an export."""
    visitor = await filled.signed_in(role)
    buttons = set()
    for path in PAGES:
        answer = await visitor.get(path)
        assert answer.status_code == 200, path
        main = answer.text.partition("<main")[2]
        buttons |= {re.sub(r"\d+", "1", one) for one in re.findall(r'action="([^"]+)"', main)}
    shown = {one for one in buttons if one not in PAGES}
    expected = {
        "/alerts/retry",
        "/alerts/dismiss",
        "/channels/slack/test",
        "/channels/mail/test",
        *(f"/people/{person}/away" for person in ("jchan", "kim", "ana")),
        "/held/release",
        "/held/1/release",
        "/held/1/discard",
        "/refused/readmit",
    }
    exports = set() if role is Role.OPERATOR else {"/alerts/export"}
    assert shown == exports | (set() if role is Role.AUDITOR else expected)


async def test_an_attorney_sees_alerts_alone(filled: RunningConsole) -> None:
    """The other pages are not even in the navigation."""
    visitor = await filled.signed_in(Role.VIEWER)
    for path in PAGES[1:-1]:
        assert (await visitor.get(path)).status_code == 403, path
    page = (await visitor.get("/alerts")).text
    assert 'href="/held"' not in page
    assert "<button" not in page.partition("<main")[2].replace(
        '<button class="button primary">Show</button>', ""
    )


async def test_the_filter_is_the_address(filled: RunningConsole) -> None:
    """What was chosen stays chosen; a word that is none is an error that names it."""
    visitor = await filled.signed_in(Role.OPERATOR)
    page = (await visitor.get("/alerts?state=failed&channel=slack&receipt=&since=24h")).text
    assert '<option value="failed" selected>' in page
    assert 'name="channel" value="slack"' in page
    assert 'name="since" value="24h"' in page
    answer = await visitor.get("/alerts?since=yesterday")
    assert answer.status_code == 400
    assert "since" in answer.text


async def test_dismiss_the_ticked(filled: RunningConsole) -> None:
    """Several at once, with a note that stays on record."""
    visitor = await filled.signed_in(Role.OPERATOR)
    answer = await visitor.post(
        "/alerts/dismiss", ids=["1", "2"], note="Called them.", next="/alerts?state=failed"
    )
    assert answer.headers["Location"] == "/alerts?state=failed"
    assert await visitor.said(answer) == "2 alerts: dismissed, and kept on record."
    # It is said once.
    assert "2 alerts:" not in (await visitor.get("/alerts")).text
    entries = filled.rows("SELECT actor, data FROM journal WHERE kind = 'alert.dismissed'")
    assert [actor for actor, _ in entries] == ["account:the-operator"] * 2
    assert all("Called them." in data for _, data in entries)
    again = await visitor.post("/alerts/dismiss", ids=["1"], next="/alerts")
    assert again.status_code == 409
    assert 'href="/alerts"' in again.text


async def test_every_box_ticked(filled: RunningConsole) -> None:
    """By a link, without scripts; what is done leads back to the list without it."""
    visitor = await filled.signed_in(Role.OPERATOR)
    for path, boxes in (("/alerts?outstanding=true", 2), ("/held", 3), ("/refused", 3)):
        plain = (await visitor.get(path)).text
        assert plain.count('name="ids"') == boxes, path
        assert " checked>" not in plain.partition("<table")[2]
        (link,) = re.findall(r'href="([^"]*ticked=true)"', plain)
        ticked = (await visitor.get(unescape(link))).text
        assert len(re.findall(r'name="ids"[^>]* checked>', ticked)) == boxes, path
        backs = set(re.findall(r'name="next" value="([^"]*)"', ticked.partition("<main")[2]))
        assert path in backs, backs


async def test_send_all_again(filled: RunningConsole) -> None:
    """All that failed and that the filter selects, also those that the page does not show."""
    visitor = await filled.signed_in(Role.OPERATOR)
    page = (await visitor.get("/alerts?kind=case&limit=1")).text
    form = page.partition("<details")[2].partition("</details>")[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    assert fields == {
        "next": "/alerts?kind=case&amp;limit=1",
        "kind": "case",
        "outstanding": "true",
    }
    fields["next"] = "/alerts"
    outstanding = "SELECT count(*) FROM alerts WHERE state = 'failed' AND dismissed_at IS NULL"
    assert filled.rows(outstanding) == [(2,)]
    none = await visitor.said(await visitor.post("/alerts/retry", **fields | {"kind": "ops"}))
    assert none == "No failed alert matches."
    said = await visitor.said(await visitor.post("/alerts/retry", note="Mended.", **fields))
    assert said == "2 alerts: will be sent again."
    entries = filled.rows("SELECT data FROM journal WHERE kind = 'alert.retried'")
    assert len(entries) == 2
    assert all("Mended." in data for (data,) in entries)
    await filled.until_rows(outstanding, [(2,)])


async def test_readmit_all_of_a_source(filled: RunningConsole) -> None:
    """The button stands where the cause does."""
    await filled.post(b"{}", Authorization=signed(b"other")["Authorization"])
    await filled.until_rows("SELECT errors FROM streaks", [('{"signature_mismatch":1}',)])
    visitor = await filled.signed_in(Role.OPERATOR)
    page = (await visitor.get("/refused?error=signature_mismatch")).text
    assert "Check all of parley again" in page
    said = await visitor.said(await visitor.post("/refused/readmit", source="parley", next="/"))
    assert said.count("still does not authenticate") == 4


async def test_nothing_ticked(filled: RunningConsole) -> None:
    """It is an error that says so, and never all."""
    visitor = await filled.signed_in(Role.OPERATOR)
    for path in ("/alerts/retry", "/alerts/dismiss", "/held/release", "/refused/readmit"):
        before = filled.rows("SELECT id, state FROM alerts")
        assert (await visitor.post(path, next="/")).status_code == 400, path
        assert filled.rows("SELECT id, state FROM alerts") == before


async def test_release_and_discard(filled: RunningConsole) -> None:
    """What is still not understood says why; what is discarded is closed."""
    visitor = await filled.signed_in(Role.OPERATOR)
    said = await visitor.said(await visitor.post("/held/release", ids=["1", "2"], next="/held"))
    assert "Held delivery 1 still cannot be understood" in said
    assert "Held delivery 2 still" in said
    said = await visitor.said(await visitor.post("/held/3/discard", next="/held"))
    assert said == "Held delivery 3 is discarded; its body is kept."
    discarded = text_of((await visitor.get("/held?state=discarded")).text)
    assert "invalid json" in discarded


async def test_readmit(filled: RunningConsole) -> None:
    """A delivery that is still refused says so."""
    visitor = await filled.signed_in(Role.OPERATOR)
    said = await visitor.said(await visitor.post("/refused/readmit", ids=["1"], next="/refused"))
    assert "Refused delivery 1 still does not authenticate" in said
    why = text_of((await visitor.get("/refused/1")).text)
    assert "signature mismatch" in why
    assert "What to do" in why
    assert (await visitor.get("/refused/99")).status_code == 404


async def test_a_test_message(filled: RunningConsole) -> None:
    """What came of it for each target is on the next page, good or bad."""
    visitor = await filled.signed_in(Role.OPERATOR)
    said = await visitor.said(await visitor.post("/channels/slack/test", next="/channels"))
    assert "not delivered" in said
    filled.sink.answer(HttpAnswer(status=200))
    said = await visitor.said(await visitor.post("/channels/slack/test", next="/channels"))
    assert said.startswith("slack → json: delivered.")
    assert "just now" in text_of((await visitor.get("/channels")).text)
    assert (await visitor.post("/channels/none/test", next="/channels")).status_code == 404


async def test_bodies_are_inert(filled: RunningConsole) -> None:
    """Whatever a held body holds is text on the page."""
    await filled.post(b'<script>top.ran=1</script><img src=x onerror="ran=1">\xe2\x80\xae')
    visitor = await filled.signed_in(Role.OPERATOR)
    page = (await visitor.get("/held")).text
    assert "<script>top" not in page
    assert "&lt;script&gt;top.ran=1&lt;/script&gt;" in page
    assert "onerror=&#34;" in page


async def test_looking_goes_on_record(filled: RunningConsole) -> None:
    """A page of held bodies is looking, as in the API."""
    visitor = await filled.signed_in(Role.AUDITOR)
    before = filled.rows("SELECT count(*) FROM journal WHERE kind = 'held.read'")
    await visitor.get("/held")
    ((count,),) = before
    after = filled.rows("SELECT count(*) FROM journal WHERE kind = 'held.read'")
    assert after == [(count + 1,)]


def row_of(page: str, name: str) -> str:
    """What the page says of somebody."""
    rows = [text_of(one) for one in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)]
    (found,) = [row for row in rows if row.startswith(name)]
    return found


async def test_away_and_back(filled: RunningConsole) -> None:
    """Everybody sees who is away and who hears, too; an operator says so."""
    operator, viewer = await filled.signed_in(Role.OPERATOR), await filled.signed_in(Role.VIEWER)
    page = (await viewer.get("/people")).text
    assert "jchan rfe jchan@firm.com over mail" in row_of(page, "Jia Chan")
    assert "cannot be reached on mail" in row_of(page, "Ana Ruiz")
    assert "<form" not in page.partition("<main")[2]
    given: dict[str, Any] = {"until": "2999-12-31", "to": "kim", "next": "/people"}
    pressed = await operator.post("/people/jchan/away", **given)
    assert await operator.said(pressed) == "Jia Chan is away: alerts to them go to kim, too."
    assert row_of((await viewer.get("/people")).text, "Jia Chan").endswith(
        "until 2999-12-31; Kim Roe hears, too"
    )
    refused = await operator.post("/people/jchan/away", **{**given, "to": "ana"})
    assert refused.status_code == 409
    assert "No channel can reach Ana Ruiz by name." in refused.text
    pressed = await operator.post("/people/jchan/back", next="/people")
    assert await operator.said(pressed) == "Jia Chan is back."
    assert "until" not in row_of((await viewer.get("/people")).text, "Jia Chan")
