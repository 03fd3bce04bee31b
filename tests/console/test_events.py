"""The pages of events: their list with its filters and its export, and one with its whole story."""

import json
import re
from collections.abc import AsyncGenerator
from html import unescape
from typing import Any

import pytest

from api.running import CONFIDENTIAL
from casebell.actors import Role
from casebell.console.endpoint import Console
from casebell.notify.render import FOOTER
from casebell.sandbox.http_sink import HttpAnswer
from console.running import RunningConsole, Visitor, text_of
from e2e.sender import document, encoded
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def page(console: RunningConsole, path: str, *, role: Role = Role.ADMIN) -> str:
    """What a page says; it must be there."""
    answer = await (await console.signed_in(role)).get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def linked(html: str) -> list[str]:
    """The events that a list leads to, in order."""
    return re.findall(r'<td><a href="/events/(\d+)">', html)


def exported(html: str) -> dict[str, Any]:
    """The filter of a page's export, as its form has it."""
    form = html[html.index('/export" aria-labelledby="export"') :]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


async def older(visitor: Visitor, path: str) -> list[list[str]]:
    """The events of each page of a list, from link to link."""
    pages = []
    while True:
        answer = await visitor.get(path)
        assert answer.status_code == 200, answer.text
        pages.append(linked(answer.text))
        behind = re.search(r'rel="next" href="([^"]+)"', answer.text)
        if behind is None:
            return pages
        path = unescape(behind[1])


class TestList:
    """`/events`."""

    async def test_the_filter_is_the_address(self, filled: RunningConsole) -> None:
        """What it gives stands in the form, and the next page keeps it."""
        path = "/events?status=rfe_issued&tag=deadline&since=2000-01-01&limit=2"
        html = await page(filled, path)
        assert '<option value="rfe_issued" selected>' in html
        assert '<option value="deadline" selected>' in html
        assert 'name="since" value="2000-01-01"' in html
        pages = await older(await filled.signed_in(Role.ADMIN), path)
        assert [len(one) for one in pages] == [2, 2]
        assert len({number for one in pages for number in one}) == 4
        assert "No event matches." in await page(filled, "/events?status=approved")

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("status=rfe", "status :"),
            ("since=tomorrow", "Write a date, a time or a length"),
            ("source=parlay", "There is no source of this name"),
            ("colour=red", "There is no such parameter"),
            ("cursor=1-2-3", "none that this listing gave"),
            ("others=true&cursor=1", "none that this listing gave"),
            ("receipt=A12", "three letters and ten digits"),
        ],
    )
    async def test_what_cannot_be_understood(
        self, filled: RunningConsole, query: str, said: str
    ) -> None:
        """A page that says which, and how it is written."""
        answer = await (await filled.signed_in(Role.ADMIN)).get(f"/events?{query}")
        assert answer.status_code == 400
        assert said in text_of(answer.text)

    async def test_whose_time_a_span_is(self, filled: RunningConsole) -> None:
        """The firm's, whoever opens the address; where times are in UTC, the field says so."""
        visitor = filled.visitor()
        await visitor.sign_in("the-viewer")
        assert "<label>Since<input" in (await visitor.get("/events")).text
        await visitor.post("/zone", zone="utc")
        html = (await visitor.get("/events?since=2000-01-01T00:00")).text
        assert "<label>Since (America/New_York)<input" in html
        assert " UTC</time>" in html

    async def test_with_held_and_refused(self, filled: RunningConsole) -> None:
        """For who may see them; to others the switch is not offered, and changes nothing."""
        for role in (Role.OPERATOR, Role.AUDITOR, Role.ADMIN):
            html = await page(filled, "/events?others=true", role=role)
            said = text_of(html)
            assert 'name="others" value="true" checked' in html
            assert said.count("invalid json The body is not JSON") == 3
            assert said.count("signature mismatch From 127.0.0.1 , 2 bytes.") == 3
        html = await page(filled, "/events?others=true", role=Role.VIEWER)
        assert 'name="others"' not in html
        assert "signature mismatch" not in text_of(html)
        narrowed = text_of(await page(filled, "/events?others=true&status=rfe_issued&tag=deadline"))
        assert "deliveries have no status, no tag, so this filter leaves them out" in narrowed
        assert "signature mismatch" not in narrowed

    async def test_pages_with_held_and_refused(self, filled: RunningConsole) -> None:
        """From page to page every event comes once."""
        visitor = await filled.signed_in(Role.ADMIN)
        ours = [number for one in await older(visitor, "/events") for number in one]
        pages = await older(visitor, "/events?others=true&limit=3")
        assert [number for one in pages for number in one] == ours
        assert len(pages) > 3

    async def test_what_one_may_not_see(self, filled: RunningConsole) -> None:
        """A confidential case is in the lists of some, and in nobody else's."""
        seen = {}
        for role in Role:
            html = await page(filled, "/events?limit=500", role=role)
            seen[role] = CONFIDENTIAL in html
            if role in (Role.OPERATOR, Role.ADMIN):
                html = await page(filled, "/events?limit=500&others=true", role=role)
                assert (CONFIDENTIAL in html) is seen[role]
        assert seen == {
            Role.VIEWER: False,
            Role.OPERATOR: False,
            Role.AUDITOR: True,
            Role.ADMIN: True,
        }


