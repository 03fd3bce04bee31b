"""One's own account in a browser: seen, its password changed, signed out elsewhere."""

import re

import pytest

from casebell.actors import Role
from console.running import PASSWORD, RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = "another correct horse"


async def test_what_is_seen_of_it(console: RunningConsole) -> None:
    """Who one is, since when one is signed in, and where else; for every role."""
    for role in Role:
        page = text_of((await (await console.signed_in(role)).get("/account")).text)
        assert f"Role {role} " in page
        assert "this browser" in page
    await console.add_account("jo", Role.VIEWER, email="jo@example-firm.com", person="jo-p")
    visitor = console.visitor()
    await visitor.sign_in("jo")
    page = text_of((await visitor.get("/account")).text)
    assert "Your cases those of jo-p E-mail jo@example-firm.com" in page
    assert "Sign out everywhere else" not in page
    elsewhere, thief = console.visitor(), console.visitor()
    await elsewhere.sign_in("JO")
    thief.client.cookies = dict(visitor.client.cookies)
    page = text_of((await visitor.get("/account")).text)
    assert page.count("another browser") == 1
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d E[SD]T just now this browser", page)
    answer = await visitor.post("/account/sign-out-elsewhere")
    assert answer.headers["Location"] == "/account"
    assert "signed out everywhere else" in await visitor.said(answer)
    assert (await visitor.get("/account")).status_code == 200
    for other in (elsewhere, thief):
        assert (await other.get("/account")).status_code == 303


async def test_another_password(console: RunningConsole) -> None:
    """With the present one and the new one twice; what is wrong is said beside the form."""
    await console.add_account("mo", Role.VIEWER)
    visitor, elsewhere, thief = console.visitor(), console.visitor(), console.visitor()
    await visitor.sign_in("mo")
    thief.client.cookies = dict(visitor.client.cookies)
    await elsewhere.sign_in("mo")
    for fields, status, says in (
        ({"password": PASSWORD + "!", "new": NEW, "again": NEW}, 401, "not your present password"),
        ({"password": PASSWORD, "new": NEW, "again": NEW + "!"}, 400, "two different new"),
        ({"password": PASSWORD, "new": "short", "again": "short"}, 400, "at least 12 characters"),
        ({}, 401, "not your present password"),
    ):
        answer = await visitor.post("/account/password", None, **fields)
        assert answer.status_code == status
        assert says in text_of(answer.text)
        assert "Where you are signed in" in answer.text
        assert NEW not in answer.text
    assert (await elsewhere.get("/account")).status_code == 200
    answer = await visitor.post("/account/password", password=PASSWORD, new=NEW, again=NEW)
    assert "Your password is changed" in await visitor.said(answer)
    assert (await visitor.get("/account")).status_code == 200
    for other in (elsewhere, thief):
        assert (await other.get("/account")).status_code == 303
    assert (await elsewhere.sign_in("mo")).status_code == 401
    assert (await elsewhere.sign_in("mo", NEW)).status_code == 303


async def test_a_calendar_of_one_s_own(console: RunningConsole) -> None:
    """Made with a button, its address shown once, and revoked; another's is not there."""
    await console.add_account("jia", Role.VIEWER, person="jchan")
    await console.add_account("kim", Role.VIEWER, person="kim")
    visitor, other = console.visitor(), console.visitor()
    await visitor.sign_in("jia")
    await other.sign_in("kim")
    made = await visitor.post("/account/feeds/add")
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    (address,) = re.findall(r"http://127\.0\.0\.1(/feeds/[A-Za-z0-9_-]{22}\.ics)", made.text)
    assert (await console.visitor().get(address)).status_code == 200
    page = await visitor.get("/account")
    assert address not in page.text
    assert "just now account:jia" in text_of(page.text)
    assert "account:jia" not in (await other.get("/account")).text
    (number,) = re.findall(r'name="number" value="(\d+)"', page.text)
    assert (await other.post("/account/feeds/revoke", number=number)).status_code == 404
    for wrong in ("", "x", "9" * 30):
        answer = await visitor.post("/account/feeds/revoke", number=wrong)
        assert answer.status_code == 400, wrong
    answer = await visitor.post("/account/feeds/revoke", number=number)
    assert "That calendar is revoked" in await visitor.said(answer)
    assert (await console.visitor().get(address)).status_code == 410


async def test_no_calendar_of_nobody(console: RunningConsole) -> None:
    """Whose account is nobody's has no button, and is told why without it."""
    visitor = await console.signed_in(Role.OPERATOR)
    assert "Your dates in your calendar" not in (await visitor.get("/account")).text
    answer = await visitor.post("/account/feeds/add")
    assert answer.status_code == 409
    assert "nobody in the configuration" in text_of(answer.text)
