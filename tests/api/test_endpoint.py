"""What a request may give, what it is answered, and what the log says of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from api.running import RunningApi, problem
from casebell.actors import Role
from casebell.api.routes import ROUTES
from casebell.errors import StorageUnavailable
from casebell.service.limits import MAX_OF_NETWORK
from waiting import TIMEOUT, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "events", "GET, HEAD"),
        ("DELETE", "events/1", "GET, HEAD"),
        ("GET", "reload", "POST"),
        ("GET", "held/release", "POST"),
        ("OPTIONS", "alerts", "GET, HEAD"),
        ("ODD", "alerts", "GET, HEAD"),
    ],
)
async def test_another_method(filled: RunningApi, method: str, path: str, allow: str) -> None:
    """405 says which there are; a stranger is not told."""
    answer = await filled.ask(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert (await filled.ask(method, path, role=None)).status_code == 401


async def test_head(filled: RunningApi) -> None:
    """As GET."""
    assert (await filled.ask("HEAD", "events")).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        ["Bearer"],
        ["Bearer "],
        ["bearer: {}"],
        ["Basic {}"],
        ["{}"],
        ["Bearer {} extra"],
        ["Bearer {},{}"],
        ["Bearer {}", "Bearer {}"],
        ["Bearer {}\xe9"],
        ["Bearer {}" + "x" * 10_000],
    ],
)
async def test_what_is_no_token(filled: RunningApi, given: list[str]) -> None:
    """401, with the scheme that is asked for."""
    headers = [
        (b"Authorization", one.format(*2 * [filled.tokens[Role.ADMIN]]).encode("latin-1"))
        for one in given
    ]
    answer = await filled.client.get("/api/v1/events", headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_the_schemes_case(filled: RunningApi) -> None:
    """RFC 9110: the name of a scheme is the same in any case."""
    headers = {"Authorization": f"bEARER  {filled.tokens[Role.ADMIN]}"}
    assert (await filled.client.get("/api/v1/events", headers=headers)).status_code == 200


async def test_too_many_wrong_tokens(filled: RunningApi) -> None:
    """429 says when to come again; a good token from the same address is served."""
    headers = {"Authorization": "Bearer cbl_guessed", "X-Forwarded-For": "203.0.113.9"}
    for _ in range(MAX_OF_NETWORK):
        assert (await filled.ask("GET", "events", role=None, headers=headers)).status_code == 401
    answer = await filled.ask("GET", "events", role=None, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_attempts")
    assert int(answer.headers["Retry-After"]) > 0
    del headers["Authorization"]
    assert (await filled.ask("GET", "events", headers=headers)).status_code == 200
    # Somebody else is not limited.
    headers = {"Authorization": "Bearer cbl_guessed", "X-Forwarded-For": "198.51.100.9"}
    assert (await filled.ask("GET", "events", role=None, headers=headers)).status_code == 401


async def test_its_state(filled: RunningApi) -> None:
    """What was done to a row cannot be done again: 409."""
    answer = await filled.ask("POST", "alerts/1/dismiss", body={"note": "told by phone"})
    assert answer.json() == {"alerts": [1], "left": []}
    status, code, message = await problem(filled, "alerts/1/dismiss", content=b"")
    assert (status, code) == (409, "refused")
    assert "dismissed already" in message


async def test_a_configuration_that_cannot_be_used(filled: RunningApi) -> None:
    """409 with the keys; what is wrong with each is not told, since it may name a file."""
    text = filled.file.read_text()
    filled.file.write_text(text + '[ops]\nnotify = ["nowhere"]\n')
    status, code, message = await problem(filled, "reload", content=b"")
    filled.file.write_text(text)
    assert (status, code) == (409, "config_invalid")
    assert "`ops.notify" in message
    assert str(filled.folder) not in message
    assert (await filled.ask("POST", "reload")).json()["changed"] == {}


async def test_the_log(filled: RunningApi) -> None:
    """One line for a request, with the route's template and never its path."""
    filled.log.clear()
    answer = await filled.ask("GET", "events/1/why", role=Role.VIEWER)
    (line,) = filled.lines("api.request")
    assert isinstance(line.pop("ms"), float)
    assert line == {
        "event": "api.request",
        "log_level": "info",
        "route": "/api/v1/events/{id}/why",
        "method": "GET",
        "status": 200,
        "request_id": answer.headers["X-Request-Id"],
        "actor": "token:the-viewer",
    }
    await filled.ask("GET", "nothing/IOE0912345678?receipt=IOE0912345678", role=None)
    line = filled.lines("api.request")[-1]
    assert (line["route"], line["method"], line["outcome"]) == ("", "", "unauthorized")
    assert "actor" not in line
    assert "IOE" not in json.dumps(filled.log)


async def test_it_is_no_delivery(filled: RunningApi) -> None:
    """What goes wrong with the API is not told as a delivery that lost its way."""
    before = filled.rows("SELECT count(*) FROM streaks")
    counted = "casebell_deliveries_total"
    metrics = (await filled.client.get("/metrics")).text
    for path in ("nothing", "events", "events/0"):
        await filled.ask("POST", path, role=None)
        await filled.ask("POST", path)
    assert filled.rows("SELECT count(*) FROM streaks") == before
    assert not filled.lines("request.refused")
    after = (await filled.client.get("/metrics")).text
    assert _series(after, counted) == _series(metrics, counted)
    assert _series(after, "casebell_api_requests_total") != _series(
        metrics, "casebell_api_requests_total"
    )


def _series(metrics: str, name: str) -> list[str]:
    return sorted(line for line in metrics.splitlines() if line.startswith(name))


