"""The second factor in a browser: set up, asked for, lost, replaced and given up."""

import re
import time
from html import unescape
from typing import Any

import httpx2
import pytest
from pyotp import TOTP

from casebell.actors import Role
from casebell.service.limits import MAX_OF_ACCOUNT
from console.running import PASSWORD, RunningConsole, Visitor, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG = "incorrect horse battery staple"


def key_on(page: str) -> str:
    """The secret that a page shows as text."""
    found = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page)
    assert found, text_of(page)
    return found[1].replace(" ", "")


def codes_on(page: str) -> list[str]:
    """The recovery codes that a page shows."""
    return re.findall(r"<li><code>([0-9a-z-]{19})</code></li>", page)


def shown(secret: str, *, early: int = 0) -> str:
    """The code on an authenticator whose clock is that many intervals ahead."""
    return TOTP(secret).at(time.time() + 30 * early)


async def signed_in(console: RunningConsole, name: str, role: Role = Role.VIEWER) -> Visitor:
    """Somebody of an account of their own."""
    await console.add_account(name, role)
    visitor = console.visitor()
    answer = await visitor.sign_in(name, after="/account")
    assert answer.headers["Location"] == "/account"
    return visitor


async def begin(visitor: Visitor, password: str = PASSWORD) -> httpx2.Response:
    """Ask for a secret."""
    return await visitor.post("/second-factor/begin", password=password)


async def turn_on(visitor: Visitor) -> tuple[str, list[str]]:
    """Set one up; its secret and the recovery codes."""
    began = await begin(visitor)
    secret = key_on((await visitor.get(began.headers["Location"])).text)
    page = await visitor.post("/second-factor/confirm", code=shown(secret))
    assert page.status_code == 200, text_of(page.text)
    return secret, codes_on(page.text)


async def give(visitor: Visitor, code: str, after: str = "/account") -> httpx2.Response:
    """Give a code after the password."""
    return await visitor.post("/sign-in/code", code=code, next=after)


async def test_from_setting_it_up_to_the_next_sign_in(console: RunningConsole) -> None:
    """A picture with the key beside it, a code, recovery codes this once; then it is asked for."""
    visitor = await signed_in(console, "one")
    assert "Your password alone" in text_of((await visitor.get("/second-factor")).text)
    began = await begin(visitor)
    assert (began.status_code, began.headers["Location"]) == (303, "/second-factor?next=%2F")
    page = (await visitor.get("/second-factor")).text
    secret = key_on(page)
    assert re.search(r'<div class="qr" role="img" aria-label="[^"]+"><svg viewBox=', page)
    assert "style=" not in page
    assert "otpauth" not in page
    wrong = await visitor.post("/second-factor/confirm", code="12345")
    assert wrong.status_code == 400
    assert "not the code that the authenticator shows" in text_of(wrong.text)
    assert key_on(wrong.text) == secret
    made = await visitor.post("/second-factor/confirm", code=shown(secret))
    codes = codes_on(made.text)
    assert (made.status_code, len(set(codes))) == (200, 10)
    assert made.headers["Cache-Control"] == "no-store"
    # Neither again, nor anywhere.
    again = await visitor.post("/second-factor/confirm", code=shown(secret, early=1))
    assert again.status_code == 409
    page = text_of((await visitor.get("/second-factor")).text)
    assert "10 recovery codes are left" in page
    assert not any(code in page for code in codes)

    elsewhere = console.visitor()
    asked = await elsewhere.sign_in("one", after="/events?limit=2")
    before = dict(elsewhere.client.cookies)
    to = (await elsewhere.get(asked.headers["Location"])).headers["Location"]
    assert to == "/sign-in/code?next=%2Fevents%3Flimit%3D2"
    form = (await elsewhere.get(to)).text
    assert 'value="/events?limit=2"' in form
    assert "Sign out" not in form
    inside = await give(elsewhere, shown(secret, early=1), after="/events?limit=2")
    assert (inside.status_code, inside.headers["Location"]) == (303, "/events?limit=2")
    assert (await elsewhere.get("/events?limit=2")).status_code == 200
    # Whoever knew the cookie before has nothing of it.
    thief = console.visitor()
    thief.client.cookies.update(before)
    assert before != dict(elsewhere.client.cookies)
    assert "/sign-in" in (await thief.get("/events")).headers["Location"]


