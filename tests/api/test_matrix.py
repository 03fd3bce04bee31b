"""Every route, asked by every role, without a token and with a revoked one: who may what."""

from typing import Any

import pytest

from api.rights import FACTS, LIST, Subjects, allowed
from api.running import CONFIDENTIAL, RunningApi
from casebell.actors import Role
from casebell.api.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

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
        api.rows("SELECT receipt, label, listed_at FROM cases ORDER BY receipt"),
    ]


async def test_the_matrix(api: RunningApi) -> None:
    """401 without a good token, 403 exactly where docs/contract.md says no; else it is done.

    What is refused changes nothing.
    """
    await api.fill(EACH)
    ((receipt,),) = api.rows("SELECT receipt FROM events WHERE id = 1")
    subjects = Subjects(EACH, receipt)
    before = _state(api)
    told: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    refused = [
        (route, role)
        for route in ROUTES
        for role in Role
        if not allowed(route.method, route.path, role)
    ]
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
        body = FACTS.get(route.path, {"ids": [1]}) if route.needs_body else None
        answer = await api.ask(route.method, path, role=role, body=body)
        told[f"{role}: {route.method} {route.path}"] = answer.status_code
        expected[f"{role}: {route.method} {route.path}"] = 403
        assert 403 in route.may_be
    assert told == expected
    assert _state(api) == before
    for route in ROUTES:
        for role in Role:
            if (route, role) not in refused:
                path = subjects.path(route.method, route.path)
                given: dict[str, Any] = {"body": subjects.body(route.path)}
                if route.takes_csv:
                    given = {"content": LIST, "headers": {"Content-Type": "text/csv"}}
                elif route.method == "GET":
                    given = {}
                answer = await api.ask(route.method, path, role=role, **given)
                assert answer.status_code == 200, (role, path, answer.text)


@pytest.mark.parametrize("path", ["events/{}", "events/{}/why", "cases/{}"])
async def test_a_confidential_case(api: RunningApi, path: str) -> None:
    """It is 404 for whom it is not, as if it were not there, and in no list of theirs."""
    ((number,),) = api.rows("SELECT min(id) FROM events WHERE receipt = ?", CONFIDENTIAL)
    statuses = {}
    listed = {}
    for role in Role:
        about = CONFIDENTIAL if path.startswith("cases") else number
        answer = await api.ask("GET", path.format(about), role=role)
        statuses[role] = answer.status_code
        found = (await api.ask("GET", f"events?receipt={CONFIDENTIAL}", role=role)).json()
        listed[role] = bool(found["items"])
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
    assert {role for role in Role if listed[role]} == {Role.AUDITOR, Role.ADMIN}


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
    hidden = f"{CONFIDENTIAL[:3]}…{CONFIDENTIAL[-4:]}"
    assert masked == {
        Role.VIEWER: [],
        Role.OPERATOR: [hidden],
        Role.AUDITOR: [CONFIDENTIAL],
        Role.ADMIN: [CONFIDENTIAL],
    }