class TestExport:
    """The button under the list."""

    async def test_it_is_of_exactly_this_filter(self, filled: RunningConsole) -> None:
        """Whatever page of it is shown; its last line says that it is whole."""
        path = "/events?status=rfe_issued&limit=2&others=true"
        fields = exported(await page(filled, path, role=Role.AUDITOR))
        assert fields == {"status": "rfe_issued"}
        auditor = await filled.signed_in(Role.AUDITOR)
        answer = await auditor.post("/events/export", **fields, format="jsonl", bodies="true")
        assert answer.status_code == 200
        name = r'attachment; filename="casebell-events-\d{4}-\d\d-\d\d\.jsonl"'
        assert re.fullmatch(name, answer.headers["Content-Disposition"])
        *rows, last = map(json.loads, answer.text.splitlines())
        assert last["export"]["filter"] == {"status": "rfe_issued", "bodies": True}
        assert len(rows) == last["export"]["rows"] == 4
        assert json.loads(rows[0]["body"])["normalized_status"] == "rfe_issued"
        answer = await auditor.post("/events/export", format="csv")
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert answer.text.startswith("id,source,key")

    async def test_for_who_may(self, filled: RunningConsole) -> None:
        """The others see no button, and are refused."""
        for role in (Role.VIEWER, Role.OPERATOR):
            assert "/events/export" not in await page(filled, "/events", role=role)
            visitor = await filled.signed_in(role)
            assert (await visitor.post("/events/export", format="csv")).status_code == 403
            assert (await visitor.post("/alerts/export", format="csv")).status_code == 403

    async def test_of_alerts(self, filled: RunningConsole) -> None:
        """Under their list, and of its filter alike."""
        path = "/alerts?outstanding=true&channel=slack&limit=50"
        fields = exported(await page(filled, path, role=Role.AUDITOR))
        assert fields == {"outstanding": "true", "channel": "slack"}
        auditor = await filled.signed_in(Role.AUDITOR)
        answer = await auditor.post("/alerts/export", **fields, format="csv")
        assert answer.status_code == 200
        assert answer.text.startswith("id,kind,event")
        assert '""filter"":{""channel"":""slack"",""outstanding"":true}' in answer.text


