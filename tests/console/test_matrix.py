"""Every address of the console, asked by every role and by strangers: who may what."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pytest

from api.rights import FACTS, Subjects, allowed
from api.running import CONFIDENTIAL
from casebell.actors import Role
from casebell.console.actions import ACTIONS
from casebell.console.endpoint import Console
from casebell.console.pages import PAGES
from casebell.console.routing import Action, Door, Page
from console.running import RunningConsole, Visitor
from docs.pages import section
from e2e.sender import document, encoded, signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Enough for every button and every role.
EACH = 8
#: What a page is asked besides its path.
QUERIES = {"accounts/change": "?name=subject"}
#: Who has no second factor has none to forget.
NOTHING_TO_DO = {"accounts/reset": 409}
#: What a POST does not say that comes from a page of another site, or from no browser.
FOREIGN: Sequence[Mapping[str, str]] = (
    {},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "null"},
    {"Origin": "https://elsewhere.example"},
)


def who_may_look() -> dict[str, set[Role]]:
    """The pages of docs/contract.md, each with the roles that may see it."""
    table = section("docs/contract.md", "## Console")
    found: dict[str, set[Role]] = {}
    for paths, who in re.findall(r"^\| (`/.*?) \|.*\| ([a-z, ]+) \|$", table, re.MULTILINE):
        roles = {role for role in Role if role in who} or set(Role)
        assert who == "all" or len(roles) == len(who.split(",")), who
        for path in re.findall(r"`/([^`?]*)[^`]*`", paths):
            found[path] = roles
    return found


def addresses(console: RunningConsole) -> Iterator[Page | Action | Door]:
    """Everything that the console answers."""
    (endpoint,) = {
        route.endpoint  # type: ignore[attr-defined]
        for route in console.app.routes
        if isinstance(getattr(route, "endpoint", None), Console)
    }
    for _, methods in endpoint._routes._of.values():
        yield from methods.values()


def may(route: Page | Action | Door, role: Role) -> bool:
    """Whether docs/contract.md lets a role look at a page, or press a button."""
    if isinstance(route, Page):
        return role in who_may_look()[route.path]
    if isinstance(route, Action) or route.path.startswith(("accounts/", "cases/")):
        return allowed(route.method, route.path, role)
    return True


def state(console: RunningConsole) -> list[Any]:
    """What a request could have changed; when somebody was last seen is no change."""
    return [
        console.rows("SELECT kind, subject FROM journal ORDER BY seq"),
        console.rows("SELECT id, state, dismissed_at FROM alerts ORDER BY id"),
        console.rows("SELECT id, state FROM held ORDER BY id"),
        console.rows("SELECT id, readmitted_at FROM refused ORDER BY id"),
        console.rows("SELECT name, role, disabled_at FROM accounts ORDER BY name"),
        console.rows("SELECT id, account_id FROM sessions ORDER BY id"),
    ]


async def test_the_matrix(console: RunningConsole) -> None:
    """303 to the sign-in without a session, 403 exactly where docs/contract.md says no.

    What is refused changes nothing.
    """
    await console.fill(EACH)
    await console.add_account("subject", Role.VIEWER)
    await console.make_token("subject", Role.VIEWER)
    ((receipt,),) = console.rows("SELECT receipt FROM events WHERE id = 1")
    subjects = Subjects(EACH, receipt)
    visitors = {role: await console.signed_in(role) for role in Role}
    strangers = await _strangers(console)
    routes = [route for route in addresses(console) if not (isinstance(route, Door) and route.open)]
    assert {(route.method, route.path) for route in routes} > {
        (route.method, route.path) for route in (*PAGES, *ACTIONS)
    }
    before = state(console)
    for route in routes:
        path = "/" + route.path.format(id=1, name="slack", receipt=receipt)
        path += QUERIES.get(route.path, "")
        for who, visitor in strangers.items():
            answer = await _asked(visitor, route, path, next="/held?limit=1")
            back = path if route.method == "GET" else "/held?limit=1"
            expected = f"/sign-in?next={quote(back, safe='')}"
            assert (answer.status_code, answer.headers["Location"]) == (303, expected), (who, path)
        for role, visitor in visitors.items():
            if not may(route, role):
                fields = _fields(route, {"ids": 1, **FACTS.get(route.path, {})})
                answer = await _asked(visitor, route, path, **fields)
                assert answer.status_code == 403, (role, route.method, path)
    assert state(console) == before
    for route in routes:
        if isinstance(route, Door):
            continue
        for role, visitor in visitors.items():
            if may(route, role):
                path = "/" + subjects.path(route.method, route.path) + QUERIES.get(route.path, "")
                fields = _fields(route, subjects.body(route.path) or {})
                answer = await _asked(visitor, route, path, **fields)
                done = 303 if isinstance(route, Action) and not route.file else 200
                done = NOTHING_TO_DO.get(route.path, done)
                assert answer.status_code == done, (role, path, answer.text)


async def _strangers(console: RunningConsole) -> Mapping[str, Visitor]:
    """Without a cookie, with one that never was, with one of a session that has ended."""
    left = console.visitor()
    await left.sign_in("the-admin")
    (cookie,) = left.client.cookies.jar
    held = cookie.value
    await left.post("/sign-out")
    strangers = {"nobody": console.visitor(), "forged": console.visitor(), "left": left}
    for who, value in {"forged": "A" * len(held or ""), "left": held or ""}.items():
        strangers[who].client.cookies.set(cookie.name, value)
    return strangers


def _fields(route: Page | Action | Door, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a form is sent with: of what is given what it takes, and whom it is about."""
    if isinstance(route, Action):
        takes = route.form.model_fields
        return {
            name: value for name, value in {"name": "subject", **given}.items() if name in takes
        }
    return FACTS.get(route.path, {})


