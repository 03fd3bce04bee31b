"""The page of the rules: who hears of what, and what the file would have decided otherwise."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.running import CONFIDENTIAL
from casebell.actors import Role
from console.running import RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def edited(filled: RunningConsole) -> AsyncIterator[RunningConsole]:
    """Its file has another rule than what is in force; afterwards it is as it was."""
    text = filled.file.read_text()
    filled.file.write_text(text.replace('status = ["rfe_issued"]', 'status = ["approved"]'))
    yield filled
    filled.file.write_text(text)


async def test_who_hears(filled: RunningConsole) -> None:
    """As `casebell check` prints it; the gaps are warnings."""
    page = (await (await filled.signed_in(Role.OPERATOR)).get("/rules")).text
    text = text_of(page)
    assert "status rfe issued slack RFE" in text
    assert "status approved nobody" in text
    assert "Nobody is sure to hear of tag deadline, adverse, rejected; flag" in text
    assert "The file on the disk is not as it was" not in text
    # To compare costs time, so it is asked for.
    assert "changes decided since" not in text


async def test_a_file_that_nobody_changed(filled: RunningConsole) -> None:
    """It decides as it did."""
    visitor = await filled.signed_in(Role.OPERATOR)
    text = text_of((await visitor.get("/rules?over=30d")).text)
    assert "Of 3 changes decided since" in text
    assert "none would be decided otherwise." in text
    assert "The file says what is in force." in text


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR, Role.ADMIN])
async def test_a_file_that_was_changed(edited: RunningConsole, role: Role) -> None:
    """Who was told and who would be, with links; only of cases that one may see."""
    page = (await (await edited.signed_in(role)).get("/rules?over=30d")).text
    text = text_of(page)
    assert "The file on the disk is not as it was when it was last taken up" in text
    assert ('action="/reload"' in page) is (role is not Role.AUDITOR)
    seen = 3 if role is Role.OPERATOR else 4
    assert f"Of {seen} changes decided since" in text
    assert f"{seen} would be decided otherwise." in text
    assert (CONFIDENTIAL in page) is (role is not Role.OPERATOR)
    assert "compared with what is in force: Rules changed: RFE" in text
    assert 'slack → json, by "RFE", urgent' in text
    assert (
        'The rule "RFE" does not match now: status is rfe_issued, the rule asks for approved. '
        "It did: status is rfe_issued."
    ) in text
    assert 'href="/events/1"' in page


async def test_a_file_that_cannot_be_used(edited: RunningConsole) -> None:
    """Its problems are the answer, without what stands in it."""
    edited.file.write_text(
        edited.file.read_text().replace('notify = ["slack"]', 'notify = ["slak"]')
        + '[sources.torch]\nkind = "torch"\nsecrets = ["hunter2"]\n'
    )
    answer = await (await edited.signed_in(Role.OPERATOR)).get("/rules?over=30d")
    assert answer.status_code == 200
    text = text_of(answer.text)
    assert "The file cannot be used as it is; what is in force stays in force." in text
    assert "rules[1].notify[1] : There is no such channel." in text
    assert "sources.torch.secrets[1]" in text
    assert "hunter2" not in answer.text
    assert "status rfe issued slack RFE" in text


@pytest.mark.parametrize("address", ["/rules?over=soon", "/rules?over=30d&cursor=x", "/rules?a=1"])
async def test_what_cannot_be_understood(filled: RunningConsole, address: str) -> None:
    """400, and the name of what it is."""
    answer = await (await filled.signed_in(Role.OPERATOR)).get(address)
    assert answer.status_code == 400
    name = address.rpartition("&")[2].rpartition("?")[2].partition("=")[0]
    assert f"<bdi>{name}</bdi>" in answer.text


async def test_more_than_a_page(edited: RunningConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it ended, and the way on; how many are not shown."""
    monkeypatch.setattr("casebell.service.otherwise.PIECE", 1)
    monkeypatch.setattr("casebell.service.otherwise.MAX_LOOKED", 2)
    visitor = await edited.signed_in(Role.ADMIN)
    page = (await visitor.get("/rules?over=30d")).text
    assert "Looked back to" in page
    assert 'rel="next" href="/rules?over=30d&amp;cursor=2#otherwise"' in page
    further = (await visitor.get("/rules?over=30d&cursor=2")).text
    assert "Of older ones, where the page before ended:" in further
    assert 'href="/events/1"' in further
    assert "Looked back to" not in further


async def test_reload(edited: RunningConsole) -> None:
    """What an operator reloads is in force, and what it was told otherwise is so already."""
    visitor = await edited.signed_in(Role.OPERATOR)
    said = await visitor.said(await visitor.post("/reload", next="/rules"))
    assert said.startswith("Rules changed: RFE")
    assert said.endswith("The server uses the new configuration.")
    text = text_of((await visitor.get("/rules?over=30d")).text)
    assert "status approved slack RFE" in text
    assert "what differs was decided by an earlier configuration or release" in text
