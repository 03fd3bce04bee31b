"""The page of reports: figures by month, their pictures, and the table as a file."""

import csv
import io
import json
import re

import pytest

from api.running import CONFIDENTIAL
from casebell.actors import Role
from casebell.service.outcomes import IN_ALL
from console.running import RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: When everything that `filled` delivers happened.
MONTH = "2025-10"


async def test_figures_and_pictures(filled: RunningConsole) -> None:
    """A row for each month, which is marked where the record began later; a picture of each."""
    visitor = await filled.signed_in(Role.ADMIN)
    page = (await visitor.get(f"/reports?since={MONTH}&until=2025-12")).text
    text = text_of(page)
    assert "2025-10 partial 0 4 0 0 no case no case no case" in text
    assert "In all 0 4 0 0" in text
    assert "the record began in this month or later" in text
    titles = re.findall(r'<title id="([^"]+)">([^<]+)</title>', page)
    assert [title for _, title in titles] == [
        *("Receipts", "Requests for evidence", "Approvals", "Denials"),
        "Days from receipt to decision, median",
    ]
    for name, _ in titles:
        assert f'aria-labelledby="{name} {name.replace("title", "desc")}"' in page
    assert (
        "Requests for evidence by month, 2025-10 to 2025-12. The highest is 4, in 2025-10." in text
    )
    assert '<rect class="bar partial"' in page
    assert "<title>2025-10: 4, partial</title>" in page
    assert "style=" not in page


async def test_the_last_twelve_months(filled: RunningConsole) -> None:
    """By default; what is chosen stays chosen."""
    visitor = await filled.signed_in(Role.VIEWER)
    page = (await visitor.get("/reports")).text
    assert page.count('<th scope="row">20') == 12
    page = (await visitor.get("/reports?since=2025-10&until=2025-10")).text
    assert 'name="since" value="2025-10"' in page
    assert page.count('<th scope="row">20') == 1


async def test_confidential_cases(filled: RunningConsole) -> None:
    """They are in no figure for who may not see them, on the page and in the file."""
    for role in Role:
        visitor = await filled.signed_in(role)
        seen = 4 if role in (Role.AUDITOR, Role.ADMIN) else 3
        text = text_of((await visitor.get(f"/reports?since={MONTH}&until={MONTH}")).text)
        assert f"In all 0 {seen} 0 0" in text
        answer = await visitor.post(
            "/reports/outcomes", since=MONTH, until=MONTH, format="csv", next="/"
        )
        *_, last = csv.DictReader(io.StringIO(answer.text))
        assert last["rfe_issued"] == str(seen)
        assert CONFIDENTIAL not in answer.text


async def test_as_a_file(filled: RunningConsole) -> None:
    """The table as a spreadsheet reads it, to save; it goes on no record."""
    visitor = await filled.signed_in(Role.VIEWER)
    before = filled.rows("SELECT count(*) FROM journal")
    span = {"since": MONTH, "until": "2025-11"}
    answer = await visitor.post("/reports/outcomes", None, **span, format="csv")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="casebell-reports-\d{4}-\d\d-\d\d\.csv"',
        answer.headers["Content-Disposition"],
    )
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["month"] for row in rows] == ["2025-10", "2025-11", IN_ALL]
    assert rows[0]["partial"] == "True"
    assert (rows[0]["decision_median_days"], rows[0]["decision_of"]) == ("", "0")
    answer = await visitor.post("/reports/outcomes", None, **span, format="jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[0].keys() | {"apostrophes_in"} == rows[0].keys()
    assert (lines[0]["partial"], lines[0]["decision_median_days"]) == (True, None)
    assert filled.rows("SELECT count(*) FROM journal") == before


@pytest.mark.parametrize("address", ["since=2025", "since=2025-13", "since=1990-01", "month=1"])
async def test_what_cannot_be_understood(filled: RunningConsole, address: str) -> None:
    """400, and the name of what it is."""
    visitor = await filled.signed_in(Role.VIEWER)
    answer = await visitor.get(f"/reports?{address}")
    assert answer.status_code == 400
    assert f"<bdi>{address.partition('=')[0]}</bdi>" in answer.text
    name, _, value = address.partition("=")
    assert (await visitor.post("/reports/outcomes", None, **{name: value})).status_code == 400