async def _asked(visitor: Visitor, route: Page | Action | Door, path: str, **fields: Any) -> Any:
    if route.method == "GET":
        return await visitor.get(path)
    return await visitor.post(path, None, **fields)


async def test_every_post_comes_from_a_page_of_ours(console: RunningConsole) -> None:
    """403 before anything else, whoever is signed in, and though the form cannot be read."""
    visitor, stranger = await console.signed_in(Role.ADMIN), console.visitor()
    paths = {
        route.path.format(id=1, name="slack", receipt="x", token="x")
        for route in addresses(console)
    }
    before = state(console)
    for path in paths:
        for headers in FOREIGN:
            for somebody in (visitor, stranger):
                answer = await somebody.post(f"/{path}", headers, ids="x", name="the-viewer")
                assert answer.status_code == 403, (path, headers)
                assert "not asked for by a page of Casebell" in answer.text
    assert state(console) == before
    assert (await visitor.get("/account")).status_code == 200


async def test_a_method_that_an_address_does_not_take(console: RunningConsole) -> None:
    """405 with what it takes; HEAD is as GET, without the page."""
    visitor = await console.signed_in(Role.ADMIN)
    posted = await visitor.post("/audit")
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET")
    looked = await visitor.get("/reload")
    assert (looked.status_code, looked.headers["Allow"]) == (405, "POST")
    head = await visitor.client.head("/events")
    assert (head.status_code, head.content) == (200, b"")
    assert (await visitor.client.request("PUT", "/events")).status_code == 405


async def test_a_confidential_case(console: RunningConsole) -> None:
    """It is 404 for whom it is not, with the same words as one that is not there; in no list."""
    ((number,),) = console.rows("SELECT min(id) FROM events WHERE receipt = ?", CONFIDENTIAL)
    seen: dict[Role, list[Any]] = {}
    for role in Role:
        visitor = await console.signed_in(role)
        answers = {
            about: await visitor.get(path)
            for about, path in {
                "case": f"/cases/{CONFIDENTIAL}",
                "no case": "/cases/IOE9999999999",
                "event": f"/events/{number}",
                "no event": "/events/99999",
                "body": f"/events/{number}/body",
            }.items()
        }
        listed = [
            CONFIDENTIAL in (await visitor.get(path)).text
            for path in ("/", "/events?limit=500", "/cases?limit=500", "/alerts?limit=500")
        ]
        seen[role] = [answers["case"].status_code, answers["event"].status_code, any(listed)]
        if answers["case"].status_code == 404:
            assert answers["body"].status_code in (403, 404)
            assert CONFIDENTIAL not in answers["event"].text
            for about in ("case", "event"):
                there, nothing = (
                    re.search("<h1>.*?</main>", answers[name].text, re.DOTALL)
                    for name in (about, f"no {about}")
                )
                assert there
                assert nothing
                ours = re.compile(r"req_\w+|/(cases|events)/\w+")
                assert ours.sub("", there[0]) == ours.sub("", nothing[0])
    assert seen == {
        Role.VIEWER: [404, 404, False],
        Role.OPERATOR: [404, 404, False],
        Role.AUDITOR: [200, 200, True],
        Role.ADMIN: [200, 200, True],
    }


async def test_a_delivery_that_went_astray(console: RunningConsole) -> None:
    """What is no browser's POST is noted as a delivery to a wrong address, and not taken."""
    paths = ["/", "/events", "/sign-in"]
    for path in paths:
        # A browser that another site sends is none.
        await console.visitor().post(path, {"Sec-Fetch-Site": "cross-site"})
        await console.visitor().post(path, {"Origin": "https://elsewhere.example"})
        body = encoded(document())
        answer = await console.client.post(path, content=body, headers=signed(body))
        assert answer.status_code == 403
    noted = "SELECT json_extract(seen, '$.path') FROM refused WHERE error = 'not_found' ORDER BY id"
    await console.until_rows(noted, [(path,) for path in paths])
