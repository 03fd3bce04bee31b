"""Accounts and tokens in an admin's browser: listed, added, changed, ended."""

import re
from typing import Any
from urllib.parse import quote

import pytest

from casebell.actors import Role
from console.running import RunningConsole, Visitor, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

POSTS = {
    "/accounts/add": {"name": "mine", "role": "admin"},
    "/accounts/change": {"name": "the-viewer", "role": "admin", "was_role": "viewer"},
    "/accounts/password": {"name": "the-viewer"},
    "/accounts/disable": {"name": "the-viewer"},
    "/accounts/enable": {"name": "the-viewer"},
    "/accounts/sign-out": {"name": "the-viewer"},
    "/accounts/reset": {"name": "the-viewer"},
    "/tokens/revoke": {"name": "the-viewer"},
}


async def account(console: RunningConsole, name: str) -> dict[str, Any]:
    """What is known of an account."""
    found: list[dict[str, Any]] = await console.admin("list_accounts")
    [one] = [one for one in found if one["name"] == name]
    return one


async def change(visitor: Visitor, name: str, **fields: str) -> str:
    """Send the form of an account with these fields otherwise; what the next page says."""
    page = (await visitor.get(f"/accounts/change?name={quote(name)}")).text
    was = dict(re.findall(r'name="(was_\w+)" value="([^"]*)"', page))
    form = {field.removeprefix("was_"): value for field, value in was.items()}
    return await visitor.said(
        await visitor.post("/accounts/change", None, **{"name": name, **form, **was, **fields})
    )


async def test_only_admins(console: RunningConsole) -> None:
    """Others see neither page and press no button."""
    before = await console.admin("list_accounts")
    for role in (Role.VIEWER, Role.OPERATOR, Role.AUDITOR):
        visitor = await console.signed_in(role)
        assert "/accounts" not in (await visitor.get("/events")).text
        for path in ("/accounts", "/accounts/change?name=the-viewer"):
            assert (await visitor.get(path)).status_code == 403, (role, path)
        for path, fields in POSTS.items():
            answer = await visitor.post(path, None, **fields)
            assert answer.status_code == 403, (role, path)
            assert "the-viewer" not in answer.text or role is Role.VIEWER
    seen = ("last_sign_in_at",)
    after = await console.admin("list_accounts")
    assert [{k: v for k, v in one.items() if k not in seen} for one in after] == [
        {k: v for k, v in one.items() if k not in seen} for one in before
    ]


async def test_all_of_them(console: RunningConsole) -> None:
    """Accounts with what an admin asks of them, and tokens; no token, no hash."""
    admin = await console.signed_in(Role.ADMIN)
    page = (await admin.get("/accounts")).text
    for role in Role:
        assert f'<a href="/accounts/change?name=the-{role}">' in page
    assert "argon2" not in page
    assert "cbl_" not in page
    assert "revoked" in text_of(page)
    assert '<a href="/accounts" aria-current="page">' in page