async def test_nothing_before_the_code(console: RunningConsole) -> None:
    """The password alone opens no page, no button and no other door."""
    visitor = await signed_in(console, "two", Role.ADMIN)
    await turn_on(visitor)
    half = console.visitor()
    await half.sign_in("two")
    for path in ("/", "/events", "/account", "/accounts", "/second-factor", "/audit"):
        answer = await half.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["Location"].startswith("/sign-in/code"), path
    posts: dict[str, dict[str, Any]] = {
        "/reload": {},
        "/accounts/disable": {"name": "the-viewer"},
        "/accounts/add": {"name": "mine", "role": "admin"},
        "/account/password": {"password": PASSWORD, "new": WRONG, "again": WRONG},
        "/second-factor/begin": {"password": PASSWORD},
        "/second-factor/confirm": {"code": "123456"},
        "/second-factor/off": {"password": PASSWORD},
        "/second-factor/recovery-codes": {"password": PASSWORD},
    }
    for path, fields in posts.items():
        answer = await half.post(path, **fields)
        assert answer.status_code == 303, path
        assert answer.headers["Location"].startswith("/sign-in/code"), path
    assert (await visitor.get("/account")).status_code == 200
    assert "Sign in with it" in (await half.get("/sign-in/code")).text


async def test_who_is_asked_for_none(console: RunningConsole) -> None:
    """The form for a code leads on; whoever is nobody is asked for a name first."""
    visitor = await console.signed_in(Role.VIEWER)
    assert (await visitor.get("/sign-in/code?next=/events")).headers["Location"] == "/events"
    assert (await give(visitor, "123456")).headers["Location"] == "/account"
    stranger = console.visitor()
    for path in ("/sign-in/code", "/second-factor"):
        assert (await stranger.get(path)).headers["Location"].startswith("/sign-in?next=")
    assert (await give(stranger, "123456")).headers["Location"].startswith("/sign-in?next=")
    assert (await begin(stranger)).headers["Location"].startswith("/sign-in?next=")


async def test_recovery_codes(console: RunningConsole) -> None:
    """One lets in once, and the page says what is left; few are told as something to do."""
    visitor = await signed_in(console, "three")
    _, codes = await turn_on(visitor)
    said = ""
    for number, code in enumerate(codes):
        await visitor.sign_in("three")
        if number == 1:
            wrong = await give(visitor, codes[number - 1])
            assert wrong.status_code == 401
            assert "not right, or was used already" in text_of(wrong.text)
        inside = await give(visitor, f" {code.upper()} ")
        said = await visitor.said(inside)
        left = len(codes) - number - 1
        assert (f"{left} of your recovery codes" in said) == (left > 0)
        assert ("Make new ones" in said) == (left <= 3)
    assert "No other recovery code is left" in said
    wrong = await visitor.post("/second-factor/recovery-codes", password=WRONG)
    assert wrong.status_code == 401
    assert "This is not your present password." in text_of(wrong.text)
    made = await visitor.post("/second-factor/recovery-codes", password=PASSWORD)
    assert made.status_code == 200, text_of(made.text)
    new = codes_on(made.text)
    assert len(set(new)) == 10
    assert not set(new) & set(codes)
    assert "The earlier ones serve no more." in text_of(made.text)
    await visitor.sign_in("three")
    assert (await give(visitor, new[9])).status_code == 303


async def test_too_many_codes(console: RunningConsole) -> None:
    """After ten the account waits at this address; the page says how long."""
    visitor = await signed_in(console, "four")
    secret, _ = await turn_on(visitor)
    half = console.visitor()
    await half.sign_in("four")
    for _ in range(MAX_OF_ACCOUNT):
        assert (await give(half, "000000")).status_code == 401
    answer = await give(half, shown(secret, early=1))
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Try again in" in text_of(answer.text)
    # Who is in stays in.
    assert (await visitor.get("/account")).status_code == 200
    [(failed, told)] = console.rows(
        "SELECT count(*), min(data) FROM journal WHERE kind = 'attempt.failed' "
        "AND subject = 'account:four' AND data LIKE '%wrong_code%'"
    ) or [(0, "")]
    assert failed <= MAX_OF_ACCOUNT
    assert "000000" not in str(told)


