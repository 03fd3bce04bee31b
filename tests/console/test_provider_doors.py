"""Signing in over an identity provider, as a browser does it."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec
import pytest
import pytest_asyncio

from casebell.actors import Role
from casebell.clock import SystemClock
from casebell.http.throttle import LINES_A_MINUTE
from casebell.service.limits import MAX_OF_NETWORK
from casebell.service.oidc.pending import Pending
from console.running import RunningConsole, Visitor, text_of
from service.oidc.provider import CLIENT, PEOPLE_URL, SECRET, Answer, Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: As a proxy with TLS passes it on.
FORWARDED = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
HOSTILE = "</p><script>alert(1)</script>\u202e"


@pytest_asyncio.fixture(loop_scope="module")
async def provider(console: RunningConsole) -> AsyncIterator[Provider]:
    """One that the running server is configured for."""
    before = console.file.read_text()
    async with Provider(SystemClock()) as made:
        made.claims = {"groups": ["lawyers"]}
        console.file.write_text(
            f'{before}[console]\npublic_url = "{PEOPLE_URL}"\n'
            f'[console.oidc]\nissuer = "{made.issuer}"\nclient_id = "{CLIENT}"\n'
            f'client_secret = "{SECRET}"\nroles = {{ "lawyers" = "viewer" }}\n'
        )
        await console.admin("reload")
        yield made
    console.file.write_text(before)
    await console.admin("reload")


async def come(
    visitor: Visitor,
    provider: Provider,
    *,
    after: str = "/",
    **answer: str,
) -> httpx2.Response:
    """Press the button, sign in at the provider, and come back."""
    path = f"/sign-in/oidc?next={quote(after, safe='')}"
    sent = await visitor.get(path)
    assert sent.status_code == 303, sent.text
    given = {**provider.approve(sent.headers["Location"]), **answer}
    return await visitor.client.get("/sign-in/oidc/callback", params=given)


def attributes(answer: httpx2.Response, name: str) -> list[str]:
    """A cookie that an answer sets: its value, and what the browser is told of it."""
    for header in answer.headers.get_list("set-cookie"):
        value, _, rest = header.partition("; ")
        if value.startswith(f"{name}="):
            return [value.removeprefix(f"{name}="), *sorted(rest.split("; "))]
    return []


async def test_there_and_back(filled: RunningConsole, provider: Provider) -> None:
    """From a link over the form and the provider to the page, with one cookie on the way."""
    visitor, link = filled.visitor(), "/events?status=rfe_issued&limit=2"
    form = (await visitor.get(f"/sign-in?next={quote(link, safe='')}")).text
    assert f'href="/sign-in/oidc?next={quote(link, safe="/")}"' in form
    assert "You sign in at 127.0.0.1." in text_of(form)
    began = await visitor.get(f"/sign-in/oidc?next={quote(link, safe='')}")
    told = ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax"]
    assert attributes(began, "casebell-pending")[1:] == told
    answer = provider.approve(began.headers["Location"])
    back = await visitor.client.get("/sign-in/oidc/callback", params=answer)
    assert (back.status_code, back.headers["Location"]) == (303, link)
    assert attributes(back, "casebell-pending")[0] == ""
    assert "Max-Age=0" in attributes(back, "casebell-pending")
    assert len(attributes(back, "casebell-session")[0]) == 43
    page = await visitor.get(link)
    assert page.status_code == 200
    assert "jchan@example-firm.com" in text_of(page.text)
    [data] = filled.rows(
        "SELECT data FROM journal WHERE kind = 'session.began' AND actor LIKE '%jchan%'"
    )[-1]
    assert json.loads(data)["how"] == "oidc"
    # The back button: the sign-in is over, and whoever came is signed in still.
    again = await visitor.client.get("/sign-in/oidc/callback", params=answer)
    assert again.status_code == 400
    assert (await visitor.get(link)).status_code == 200


async def test_behind_a_proxy(console: RunningConsole, provider: Provider) -> None:
    """Both cookies are of this host alone, and go over TLS only."""
    visitor = console.visitor()
    began = await visitor.client.get("/sign-in/oidc", headers=FORWARDED)
    told = ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax", "Secure"]
    cookie, *rest = attributes(began, "__Host-casebell-pending")
    assert rest == told
    given = provider.approve(began.headers["Location"])
    # No browser gives a cookie of TLS away over plain HTTP, as the test's client would have to.
    headers = {**FORWARDED, "Cookie": f"__Host-casebell-pending={cookie}"}
    back = await visitor.client.get("/sign-in/oidc/callback", params=given, headers=headers)
    assert (back.status_code, back.headers["Location"]) == (303, "/")
    assert "Secure" in attributes(back, "__Host-casebell-session")
    assert "Max-Age=0" in attributes(back, "__Host-casebell-pending")
    # Without the prefix it is no cookie of ours.
    headers = {**FORWARDED, "Cookie": f"casebell-pending={cookie}"}
    given = provider.approve(began.headers["Location"])
    bare = await visitor.client.get("/sign-in/oidc/callback", params=given, headers=headers)
    assert bare.status_code == 400


async def test_over_plain_http(console: RunningConsole, provider: Provider) -> None:
    """Nobody begins or ends a sign-in where others could read along; the form says so."""
    before = console.file.read_text()
    console.file.write_text(before.replace(PEOPLE_URL, "http://cases.example-firm.com"))
    await console.admin("reload")
    forwarded = {**FORWARDED, "X-Forwarded-Proto": "http"}
    for path in ("/sign-in/oidc?next=/cases", "/sign-in/oidc/callback?code=c&state=s"):
        answer = await console.visitor().client.get(path, headers=forwarded)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/sign-in?next=")
        assert "set-cookie" not in answer.headers
        form = await console.visitor().client.get(answer.headers["Location"], headers=forwarded)
        assert "plain HTTP" in form.text
        assert "/sign-in/oidc" not in form.text
    assert provider.asked == []


@pytest.mark.parametrize(
    ("answer", "claims", "shown"),
    [
        ({"state": "other"}, {}, (400, "This sign-in is not open in this browser.")),
        ({"error": "access_denied", "error_description": HOSTILE}, {}, (403, "did not let you in")),
        ({"code": "made-up"}, {}, (403, "does not prove who you are")),
        ({}, {"groups": ["x"], "preferred_username": HOSTILE}, (403, "gives you a role")),
        ({}, {"groups": ["x"], "preferred_username": "x" * 50_000}, (403, "gives you a role")),
        ({}, {"nonce": "another"}, (403, "does not prove who you are")),
    ],
)
async def test_whoever_does_not_get_in(
    console: RunningConsole,
    provider: Provider,
    answer: Mapping[str, str],
    claims: Mapping[str, Any],
    shown: tuple[int, str],
) -> None:
    """Reads why, and has a way back to the same page; nothing of the answer acts on it."""
    status, said = shown
    provider.claims |= claims
    back = await come(console.visitor(), provider, after="/cases?team=rfe", **answer)
    assert back.status_code == status
    assert said in text_of(back.text)
    assert 'href="/sign-in?next=%2Fcases%3Fteam%3Drfe"' in back.text
    assert "alert(1)</script>" not in back.text
    assert "\u202e" not in back.text
    assert len(back.text) < 5_000
    # Another sign-in that is open in the same browser goes on.
    gone = attributes(back, "casebell-pending")
    assert gone == [] if status == 400 else gone[0] == ""
    assert attributes(back, "casebell-session") == []


async def test_what_the_log_says(console: RunningConsole, provider: Provider) -> None:
    """Why somebody was not signed in, and nothing that was sent; of a flood some lines."""
    del console.log[:]
    made_up = {"code": "made-up-code", "error_description": HOSTILE}
    await come(console.visitor(), provider, **made_up)
    provider.claims |= {"groups": ["a-private-group"]}
    await come(console.visitor(), provider)
    for _ in range(LINES_A_MINUTE + 5):
        await console.visitor().get("/sign-in/oidc/callback?state=made-up-state&code=c")
    lines = [one for one in console.log if one["event"] == "oidc.failed"]
    assert [(one["reason"], one["cause"]) for one in lines[:3]] == [
        ("oidc_not_proven", "invalid_grant"),
        ("oidc_no_role", "no_role"),
        ("oidc_not_open", "no_cookie"),
    ]
    assert len(lines) <= 2 + LINES_A_MINUTE
    told = repr(console.log)
    for sent in ("made-up", "a-private-group", "jchan", "script", SECRET):
        assert sent not in told


async def test_a_provider_that_is_down(console: RunningConsole, provider: Provider) -> None:
    """Is not gone to: the page says that it cannot be asked."""
    provider.answers["/firm/.well-known/openid-configuration"] = Answer(status=500)
    answer = await console.visitor().get("/sign-in/oidc?next=/cases")
    assert answer.status_code == 503
    assert "cannot be asked now" in text_of(answer.text)
    assert "set-cookie" not in answer.headers


async def test_pages_elsewhere(console: RunningConsole, provider: Provider) -> None:
    """Are not gone to, neither as they are asked for nor as a changed cookie has them."""
    visitor = console.visitor()
    assert (await come(visitor, provider, after="https://evil.example")).headers["Location"] == "/"
    began = await visitor.get("/sign-in/oidc")
    cookie = attributes(began, "casebell-pending")[0]
    pending = Pending.read(cookie)
    assert pending is not None
    changed = msgspec.structs.replace(pending, next="//evil.example").text()
    answer = provider.approve(began.headers["Location"])
    back = await visitor.client.get(
        "/sign-in/oidc/callback", params=answer, headers={"Cookie": f"casebell-pending={changed}"}
    )
    assert (back.status_code, back.headers["Location"]) == (303, "/")


async def test_somebody_else_signs_in(console: RunningConsole, provider: Provider) -> None:
    """In the same browser: the first session ends."""
    visitor = console.visitor()
    await visitor.sign_in("the-admin")
    first = visitor.client.cookies["casebell-session"]
    await come(visitor, provider)
    thief = console.visitor()
    thief.client.cookies.set("casebell-session", first)
    assert (await thief.get("/events")).status_code == 303


async def test_its_account_as_admins_see_it(console: RunningConsole, provider: Provider) -> None:
    """Over what it signs in; neither its role nor a password can be set there."""
    await come(console.visitor(), provider)
    [(name,)] = console.rows(f"SELECT name FROM accounts WHERE issuer = '{provider.issuer}'")
    admin = await console.signed_in(Role.ADMIN)
    page = await admin.get(f"/accounts/change?name={name}")
    assert provider.issuer in page.text
    assert 'name="role"' not in page.text
    assert "/accounts/password" not in page.text
    answer = await admin.post("/accounts/change", name=name, role="admin", was_role="viewer")
    assert answer.status_code == 409
    assert "has its role from" in answer.text
    answer = await admin.post("/accounts/change", name=name, person="jchan", was_person="")
    assert answer.status_code == 303
    assert "its provider's" in text_of((await admin.get("/accounts")).text)


async def test_parameters_that_are_there_twice(console: RunningConsole, provider: Provider) -> None:
    """Are not the provider's, which sends each once."""
    visitor = console.visitor()
    began = await visitor.get("/sign-in/oidc")
    given = provider.approve(began.headers["Location"])
    twice = f"code={given['code']}&state={given['state']}&state={given['state']}"
    back = await visitor.get(f"/sign-in/oidc/callback?{twice}")
    assert back.status_code == 400


