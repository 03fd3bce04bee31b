"""The page of people: where each hears, and the buttons that say who is away."""

import re
from typing import Any

import pytest

from casebell.actors import Role
from console.running import RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


def row_of(page: str, name: str) -> str:
    """What the page says of somebody."""
    rows = [text_of(one) for one in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)]
    (found,) = [row for row in rows if row.startswith(name)]
    return found


async def test_away_and_back(console: RunningConsole) -> None:
    """Everybody sees who is away and who hears, too; an operator says so."""
    operator, viewer = await console.signed_in(Role.OPERATOR), await console.signed_in(Role.VIEWER)
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
