"""Signing in and out with a browser that keeps its cookies."""

from urllib.parse import quote

import pytest

from casebell.actors import Role
from casebell.service.limits import MAX_OF_ACCOUNT
from console.running import PASSWORD, RunningConsole, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_from_a_link_to_its_page(filled: RunningConsole) -> None:
    """Whoever opens a link is asked who it is, and then sees what the link leads to."""
    visitor = filled.visitor()
    link = "/events?status=rfe_issued&limit=2"
    asked = await visitor.get(link)
    assert asked.status_code == 303
    to = asked.headers["Location"]
    assert to == f"/sign-in?next={quote(link, safe='')}"
    form = await visitor.get(to)
    assert form.status_code == 200
    assert f'value="{link.replace("&", "&amp;")}"' in form.text
    signed_in = await visitor.sign_in("The-Viewer", after=link)
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, link)
    assert (await visitor.get(link)).status_code == 200
    # The form is of no use any more.
    assert (await visitor.get(to)).headers["Location"] == link


async def test_a_wrong_password(console: RunningConsole) -> None:
    """One sentence, whatever is wrong; the name stays in its box, the password does not."""
    visitor = console.visitor()
    for name, password in (("the-viewer", "wrong" * 3), ("nobody", PASSWORD), ("", "")):
        answer = await visitor.sign_in(name, password)
        assert answer.status_code == 401
        assert "No account that may sign in has this name and this password." in answer.text
        assert f'value="{name}"' in answer.text
        assert "wrong" * 3 not in answer.text
        assert "set-cookie" not in answer.headers


async def test_too_many(console: RunningConsole) -> None:
    """After ten the account waits at this address; the page says for how long."""
    await console.add_account("tried", Role.VIEWER)
    visitor = console.visitor()
    for _ in range(MAX_OF_ACCOUNT):
        assert (await visitor.sign_in("tried", "wrong" * 3)).status_code == 401
    answer = await visitor.sign_in("tried")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Try again in" in text_of(answer.text)
    # Elsewhere its owner is not kept out.
    elsewhere = {
        "Sec-Fetch-Site": "same-origin",
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "https",
    }
    answer = await console.visitor().post("/sign-in", elsewhere, name="tried", password=PASSWORD)
    assert answer.status_code == 303