async def test_too_many(console: RunningConsole, provider: Provider) -> None:
    """Whoever made up too many answers waits, and reads for how long."""
    from_elsewhere = {**FORWARDED, "X-Forwarded-For": "203.0.113.50"}
    visitor = console.visitor()
    for _ in range(MAX_OF_NETWORK + 1):
        began = await visitor.client.get("/sign-in/oidc", headers=from_elsewhere)
        cookie = attributes(began, "__Host-casebell-pending")[0]
        state = provider.approve(began.headers["Location"])["state"]
        back = await visitor.client.get(
            f"/sign-in/oidc/callback?code=made-up&state={state}",
            headers={**from_elsewhere, "Cookie": f"__Host-casebell-pending={cookie}"},
        )
    assert back.status_code == 429
    assert int(back.headers["Retry-After"]) > 0
    assert "Try again in" in text_of(back.text)
    assert (await come(console.visitor(), provider)).status_code == 303


async def test_without_a_provider(console: RunningConsole) -> None:
    """There is nothing there, and the form does not offer it."""
    visitor = console.visitor()
    for path in ("/sign-in/oidc", "/sign-in/oidc/callback?code=c&state=s"):
        assert (await visitor.get(path)).status_code == 404
    assert "/sign-in/oidc" not in (await visitor.get("/sign-in")).text
