"""The page for people: it shows what there is, escapes it, and acts only for itself."""

import re
from collections.abc import AsyncIterator

import pytest

from sandbox.simulator.firm import RECEIPT, TOKEN, Firm, rehearsing

HOSTILE = '<script>alert(1)</script> "><img src=x> {{7*7}} \u202etxt.exe'
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def firm() -> AsyncIterator[Firm]:
    """Somebody with a browser, who has no token."""
    async with rehearsing() as firm:
        await firm.register(RECEIPT)
        await firm.subscribe("http://127.0.0.1:9/<b>hook")
        await firm.move("rfe_issued", text=HOSTILE)
        del firm.client.headers["Authorization"]
        yield firm


async def test_it_shows_everything_and_escapes_it(firm: Firm) -> None:
    """Cases, deliveries, addresses and requests; no element is of a stranger's making."""
    answer = await firm.client.get("/")
    page = answer.text
    assert answer.status_code == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{7*7}}" in page
    assert "\u202e" not in page
    assert "<b>" not in page
    for shown in (RECEIPT, "rfe_issued", "case.rfe.issued", "http://127.0.0.1:9/", "parley"):
        assert shown in page
    assert TOKEN not in page
    assert not re.findall(r"<(?:script|img|link|iframe)", page)
    # Nothing from elsewhere.
    assert not re.findall(r"""(?:src|href|action)=["'](?!/(?:page/|openapi\.json)?)""", page)
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_form_moves_a_case(firm: Firm) -> None:
    """Without scripts, and the page that follows shows it."""
    form = {"receipt": " ioe-0912345678", "status": "denied", "text": "", "at": "", "quiet": "yes"}
    answer = await firm.client.post("/page/move", data=form, headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    world = firm.simulator.world
    assert world.cases[RECEIPT].current.status == "denied"
    assert len(world.outbox.deliveries) == 2


async def test_a_form_begins_a_scenario(firm: Firm) -> None:
    """One that replaces a secret shows the new one, once."""
    answer = await firm.client.post("/page/scenario", data={"name": "lossy"}, headers=OURS)
    assert answer.status_code == 303
    assert firm.simulator.world.faults.drop == 0.3
    answer = await firm.client.post("/page/scenario", data={"name": "rotation"}, headers=OURS)
    assert firm.simulator.world.secrets.parley[0] in answer.text
    assert firm.simulator.world.secrets.parley[0] not in (await firm.client.get("/")).text


async def test_what_is_wrong_in_a_form_is_said(firm: Firm) -> None:
    """On the page, with what was typed, escaped."""
    form = {"receipt": "<i>A1", "status": "denied", "text": "", "at": ""}
    answer = await firm.client.post("/page/move", data=form, headers=OURS)
    assert answer.status_code == 400
    assert "receipt number is not three letters and ten digits" in answer.text
    assert 'value="&lt;i&gt;A1"' in answer.text
    for wrong in ({"status": "gone"}, {"at": "tomorrow"}, {"at": "1" * 80}):
        given = {**form, "receipt": RECEIPT, **wrong}
        answer = await firm.client.post("/page/move", data=given, headers=OURS)
        assert answer.status_code == 400, wrong
    answer = await firm.client.post("/page/scenario", data={"name": "x"}, headers=OURS)
    assert answer.status_code == 400
    assert len(firm.simulator.world.cases[RECEIPT].history) == 2


async def test_no_other_site_acts(firm: Firm) -> None:
    """A POST is 403 unless a page of this very origin sent it, however it says so."""
    sent = {"receipt": RECEIPT, "status": "denied"}
    host = firm.url.removeprefix("http://")
    for headers in (
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": f"http://{host}", "Sec-Fetch-Site": "cross-site"},
    ):
        for path in ("/page/move", "/page/scenario"):
            answer = await firm.client.post(path, data=sent, headers=headers)
            assert answer.status_code == 403, headers
    rebound = {"Host": "sandbox.example.com", "Sec-Fetch-Site": "same-origin"}
    for answer in (
        await firm.client.post("/page/move", data=sent, headers=rebound),
        await firm.client.post("/page/scenario", data={"name": "lossy"}, headers=rebound),
        await firm.client.get("/", headers=rebound),
    ):
        assert answer.status_code == 421
        # The site could read it.
        assert answer.text == "The sandbox answers to 127.0.0.1 and localhost only."
    assert len(firm.simulator.world.cases[RECEIPT].history) == 2
    old_browser = {"Origin": f"http://{host}"}
    answer = await firm.client.post("/page/move", data=sent, headers=old_browser)
    assert answer.status_code == 303
