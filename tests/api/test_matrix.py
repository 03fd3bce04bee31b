"""Every route, asked by every role, without a token and with a revoked one: who may what."""

import re
from typing import Any

import pytest

from api.running import CONFIDENTIAL, RunningApi
from casebell.actors import Role
from casebell.api.routes import ROUTES
from casebell.api.routing import Route
from docs.pages import section

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: The row of docs/contract.md's table of rights of each route, by the words that it begins with.
ROWS = {
    "cases, events, alerts": ("cases", "events", "alerts", "reports", "openapi.json"),
    "exact bodies, journal, exports": (
        "journal",
        "events/{id}/body",
        "events/export",
        "alerts/export",
    ),
    "rules, servers, held": (
        "held",
        "refused",
        "reload",
        "channels",
        "servers",
        "alerts/retry",
        "alerts/dismiss",
        "alerts/{id}/retry",
        "alerts/{id}/dismiss",
    ),
}
#: What each route is asked, where it is more than its path.
BODIES: dict[str, Any] = {
    "alerts/retry": {"ids": ["alerts"]},
    "alerts/dismiss": {"ids": ["alerts"]},
    "held/release": {"ids": ["held"]},
    "refused/readmit": {"ids": ["refused"]},
}


def _row(route: Route) -> str:
    """The row of a route; the one that names more of its path."""
    found = [
        (len(start), words)
        for words, starts in ROWS.items()
        for start in starts
        if route.path == start or route.path.startswith(f"{start}/")
    ]
    assert found, f"{route.path} is in no row"
    return max(found)[1]


def _rights() -> dict[str, dict[Role, str]]:
    """The table of rights: by the beginning of a row, the word under each role."""
    table = re.findall(
        r"^\|(.+)\|$", section("docs/contract.md", "## API: `/api/v1`"), re.MULTILINE
    )
    rows = [[cell.strip() for cell in row.split("|")] for row in table]
    (head,) = [row for row in rows if row[0] == "right"]
    roles = [Role(name) for name in head[1:]]
    return {row[0]: dict(zip(roles, row[1:], strict=True)) for row in rows if len(row) == len(head)}


def _allowed(route: Route, role: Role) -> bool:
    (word,) = {words[role] for row, words in _rights().items() if row.startswith(_row(route))}
    if word == "look only":
        return route.method == "GET"
    return not word.startswith("no")


class _Subjects:
    """Rows that a request can be about; each is given once."""

    def __init__(self, each: int, receipt: str) -> None:
        self._receipt = receipt
        self._numbers = {noun: iter(range(1, each + 1)) for noun in ("alerts", "held", "refused")}

    def path(self, route: Route) -> str:
        """A path that leads to something."""
        noun = route.path.partition("/")[0]
        path = route.path.replace("{name}", "slack").replace("{receipt}", self._receipt)
        if "{id}" in path:
            # An event stays as it is.
            number = 1 if route.method == "GET" else next(self._numbers[noun])
            path = path.replace("{id}", str(number))
        return path

    def body(self, route: Route) -> Any:
        """A body that means something."""
        body = BODIES.get(route.path)
        return body and {name: [next(self._numbers[noun])] for name, (noun,) in body.items()}


#: Enough for every route and every role.
EACH = 4 * len(Role)


def _state(api: RunningApi) -> list[Any]:
    """What a request could have changed."""
    return [
        # Wrong tokens are told there.
        api.rows("SELECT kind, subject FROM journal WHERE kind NOT LIKE 'attempt%' ORDER BY seq"),
        api.rows("SELECT id, state, dismissed_at FROM alerts ORDER BY id"),
        api.rows("SELECT id, state FROM held ORDER BY id"),
        api.rows("SELECT id, readmitted_at FROM refused ORDER BY id"),
    ]