async def test_added(console: RunningConsole) -> None:
    """With a password that is made and shown once, and lets its owner in."""
    admin = await console.signed_in(Role.ADMIN)
    given = {"role": "operator", "email": "new@example-firm.com", "person": "new"}
    answer = await admin.post("/accounts/add", None, name="new.one", expires="", **given)
    assert answer.status_code == 200
    [password] = re.findall(r'<code class="key">([0-9a-z-]{19})</code>', answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    added = await account(console, "new.one")
    assert {key: added[key] for key in given} == given
    assert (added["expires_at"], added["created_by"]) == (None, "account:the-admin")
    assert (await console.visitor().sign_in("new.one", password)).status_code == 303
    assert password not in str(console.log)
    for fields, status, says in (
        ({"name": "new.one", "role": "viewer"}, 409, "There is an account “new.one” already"),
        ({"name": "a b", "role": "viewer"}, 400, "neither spaces"),
        ({"name": "x", "role": "root"}, 400, "known: viewer"),
        ({"name": "x"}, 400, "An account has a role."),
        ({"role": "viewer"}, 400, "An account has a name."),
        ({"name": "x", "role": "viewer", "email": "me"}, 400, "no e-mail address"),
        ({"name": "x", "role": "viewer", "expires": "2020-01-01T00:00"}, 400, "in the future"),
    ):
        answer = await admin.post("/accounts/add", None, **fields)
        assert answer.status_code == status, fields
        assert says in text_of(answer.text)
        # What was typed is still there.
        assert f'value="{fields.get("name", "")}"' in answer.text


async def test_changed(console: RunningConsole) -> None:
    """Only what the form changed: what somebody else changed meanwhile stays."""
    admin = await console.signed_in(Role.ADMIN)
    await console.add_account("cy", Role.VIEWER, email="cy@example.org", expires="30d")
    before = await account(console, "cy")
    assert await change(admin, "cy", role="operator") == "Account cy (operator) is changed."
    after = await account(console, "cy")
    assert (after["role"], after["email"]) == ("operator", "cy@example.org")
    assert after["expires_at"] == before["expires_at"]
    # As a form that was opened before the role was changed.
    old = {"role": "viewer", "was_role": "viewer", "email": "", "was_email": "cy@example.org"}
    await admin.post("/accounts/change", None, name="cy", **old)
    after = await account(console, "cy")
    assert (after["role"], after["email"]) == ("operator", None)
    # In the firm's zone.
    await change(admin, "cy", expires="2031-01-31T18:00", person="cy-p")
    after = await account(console, "cy")
    assert (after["expires_at"], after["person"]) == ("2031-01-31T23:00:00.000000Z", "cy-p")
    await change(admin, "cy", expires="")
    assert (await account(console, "cy"))["expires_at"] is None
    kinds = console.rows(
        "SELECT data FROM journal WHERE kind = 'account.changed' AND subject = 'account:cy'"
    )
    assert '"changed":["role"]' in kinds[0][0]
    assert len(kinds) == 4


async def test_what_cannot_be_changed(console: RunningConsole) -> None:
    """Nothing, or to what is none; the form keeps what was typed."""
    admin = await console.signed_in(Role.ADMIN)
    await console.add_account("di", Role.VIEWER)
    path = "/accounts/change"
    answer = await admin.post(path, None, name="di", role="viewer", was_role="viewer")
    assert (answer.status_code, "Nothing is changed." in answer.text) == (400, True)
    answer = await admin.post(path, None, name="di", email="nobody", was_email="")
    assert answer.status_code == 400
    assert 'value="nobody"' in answer.text
    assert "no e-mail address" in text_of(answer.text)
    for wrong in (
        await admin.get(f"{path}?name=dl"),
        await admin.post(path, None, name="dl", role="admin", was_role="viewer"),
        await admin.post("/accounts/disable", name="dl"),
        await admin.post("/accounts/password", name="dl"),
    ):
        assert wrong.status_code == 404
        assert "Did you mean di ?" in text_of(wrong.text)
    assert (await admin.get(path)).status_code == 400


async def test_ended_and_begun_again(console: RunningConsole) -> None:
    """Each button does what it says, says what it did, and is on record as the admin's."""
    admin = await console.signed_in(Role.ADMIN)
    await console.add_account("ed", Role.VIEWER)
    visitor = console.visitor()
    for path, says, is_in in (
        ("/accounts/sign-out", "Account ed (viewer) is signed out everywhere.", True),
        ("/accounts/disable", "Account ed (viewer) is disabled.", False),
        ("/accounts/enable", "Account ed (viewer) is enabled.", True),
    ):
        await visitor.sign_in("ed")
        answer = await admin.post(path, name="ed", next="/accounts/change?name=ed")
        assert await admin.said(answer) == says
        assert (await visitor.get("/account")).status_code == 303
        assert (await visitor.sign_in("ed")).status_code == (303 if is_in else 401)
    answer = await admin.post("/accounts/enable", name="ed", next="/accounts")
    assert answer.status_code == 409
    answer = await admin.post("/accounts/password", name="ed")
    [password] = re.findall(r'<code class="key">([0-9a-z-]{19})</code>', answer.text)
    assert (await visitor.get("/account")).status_code == 303
    assert (await visitor.sign_in("ed")).status_code == 401
    assert (await visitor.sign_in("ed", password)).status_code == 303
    told = console.rows(
        "SELECT kind FROM journal WHERE subject = 'account:ed' AND actor = 'account:the-admin'"
    )
    assert [kind for (kind,) in told] == [
        *("account.signed_out", "account.disabled", "account.enabled"),
        "account.password_changed",
    ]


async def test_a_token_is_revoked(console: RunningConsole) -> None:
    """For good; the page says so before and after."""
    admin = await console.signed_in(Role.ADMIN)
    token = await console.make_token("script", Role.VIEWER)
    page = text_of((await admin.get("/accounts")).text)
    assert "refused from its next request on" in page
    assert (await console.ask("GET", "events", token=token)).status_code == 200
    answer = await admin.post("/tokens/revoke", name="script", next="/accounts")
    assert await admin.said(answer) == "Token script is revoked; its name stays taken."
    assert (await console.ask("GET", "events", token=token)).status_code == 401
    assert (await admin.post("/tokens/revoke", name="script", next="/accounts")).status_code == 409


async def test_names_that_look_like_something_else(console: RunningConsole) -> None:
    """A name is a text on a page and a value in an address, whatever stands in it."""
    admin = await console.signed_in(Role.ADMIN)
    for name in ('<b>"x"&', "a/../b?c=d#e", "שלום", "%2e%2e", "'or1=1--"):
        await console.add_account(name, Role.VIEWER)
        page = (await admin.get("/accounts")).text
        assert "<b>" not in page
        link = f"/accounts/change?name={quote(name, safe='/')}"
        assert f'href="{link.replace("&", "&amp;")}"' in page, link
        seen = (await admin.get(link)).text
        assert f"Account {name}" in text_of(seen)
        answer = await admin.post("/accounts/disable", name=name, next=link)
        assert await admin.said(answer) == f"Account {name} (viewer) is disabled."


async def test_expired(console: RunningConsole) -> None:
    """The list says who cannot sign in any more."""
    admin = await console.signed_in(Role.ADMIN)
    await console.add_account("fi", Role.VIEWER, expires="1ms")
    page = (await admin.get("/accounts")).text
    assert 'status-expired">expired<' in page
