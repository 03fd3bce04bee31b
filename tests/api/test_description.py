"""The description says what the API does, no more and no less."""

import re
from typing import Any

import jsonschema_rs
import pytest

from api.rights import FACTS, LIST
from api.running import RunningApi
from casebell.actors import GRANTS, Role
from casebell.api.openapi import as_text, describe
from casebell.api.requests import MAX_BODY
from casebell.api.routes import ROUTES
from casebell.api.routing import DESCRIPTION as DESCRIPTION_FILE
from casebell.api.routing import Route
from casebell.case_file import MAX_BYTES
from casebell.errors import TooManyRequests
from casebell.service.rights import RIGHTS
from docs.pages import code_in, section

DESCRIPTION = describe()


def _operation(route: Route) -> Any:
    return DESCRIPTION["paths"][f"/{route.path}"][route.method.lower()]


def test_the_file_is_up_to_date() -> None:
    """What servers hand out is what the code says: `python -m casebell.api.openapi` writes it."""
    assert DESCRIPTION_FILE.read_text(encoding="utf-8") == as_text()


def test_it_is_openapi() -> None:
    """As the specification's own schema has it."""
    # Imported here: it takes most of a second.
    from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR  # noqa: PLC0415

    OPENAPI_31_VALIDATOR.validate(DESCRIPTION)


def test_every_reference_resolves() -> None:
    """What is referred to is there."""
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', as_text())):
        found: Any = DESCRIPTION
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


def test_every_schema_is_one() -> None:
    """Each is a JSON Schema, and what it refers to is there."""
    components = {"components": DESCRIPTION["components"]}
    for name, schema in DESCRIPTION["components"]["schemas"].items():
        jsonschema_rs.Draft202012Validator({**schema, **components}), name
        assert schema["description"], name
    for route in ROUTES:
        for parameter in _operation(route)["parameters"]:
            jsonschema_rs.Draft202012Validator(parameter["schema"])
            assert parameter["description"], parameter


def test_the_contract_names_every_path() -> None:
    """By method, and no other."""
    table = section("docs/contract.md", "## API: `/api/v1`")
    known = {route.path for route in ROUTES}
    named = {
        (row[0], code)
        for row in re.findall(r"^\| (GET|POST|PUT) \|(.*)\|$", table, re.MULTILINE)
        for code in code_in(row[1])
        if code in known or "/" in code
    }
    assert named == {(route.method, route.path) for route in ROUTES}


def test_names_are_unique() -> None:
    """Programs are generated of it: an operation has a name of its own."""
    names = [_operation(route)["operationId"] for route in ROUTES]
    assert len(set(names)) == len(names)


def test_every_verb_has_a_right() -> None:
    """A verb without one would be refused to everybody."""
    assert {route.verb for route in ROUTES} - {""} <= RIGHTS.keys()