async def test_the_matrix(api: RunningApi) -> None:
    """401 without a good token, 403 exactly where docs/contract.md says no; else it is done.

    What is refused changes nothing.
    """
    await api.fill(EACH)
    ((receipt,),) = api.rows("SELECT receipt FROM events WHERE id = 1")
    subjects = _Subjects(EACH, receipt)
    before = _state(api)
    told: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    refused = [(route, role) for route in ROUTES for role in Role if not _allowed(route, role)]
    assert len(refused) > len(ROUTES) / 2
    for route in ROUTES:
        path = route.path.format(id=1, name="slack", receipt=receipt)
        for name, headers in {
            "no token": {},
            "revoked": {"Authorization": f"Bearer {api.revoked}"},
            "a cookie": {"Cookie": f"token={api.tokens[Role.ADMIN]}"},
            "another scheme": {"Authorization": f"Token {api.tokens[Role.ADMIN]}"},
        }.items():
            answer = await api.ask(route.method, path, role=None, headers=headers)
            told[f"{name}: {route.method} {route.path}"] = answer.status_code
            expected[f"{name}: {route.method} {route.path}"] = 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    for route, role in refused:
        path = route.path.format(id=1, name="slack", receipt=receipt)
        body = {"ids": [1]} if route.needs_body else None
        answer = await api.ask(route.method, path, role=role, body=body)
        told[f"{role}: {route.method} {route.path}"] = answer.status_code
        expected[f"{role}: {route.method} {route.path}"] = 403
        assert 403 in route.may_be
    assert told == expected
    assert _state(api) == before
    for route in ROUTES:
        for role in Role:
            if (route, role) not in refused:
                path, body = subjects.path(route), subjects.body(route)
                answer = await api.ask(route.method, path, role=role, body=body)
                assert answer.status_code == 200, (role, path, answer.text)


@pytest.mark.parametrize("path", ["events/{}", "events/{}/why", "cases/{}"])
async def test_a_confidential_case(api: RunningApi, path: str) -> None:
    """It is 404 for whom it is not, as if it were not there, and in no list of theirs."""
    ((number,),) = api.rows("SELECT id FROM events WHERE receipt = ?", CONFIDENTIAL)
    statuses = {}
    listed = {}
    for role in Role:
        about = CONFIDENTIAL if path.startswith("cases") else number
        answer = await api.ask("GET", path.format(about), role=role)
        statuses[role] = answer.status_code
        found = (await api.ask("GET", f"events?receipt={CONFIDENTIAL}", role=role)).json()
        listed[role] = len(found["items"])
        if answer.status_code == 404:
            nobodys = "IOE9999999999" if path.startswith("cases") else 99999
            nothing = await api.ask("GET", path.format(nobodys), role=role)
            assert nothing.json()["message"] == answer.json()["message"]
    assert statuses == {
        Role.VIEWER: 404,
        Role.OPERATOR: 404,
        Role.AUDITOR: 200,
        Role.ADMIN: 200,
    }
    assert listed == {Role.VIEWER: 0, Role.OPERATOR: 0, Role.AUDITOR: 1, Role.ADMIN: 1}


@pytest.mark.parametrize(
    "path", ["", "nothing", "events/1/nothing", "events/", "webhooks/parley", "held/1"]
)
async def test_a_stranger_learns_no_path(api: RunningApi, path: str) -> None:
    """Whether or not something is there, it is 401; only bearers see 404."""
    stranger = await api.ask("GET", path, role=None)
    assert stranger.status_code == 401
    assert (await api.ask("GET", path, role=Role.VIEWER)).status_code == 404


async def test_whose_case_it_is(api: RunningApi) -> None:
    """The token of a case's owner sees it; an operator sees of others' that an alert failed."""
    owner = await api.make_token("the-owner", Role.VIEWER, person="ana")
    answer = await api.ask("GET", f"cases/{CONFIDENTIAL}", token=owner)
    assert answer.json()["owner"] == "ana"
    masked = {}
    for role in Role:
        failed = (await api.ask("GET", "alerts?limit=500", role=role)).json()["items"]
        masked[role] = [one["receipt"] for one in failed if (one["receipt"] or "").endswith("9999")]
    hidden = f"{CONFIDENTIAL[:3]}******{CONFIDENTIAL[-4:]}"
    assert masked == {
        Role.VIEWER: [],
        Role.OPERATOR: [hidden],
        Role.AUDITOR: [CONFIDENTIAL],
        Role.ADMIN: [CONFIDENTIAL],
    }