class _Failing:
    """A service that fails as it is told to."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def ask(self, *_: Any, **__: Any) -> Any:
        """Fail."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (
            StorageUnavailable("The database postgresql://casebell@db.example/casebell is silent."),
            503,
            ("storage_unavailable", "The storage cannot be used now."),
        ),
        (ValueError("a client's name"), 500, ("error", "Something went wrong.")),
        (asyncio.CancelledError(), 503, ("shutting_down", "The server is shutting down.")),
    ],
)
async def test_what_fails(
    filled: RunningApi,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    told: tuple[str, str],
) -> None:
    """A bearer is told what it is, and neither where nor why."""
    monkeypatch.setattr(filled.api, "_service", _Failing(error))
    answer = await filled.ask("GET", "events")
    assert answer.status_code == status
    assert (answer.json()["error"], answer.json()["message"]) == told
    assert ("Retry-After" in answer.headers) == (status == 503)


class _Export:
    """A service that gives lines, and says whether they were closed."""

    def __init__(
        self,
        *,
        fails: bool = False,
        lines: int = 10,
        after_five: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.closed = False
        self._fails = fails
        self._lines = lines
        self._after_five = after_five

    async def ask(self, *_: Any, **__: Any) -> Any:
        """The lines."""
        return self._given()

    async def _given(self) -> AsyncGenerator[str, None]:
        try:
            for number in range(self._lines):
                yield "x" * 100_000 + "\n"
                await asyncio.sleep(0)
                if number == 5 and self._after_five is not None:
                    await self._after_five()
            if self._fails:
                raise StorageUnavailable
        finally:
            self.closed = True


async def _exported(
    api: RunningApi, *, token: str = "", goes: bool = False, takes: int = 1_000
) -> list[Any]:
    """What an export sends, as the server sees it.

    Args:
        token: by default an admin's.
        goes: whether the reader goes away.
        takes: messages that it takes; of more it waits for ever.
    """
    sent: list[Any] = []
    received = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if received:
            return received.pop()
        if not goes:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        await (asyncio.sleep(0) if len(sent) <= takes else asyncio.Event().wait())

    bearer = f"Bearer {token or api.tokens[Role.ADMIN]}".encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/events/export",
        "query_string": b"",
        "headers": [(b"authorization", bearer)],
        "client": ("127.0.0.1", 9),
    }
    await api.api(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("export", "outcome"),
    [
        (_Export(), None),
        (_Export(fails=True), "storage_unavailable"),
        (_Export(lines=1_000), "abandoned"),
    ],
    ids=["whole", "cut off", "not read on"],
)
async def test_an_export(
    filled: RunningApi, monkeypatch: pytest.MonkeyPatch, export: _Export, outcome: str | None
) -> None:
    """It goes out in pieces; one that is cut off has no end, and its lines are closed."""
    monkeypatch.setattr(filled.api, "_service", export)
    filled.log.clear()
    begin, *parts = await _exported(filled, goes=outcome == "abandoned")
    assert begin["status"] == 200
    assert len(parts) < 20
    ends = [not part["more_body"] for part in parts]
    assert ends == [False] * len(parts[1:]) + [outcome is None] if parts else outcome
    assert export.closed
    assert filled.lines("api.request")[-1].get("outcome") == outcome


async def test_an_export_by_a_token_that_is_revoked(
    filled: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with the part under way, and is not taken for whole."""
    token = await filled.make_token("leaver", Role.AUDITOR)
    revoke = partial(filled.revoke_token, "leaver")
    monkeypatch.setattr(filled.api, "_service", export := _Export(lines=1_000, after_five=revoke))
    parts = await _exported(filled, token=token)
    assert len(parts) < 5
    assert parts[-1]["more_body"]
    assert export.closed
    assert filled.lines("api.request")[-1]["outcome"] == "unauthorized"


async def test_an_export_that_is_hardly_read(
    filled: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends, and its place is free: a reader that takes a byte now and then keeps none."""
    monkeypatch.setattr("casebell.api.answers.PART_SECONDS", 0.05)
    monkeypatch.setattr(filled.api, "_service", export := _Export(lines=1_000))
    async with asyncio.timeout(TIMEOUT):
        assert len(await _exported(filled, takes=2)) == 3
    assert export.closed
    assert filled.lines("api.request")[-1]["outcome"] == "abandoned"


async def test_few_at_a_time(filled: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two read at a time, one of a token; whoever finds no room is told when to come again."""
    going = asyncio.Event()
    under_way: list[str] = []

    class Slow:
        async def ask(self, name: str, *_: Any, **__: Any) -> Any:
            under_way.append(name)
            await going.wait()
            return {}

    monkeypatch.setattr(filled.api, "_service", Slow())
    monkeypatch.setattr(filled.api._turns.reads, "_max_waiting", 3)
    roles = [*[Role.ADMIN] * 4, *[Role.VIEWER] * 5]
    asked = [asyncio.create_task(filled.ask("GET", "events", role=role)) for role in roles]
    await until(lambda: sum(one.done() for one in asked) == 4, "four answers")
    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert [one.result().status_code for one in done] == [503] * 4
    assert {one.result().json()["error"] for one in done} == {"too_many_requests"}
    assert under_way == ["list_events"] * 2
    # What is done has slots of its own.
    doing = asyncio.create_task(filled.ask("POST", "reload"))
    going.set()
    assert [one.status_code for one in await asyncio.gather(*waiting, doing)] == [200] * 6


async def test_the_description_is_for_every_token(filled: RunningApi) -> None:
    """It names every path of the table."""
    answer = await filled.ask("GET", "openapi.json", role=Role.VIEWER)
    found = answer.json()
    assert found["openapi"] == "3.1.0"
    assert {
        (method.upper(), path.removeprefix("/"))
        for path, methods in found["paths"].items()
        for method in methods
    } == {(route.method, route.path) for route in ROUTES}
