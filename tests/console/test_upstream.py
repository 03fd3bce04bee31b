"""The page of the provider's APIs: who sees it, what it says, and what its buttons do."""

import re

import pytest

from casebell.actors import Role
from console.running import RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def shown(console: RunningConsole, role: Role) -> str:
    """The page."""
    return (await (await console.signed_in(role)).get("/upstream")).text


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR, Role.ADMIN])
async def test_who_may_press(console: RunningConsole, role: Role) -> None:
    """An auditor looks and finds no button; Torch takes neither cases nor subscriptions."""
    await console.say_of_case("IOE0000009999", label="A")
    page = await shown(console, role)
    actions = set(re.findall(r'action="(/upstream[^"]+)"', page))
    pressed = {
        *("/upstream/parley/register", "/upstream/parley/subscribe"),
        *("/upstream/parley/reconcile", "/upstream/torch/reconcile"),
    }
    assert actions == (set() if role is Role.AUDITOR else pressed)
    assert page.count("<h1>") == 1
    text = text_of(page)
    assert "Not registered 1 case" in text
    assert "your Parley contact registers the address" in text


async def test_an_attorney_does_not_see_it(console: RunningConsole) -> None:
    """Nor the way there."""
    visitor = await console.signed_in(Role.VIEWER)
    assert (await visitor.get("/upstream")).status_code == 403
    assert 'href="/upstream"' not in (await visitor.get("/")).text


async def test_from_today_to_registered(console: RunningConsole) -> None:
    """The first page tells of what is missing; the button registers it, and it is told no more."""
    visitor = await console.signed_in(Role.OPERATOR)
    missing = "1 case is not registered with parley"
    assert missing in text_of((await visitor.get("/")).text)
    pressed = await visitor.post("/upstream/parley/register", next="/upstream")
    assert await visitor.said(pressed) == "1 case registered with parley."
    assert missing not in text_of((await visitor.get("/")).text)
    assert "Not registered none" in text_of((await visitor.get("/upstream")).text)


async def test_compare(console: RunningConsole) -> None:
    """What came of it is said, and stands there as the last reconciliation."""
    visitor = await console.signed_in(Role.OPERATOR)
    # The API knows of no case that nobody registered.
    await visitor.post("/upstream/parley/register", next="/upstream")
    pressed = await visitor.post("/upstream/parley/reconcile", next="/upstream")
    said = await visitor.said(pressed)
    assert said.startswith("parley: 1 case compared, 0 changes found")
    assert "1 case was looked at for the first time" in said
    text = text_of((await visitor.get("/upstream")).text)
    assert "1 case compared, 0 changes found that no webhook had delivered" in text
    assert "none yet" in text


async def test_subscribe(console: RunningConsole) -> None:
    """Once, and again where it is asked for; the secret stands nowhere."""
    visitor = await console.signed_in(Role.OPERATOR)
    pressed = await visitor.post("/upstream/parley/subscribe", next="/upstream")
    said = await visitor.said(pressed)
    (made,) = console.upstream.simulator.world.subscriptions
    assert f"subscription {made.id}." in said
    page = (await visitor.get("/upstream")).text
    assert made.id in page
    assert "Another subscription, with a new secret" in page
    refused = await visitor.post("/upstream/parley/subscribe", next="/upstream")
    assert refused.status_code == 409
    again = await visitor.post("/upstream/parley/subscribe", next="/upstream", again="true")
    assert "Its secret_file has 2 secrets" in await visitor.said(again)
    page = (await visitor.get("/upstream")).text
    secrets = (console.folder / "parley.secret").read_text().split()
    assert len(secrets) == 2
    assert not any(secret in page + said + refused.text for secret in secrets)


async def test_what_fails(console: RunningConsole) -> None:
    """Whatever an API says is inert, and a case is masked for whom it is not."""
    console.write("UPDATE upstream_cases SET problem = 'It says <b onclick=x>no</b>' || char(8238)")
    console.write("UPDATE cases SET confidential = 1")
    for role, receipt in ((Role.OPERATOR, "IOE…9999"), (Role.ADMIN, "IOE0000009999")):
        page = await shown(console, role)
        assert "<b onclick" not in page
        assert receipt in page
    assert "IOE0000009999" not in (await shown(console, Role.OPERATOR))
    visitor = await console.signed_in(Role.ADMIN)
    today = text_of((await visitor.get("/")).text)
    assert "1 case could not be asked about at parley" in today


@pytest.mark.slow
async def test_an_api_that_is_down(console: RunningConsole) -> None:
    """It is said on its page; the first page asks nobody."""
    before = console.file.read_text()
    console.file.write_text(before.replace(console.upstream.url, "http://127.0.0.1:9"))
    await console.admin("reload")
    try:
        page = text_of(await shown(console, Role.ADMIN))
        visitor = await console.signed_in(Role.ADMIN)
        pressed = await visitor.post("/upstream/parley/subscribe", next="/upstream", again="true")
    finally:
        console.file.write_text(before)
        await console.admin("reload")
    assert "Answers no" in page
    assert pressed.status_code == 502