class _Provoked:
    """Makes a route give each of its statuses."""

    def __init__(self, api: RunningApi, route: Route, number: int) -> None:
        self._api = api
        self._route = route
        ((self._receipt,),) = api.rows("SELECT receipt FROM events WHERE id = 1")
        #: Of rows that no other route is tried with.
        self._number = number

    async def status(
        self, number: int | None = None, *, name: str = "", query: str = "", **given: Any
    ) -> int:
        number = self._number if number is None else number
        noun = self._route.path.partition("/")[0]
        name = name or {"people": "jchan", "upstream": "parley"}.get(noun, "slack")
        receipt = f"IOE{number % 10**10:010d}" if name == "nothing" else self._receipt
        path = self._route.path.format(id=number, name=name, receipt=receipt)
        if not {"body", "content"} & given.keys():
            if self._route.takes_csv:
                given |= {"content": LIST, "headers": {"Content-Type": "text/csv"}}
            elif self._route.needs_body:
                given["body"] = FACTS.get(self._route.path, {"ids": [number]})
        answer = await self._api.ask(self._route.method, path + query, **given)
        return answer.status_code

    async def of_parameters(self) -> set[int]:
        """What a request itself can be wrong with."""
        found = {
            await self.status(role=None),
            await self.status(query="?surely_not=1"),
            await self.status(10**17, name="nothing"),
        }
        if self._route.method != "GET":
            most = MAX_BYTES if self._route.takes_csv else MAX_BODY
            media = "text/csv" if self._route.takes_csv else "application/json"
            headers = {"Content-Type": media, "Content-Length": str(most + 1)}
            found.add(await self.status(content=b"", headers=headers))
            found.add(await self.status(content=b"a=1", headers={"Content-Type": "text/plain"}))
        for role in Role:
            if self._route.verb and RIGHTS[self._route.verb] not in GRANTS[role]:
                found.add(await self.status(role=role))
        return found

    async def of_state(self) -> set[int]:
        """What is done, and cannot be done again."""
        first = await self.status()
        if self._route.path.startswith("held/"):
            await self._api.ask("POST", f"held/{self._number}/discard")
        if self._route.verb == "acknowledge":
            await self._api.ask(
                "POST", "cases/import", content=LIST, headers={"Content-Type": "text/csv"}
            )
            # Nothing was received of this one.
            answer = await self._api.ask("POST", "cases/IOE0912345677/acknowledge")
            return {first, answer.status_code}
        if self._route.verb == "set_due":
            meanwhile = {**FACTS[self._route.path], "was": "2026-12-23"}
            return {first, await self.status(body=meanwhile)}
        if self._route.verb == "mark_answered":
            done = await self.status(body={"change": 1, "undo": True})
            return {first, done, await self.status(body={"change": 1, "undo": True})}
        if self._route.verb == "set_away":
            # No channel can reach her.
            to_ana = {**FACTS[self._route.path], "to": "ana"}
            return {first, await self.status(body=to_ana)}
        if self._route.verb in ("register_cases", "subscribe"):
            one = b"receipt\nIOE0912345670\n"
            await self._api.ask(
                "POST", "cases/import", content=one, headers={"Content-Type": "text/csv"}
            )
            await self._api.upstream.faults(api={"answer": "html", "path": "/v1/"})
            body = FACTS.get(self._route.path, {})
            asked_in_vain = await self.status(body=body)
            await self._api.upstream.faults(
                api={"status": 429, "retry_after": 3600, "path": "/v1/"}
            )
            limited = await self.status(body=body)
            await self._api.upstream.faults(api=None)
            assert limited == 503
            return {first, asked_in_vain, await self.status(name="torch", body=body)}
        if self._route.verb == "reconcile":
            await self._api.upstream.faults(api={"status": 401, "path": "/v1/"})
            asked_in_vain = await self.status(body={"receipt": self._receipt})
            await self._api.upstream.faults(api=None)
            return {first, asked_in_vain, await self.status(body={"receipt": "EAC9999103402"})}
        return {first, await self.status()}


@pytest.mark.asyncio(loop_scope="module")
async def test_every_status(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each route can have each status of the description, and has no other.

    A body that is too slow is the business of the connection's guard (tests/e2e/test_api.py).
    """
    await api.fill(len(ROUTES))
    text = api.file.read_text()
    expected, found = {}, {}
    for number, route in enumerate(ROUTES, 1):
        provoked = _Provoked(api, route, number)
        statuses = await provoked.of_parameters() | await provoked.of_state()
        if route.path == "reload":
            api.file.write_text("broken")
            statuses.add(await provoked.status())
            api.file.write_text(text)
        with monkeypatch.context() as patched:

            async def busy(*_: Any, **__: Any) -> Any:
                raise TooManyRequests

            patched.setattr(api.api, "_value", busy)
            statuses.add(await provoked.status())
        described = _operation(route)["responses"]
        asked = f"{route.method} {route.path}"
        expected[asked] = {int(status) for status in described} - {408, 429}
        found[asked] = statuses - {405}
    assert found == expected