async def test_another_authenticator(console: RunningConsole) -> None:
    """Begun with the password; until it is confirmed the present one counts."""
    visitor = await signed_in(console, "five")
    secret, codes = await turn_on(visitor)
    assert (await begin(visitor, WRONG)).status_code == 401
    began = await begin(visitor)
    page = (await visitor.get(began.headers["Location"])).text
    new = key_on(page)
    assert new != secret
    assert "Another authenticator" in page
    elsewhere, thief = console.visitor(), console.visitor()
    thief.client.cookies = dict(visitor.client.cookies)
    await elsewhere.sign_in("five")
    assert (await give(elsewhere, codes[0])).status_code == 303
    made = await visitor.post("/second-factor/confirm", code=shown(new))
    assert len(codes_on(made.text)) == 10
    assert (await visitor.get("/account")).status_code == 200
    # All other sessions ended, and whoever has a copy of this one's cookie is out.
    for other in (elsewhere, thief):
        assert (await other.get("/account")).status_code == 303
    await elsewhere.sign_in("five")
    for old in (shown(secret, early=1), codes[1]):
        assert (await give(elsewhere, old)).status_code == 401
    assert (await give(elsewhere, shown(new, early=1))).status_code == 303


async def test_given_up(console: RunningConsole) -> None:
    """With the password, which alone is asked for then."""
    visitor = await signed_in(console, "six")
    await turn_on(visitor)
    wrong = await visitor.post("/second-factor/off", password=WRONG)
    assert wrong.status_code == 401
    assert "This is not your present password." in text_of(wrong.text)
    answer = await visitor.post("/second-factor/off", password=PASSWORD)
    assert "Your second factor is off." in await visitor.said(answer)
    assert (await visitor.sign_in("six", after="/account")).status_code == 303
    assert (await visitor.get("/account")).status_code == 200
    again = await visitor.post("/second-factor/off", password=PASSWORD)
    assert again.status_code == 409


async def test_a_role_that_needs_one(console: RunningConsole) -> None:
    """Whoever has none sets it up before anything else, without typing the password again."""
    visitor = await signed_in(console, "seven", Role.AUDITOR)
    text = console.file.read_text()
    console.file.write_text(f'{text}[console]\nsecond_factor = ["auditor"]\n')
    try:
        await console.admin("reload")
        # Who was in signs in again.
        assert (await visitor.get("/events")).headers["Location"].startswith("/sign-in?next=")
        await visitor.sign_in("seven", after="/events?limit=2")
        before = dict(visitor.client.cookies)
        for path in ("/events?limit=2", "/account", "/"):
            to = (await visitor.get(path)).headers["Location"]
            assert to.startswith("/second-factor?next=")
        for path in ("/account/password", "/reload", "/second-factor/off"):
            answer = await visitor.post(path, password=PASSWORD, new=WRONG, again=WRONG)
            assert answer.headers["Location"].startswith("/second-factor")
        page = (await visitor.get("/second-factor?next=/events?limit=2")).text
        assert "Your role needs a second factor" in text_of(page)
        assert 'type="password"' not in page
        began = await visitor.post("/second-factor/begin", next="/events?limit=2")
        page = (await visitor.get(began.headers["Location"])).text
        secret = key_on(page)
        made = await visitor.post(
            "/second-factor/confirm", code=shown(secret), next="/events?limit=2"
        )
        assert len(codes_on(made.text)) == 10
        assert 'href="/events?limit=2"' in unescape(made.text)
        assert (await visitor.get("/events?limit=2")).status_code == 200
        assert dict(visitor.client.cookies) != before
        page = text_of((await visitor.get("/second-factor")).text)
        assert "it cannot be turned off" in page
        refused = await visitor.post("/second-factor/off", password=PASSWORD)
        assert refused.status_code == 409
        assert "Your role needs a second factor." in text_of(refused.text)
        # The role of others needs none.
        assert (await (await console.signed_in(Role.VIEWER)).get("/events")).status_code == 200
    finally:
        console.file.write_text(text)
        await console.admin("reload")


async def test_nothing_of_it_is_logged(console: RunningConsole) -> None:
    """Neither a secret nor a code nor a password, in a line or in an address."""
    visitor = await signed_in(console, "eight")
    secret, codes = await turn_on(visitor)
    await visitor.sign_in("eight")
    await give(visitor, codes[0])
    routes = {line["route"] for line in console.lines("console.request")}
    assert routes >= {"/sign-in/code", "/second-factor", "/second-factor/confirm"}
    said = str(console.log)
    for hidden in (secret, *codes, PASSWORD, *visitor.client.cookies.values()):
        assert hidden not in said