async def test_out(console: RunningConsole) -> None:
    """The cookie is nobody's afterwards, in whichever browser it lies."""
    visitor, thief = console.visitor(), console.visitor()
    await visitor.sign_in("the-viewer")
    thief.client.cookies = visitor.client.cookies
    kept = dict(visitor.client.cookies)
    assert (await visitor.get("/events")).status_code == 200
    answer = await visitor.post("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    thief.client.cookies.update(kept)
    assert (await thief.get("/events")).status_code == 303
    # Twice is no error.
    assert (await visitor.post("/sign-out")).status_code == 303


async def test_somebody_else(console: RunningConsole) -> None:
    """Whoever signs in anew in the same browser ends the session that was there."""
    visitor = console.visitor()
    await visitor.sign_in("the-viewer")
    before = dict(visitor.client.cookies)
    await visitor.sign_in("the-auditor")
    other = console.visitor()
    other.client.cookies.update(before)
    assert (await other.get("/events")).status_code == 303
    assert "the-auditor" in (await visitor.get("/events")).text


async def test_fixed_beforehand(console: RunningConsole) -> None:
    """A cookie that somebody else put there is not taken over."""
    visitor = console.visitor()
    visitor.client.cookies.set("casebell-session", "a" * 43)
    answer = await visitor.sign_in("the-viewer")
    assert "a" * 43 not in answer.headers["Set-Cookie"]


async def test_over_plain_http(console: RunningConsole) -> None:
    """Nobody is asked for a password where others read along."""
    # Nobody has said how people reach it.
    before = console.file.read_text()
    console.file.write_text(before.replace('public_url = "http://127.0.0.1"\n', ""))
    await console.admin("reload")
    visitor = console.visitor()
    form = await visitor.client.get("/sign-in", headers={"Host": "cases.example-firm.com"})
    assert "plain HTTP" in form.text
    assert 'type="password"' not in form.text
    sent = {"Sec-Fetch-Site": "same-origin", "Host": "cases.example-firm.com"}
    answer = await visitor.post("/sign-in", sent, name="the-viewer", password=PASSWORD)
    console.file.write_text(before)
    await console.admin("reload")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("to", ["//elsewhere.example", "https://elsewhere.example", "/\\e", "e"])
async def test_next_is_ours(console: RunningConsole, to: str) -> None:
    """Nobody is led elsewhere by a link to the sign-in."""
    visitor = console.visitor()
    form = await visitor.get(f"/sign-in?next={quote(to, safe='')}")
    assert 'name="next" value="/"' in form.text
    answer = await visitor.sign_in("the-viewer", after=to)
    assert answer.headers["Location"] == "/"


async def test_the_zone(filled: RunningConsole) -> None:
    """Times are the firm's, or UTC; which one stands beside each."""
    visitor = filled.visitor()
    await visitor.sign_in("the-viewer")
    assert " EST" in (await visitor.get("/events")).text
    answer = await visitor.post("/zone", zone="utc", next="/events")
    assert answer.headers["Location"] == "/events"
    page = (await visitor.get("/events")).text
    assert " UTC</time>" in page
    assert " EST" not in page


async def test_what_goes_wrong_is_a_page(console: RunningConsole) -> None:
    """With its status, a sentence, and a way back."""
    visitor = await console.signed_in(Role.VIEWER)
    for path, status in (("/events?status=x", 400), ("/events?limit=9999", 400)):
        answer = await visitor.get(path)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-Id"] in answer.text
        assert 'href="/"' in answer.text


async def test_a_form_that_is_too_large(console: RunningConsole) -> None:
    """It is refused by a whole answer, though its body was not read."""
    visitor = console.visitor()
    answer = await visitor.post("/sign-in", name="a" * 100_000, password="b")
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert len(answer.content) == int(answer.headers["Content-Length"])


async def test_a_mistyped_address(console: RunningConsole) -> None:
    """Is a page for a person, with the way back; a program, and a delivery, are told as ever."""
    visitor = await console.signed_in(Role.VIEWER)
    browser = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
    for path in ("/evnets", "/events/1/2", "/webhooks"):
        answer = await visitor.client.get(path, headers=browser)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "There is nothing here" in answer.text
        assert 'aria-label="Pages"' in answer.text
        stranger = await console.visitor().client.get(path, headers=browser)
        assert stranger.status_code == 404
        assert 'aria-label="Pages"' not in stranger.text
        assert (await visitor.get(path)).json()["error"] == "not_found"


async def test_the_log(console: RunningConsole) -> None:
    """A request is named by its route: an address may name a case, and a form has a password."""
    visitor = await console.signed_in(Role.VIEWER)
    await visitor.get("/events?receipt=IOE0912345678")
    await console.visitor().sign_in("the-viewer", "a wrong password that nobody may see")
    lines = console.lines("console.request")
    assert {line["route"] for line in lines} >= {"/events", "/sign-in"}
    assert any(line.get("actor") == "account:the-viewer" for line in lines)
    said = str(console.log)
    for secret in ("IOE0912345678", "nobody may see", PASSWORD, *visitor.client.cookies.values()):
        assert secret not in said


async def test_the_files(console: RunningConsole) -> None:
    """Whatever a page loads is there for everybody, and stays in the browser."""
    visitor = console.visitor()
    page = (await visitor.get("/sign-in")).text
    loaded = [part.split('"')[0] for part in page.split('"/static/')[1:]]
    assert len(loaded) >= 4
    for one in loaded:
        answer = await visitor.get(f"/static/{one}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/static/none.css", "/static/../pyproject.toml", "/static/vendor/SHA256SUMS"):
        assert (await visitor.get(path)).status_code == 404