class TestEvent:
    """`/events/{id}`, where an alert's link leads."""

    async def test_what_an_attorney_sees_first(self, console: RunningConsole) -> None:
        """Which case, what happened, since when, the official text, and that it is no notice."""
        number = await console.deliver(
            receipt_number="IOE0912345678",
            raw_status_text="Request for Evidence Was Sent. It explains what we need.",
            occurred_at="2025-10-14T19:22:03Z",
        )
        html = await page(console, f"/events/{number}", role=Role.VIEWER)
        (heading,) = re.findall(r"<h1>(.*?)</h1>", html, re.DOTALL)
        assert text_of(heading) == "Request for Evidence issued · IOE0912345678"
        first = text_of(html[html.index("<h1>") : html.index("</section>")])
        for words in (
            "USCIS issued a Request for Evidence. A response is owed within the time its notice",
            "Case IOE0912345678",
            "When 2025-10-14 15:22:03 EDT , as parley reported it",
            "Request for Evidence Was Sent. It explains what we need.",
            FOOTER,
        ):
            assert words in first
        assert " due " not in first.replace(FOOTER, "")

    async def test_everything_that_became_of_it(self, console: RunningConsole) -> None:
        """Secret, rules that matched and that did not, alerts, attempts and what people did."""
        console.sink.answer(HttpAnswer(status=404))
        number = await console.deliver()
        failed = "SELECT id FROM alerts WHERE event_id = ? AND state = 'failed'"
        await until(lambda: console.rows(failed, number), "the alert to fail")
        ((alert,),) = console.rows(failed, number)
        operator = await console.signed_in(Role.OPERATOR)
        await operator.post(f"/alerts/{alert}/dismiss", note="told by phone")
        said = text_of(await page(console, f"/events/{number}", role=Role.VIEWER))
        for words in (
            "stored , authenticated by secret “ secret-1 ”, from 127.0.0.1 .",
            "It began change",
            "Rule “ RFE ” matched: status is rfe_issued .",
            "Rule “ Denied ” did not match: status is rfe_issued, the rule asks for denied .",
            f"Alert {alert} to json over slack : failed (not_found: the service does not know",
            "did not arrive, and trying again will not help (not_found: the service",
            "Attempt 1 ,",
            "dismissed by account:the-operator : “told by phone” .",
        ):
            assert words in said, said

    async def test_others_that_report_the_same(self, console: RunningConsole) -> None:
        """The change's other events and those in conflict are links, as is the case."""
        receipt, key = "IOE0912345670", "evt_twice"
        first = await console.deliver(receipt_number=receipt, id=key)
        body = encoded(document(receipt_number=receipt, id=key, raw_status_text="Otherwise"))
        answer = await console.post(body)
        assert answer["status"] == "conflict"
        html = await page(console, f"/events/{first}")
        second = first + 1
        said = text_of(html)
        assert f"It differs from event {second} in:" in said
        assert "Note: the source sent differing content for the same event; check both." in said
        assert f'<a href="/events/{second}">{second}</a>' in html
        assert f'href="/cases/{receipt}"' in html
        assert f'href="/events?receipt={receipt}"' in html

    async def test_a_case_that_moved_on(self, console: RunningConsole) -> None:
        """The link of an old alert says what the case is now, and since when."""
        receipt = "IOE0912345671"
        old = await console.deliver(receipt_number=receipt)
        assert "latest change" not in await page(console, f"/events/{old}")
        await console.deliver(
            receipt_number=receipt,
            normalized_status="approved",
            raw_status_text="Case Was Approved",
            occurred_at="2025-11-03T10:00:00Z",
        )
        said = text_of(await page(console, f"/events/{old}"))
        assert "not the case's latest change: it is Approved since 2025-11-03 05:00:00 EST" in said

    @pytest.mark.parametrize("path", ["0", "x", "999999", "1/", "9999999999999999999999"])
    async def test_one_that_is_not_there(self, filled: RunningConsole, path: str) -> None:
        """A page that says so."""
        answer = await (await filled.signed_in(Role.ADMIN)).get(f"/events/{path}")
        assert answer.status_code == 404

    async def test_one_that_one_may_not_see(self, filled: RunningConsole) -> None:
        """It is as if it were not there."""
        ((number,),) = filled.rows("SELECT id FROM events WHERE receipt = ?", CONFIDENTIAL)
        for role, status in (
            (Role.VIEWER, 404),
            (Role.OPERATOR, 404),
            (Role.AUDITOR, 200),
            (Role.ADMIN, 200),
        ):
            visitor = await filled.signed_in(role)
            assert (await visitor.get(f"/events/{number}")).status_code == status
            assert (await visitor.get(f"/cases/{CONFIDENTIAL}")).status_code == status
            # Nor is it found by its number.
            found = await visitor.get(f"/cases?receipt={CONFIDENTIAL}")
            assert found.status_code == (303 if status == 200 else 200)


class TestBody:
    """The exact bytes."""

    async def test_for_who_may(self, filled: RunningConsole) -> None:
        """An attachment that no browser shows, and on record; to others no link, and refused."""
        ((body,),) = filled.rows("SELECT body FROM events WHERE id = 1")
        for role in (Role.AUDITOR, Role.ADMIN):
            assert 'href="/events/1/body"' in await page(filled, "/events/1", role=role)
            answer = await (await filled.signed_in(role)).get("/events/1/body")
            assert answer.content == body
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["Content-Disposition"] == 'attachment; filename="events-1-body"'
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers.get_list("Content-Security-Policy")
            (last,) = filled.rows(
                "SELECT actor, subject FROM journal WHERE kind = 'body.read' "
                "ORDER BY seq DESC LIMIT 1"
            )
            assert last == (f"account:the-{role}", "event:1")
        for role in (Role.VIEWER, Role.OPERATOR):
            assert "/events/1/body" not in await page(filled, "/events/1", role=role)
            answer = await (await filled.signed_in(role)).get("/events/1/body")
            assert answer.status_code == 403


async def test_an_export_by_whoever_may_no_longer(
    filled: RunningConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take an hour: it ends with the part under way when its reader has another role."""
    await filled.add_account("demoted", Role.AUDITOR)
    visitor = filled.visitor()
    await visitor.sign_in("demoted")

    async def lines() -> AsyncGenerator[str, None]:
        for number in range(100):
            yield "x" * 100_000 + "\n"
            if number == 5:
                await filled.admin("set_account", name="demoted", changes={"role": "viewer"})

    class Exports:
        async def ask(self, *_: Any, **__: Any) -> AsyncGenerator[str, None]:
            return lines()

    (pages,) = {
        route.endpoint  # type: ignore[attr-defined]
        for route in filled.app.routes
        if isinstance(getattr(route, "endpoint", None), Console)
    }
    monkeypatch.setattr(pages, "_service", Exports())
    # The connection ends before the answer does.
    with pytest.raises(AssertionError):
        await visitor.post("/events/export")
    assert filled.lines("console.request")[-1]["outcome"] == "not_signed_in"
