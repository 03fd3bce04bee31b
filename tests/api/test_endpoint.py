"""What a request may give, what it is answered, and what the log says of it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from api.running import CONFIDENTIAL, RunningApi
from casebell.actors import Role
from casebell.api.requests import MAX_BODY
from casebell.api.routes import ROUTES
from casebell.errors import StorageUnavailable
from casebell.service.limits import MAX_OF_NETWORK
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def filled(api: RunningApi) -> RunningApi:
    """With events, once for all tests."""
    if not api.rows("SELECT id FROM events"):
        await api.fill(3)
    return api


async def _problem(api: RunningApi, path: str, **given: Any) -> tuple[int, str, str]:
    method = "POST" if "body" in given or "content" in given else "GET"
    answer = await api.ask(method, path, **given)
    content = answer.json()
    assert set(content) == {"error", "message", "request_id"}
    assert answer.headers["X-Request-Id"] == content["request_id"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, content["error"], content["message"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("owner=ana", "`owner`: There is no such parameter."),
        ("sourc=parley", "`sourc`: There is no such parameter. Did you mean `source`?"),
        ("limit=0", "`limit`: "),
        ("limit=501", "`limit`: "),
        ("limit=٣", "`limit`: Write a whole number."),
        ("limit=+5", "`limit`: "),
        ("limit=1_0", "`limit`: "),
        ("limit=5.0", "`limit`: "),
        (f"limit={'9' * 40}", "`limit`: "),
        ("limit=", "`limit`: "),
        ("limit=5&limit=5", "`limit`: It is there more than once."),
        ("status=lost", "`status`: Input should be 'received'"),
        ("source=", "`source`: "),
        ("source=parlay", "`source`: There is no source of this name"),
        ("source=%00", "`source`: This is no text that can be stored."),
        ("text=%ed%a0%80", "`text`: This is no text that can be stored."),
        ("text=%ff", "`text`: This is no text that can be stored."),
        (f"text={'x' * 201}", "`text`: "),
        ("receipt=A12", "`receipt`: A receipt number is three letters and ten digits."),
        ("since=yesterday", "`since`: Write a date"),
        ("since=%00", "`since`: "),
        ("since=0001-01-01T00:00:00%2B23:59", "`since`: Write a date"),
        ("until=9999-12-31T23:59:59-23:59", "`until`: Write a date"),
        ("until=9999-12-31T23:59:59.999999Z", "`until`: Write a date"),
        ("since=1h&until=24h", "`since`: Nothing can match"),
        ("cursor=abc", "`cursor`: "),
        ("cursor=1-2-3", "`cursor`: "),
        (f"cursor={'9' * 19}", "`cursor`: "),
        # Of a listing in another order.
        ("cursor=7-7", "`cursor`: The cursor is none that this listing gave."),
        ("access_token=cbl_x", "`access_token`: There is no such parameter."),
        ("%C3%A9%0a=1", r"`\xe9\n`: There is no such parameter."),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(
    filled: RunningApi, query: str, named: str
) -> None:
    """400, and the message says which, never what was given."""
    status, code, message = await _problem(filled, f"events?{query}")
    assert (status, code) == (400, "bad_argument")
    assert message.startswith(named)
    assert message.isascii()


async def test_what_was_given_is_not_repeated(filled: RunningApi) -> None:
    """A value may be a name or a token that got into the wrong place."""
    for name in ("limit", "status", "source", "since", "receipt", "cursor", "text"):
        value = "Jia-Chan-A123456789%00"
        _, _, message = await _problem(filled, f"events?{name}={value}")
        assert "Jia" not in message


async def test_too_many_parameters(filled: RunningApi) -> None:
    """However many there are, few are looked at."""
    query = "&".join(f"a{n}=1" for n in range(1_000))
    assert (await _problem(filled, f"events?{query}"))[:2] == (400, "bad_argument")


@pytest.mark.parametrize(
    "number", ["0", "x", "1" * 19, "1" * 4_000, "-1", "1.0", "٣", "%00", "1%20"]
)
@pytest.mark.parametrize("path", ["events/{}", "events/{}/why", "refused/{}/why"])
async def test_a_number_that_no_row_has(filled: RunningApi, path: str, number: str) -> None:
    """404, as for one that no row has yet."""
    assert (await _problem(filled, path.format(number)))[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "content", "named"),
    [
        ("held/release", b"", "The body is no JSON."),
        ("held/release", b"{", "The body is no JSON."),
        ("held/release", b"\xff", "The body is no JSON."),
        ("held/release", b"[" * 30_000, "The body is no JSON."),
        ("held/release", b'{"ids": [NaN]}', "The body is no JSON."),
        ("held/release", b'{"ids": [%s]}' % (b"9" * 5_000), "The body is no JSON."),
        ("held/release", b"[1]", "The body is no JSON object."),
        ("held/release", b"{}", "Give either `ids` or `reason`."),
        ("held/release", b'{"ids": [1], "reason": "invalid_json"}', "Give either"),
        ("held/release", b'{"ids": [1], "ids": [2]}', "`ids`: It is there more than once."),
        ("held/release", b'{"ids": []}', "`ids`: "),
        ("held/release", b'{"ids": null}', "`ids`: Leave it out"),
        ("held/release", b'{"ids": [true]}', "`ids`: "),
        ("held/release", b'{"ids": ["1"]}', "`ids`: "),
        ("held/release", b'{"ids": [1.5]}', "`ids`: "),
        ("held/release", b'{"ids": [0]}', "`ids`: "),
        ("held/release", b'{"ids": [1000000000000000000]}', "`ids`: "),
        ("held/release", b'{"id": [1]}', "`id`: There is no such parameter. Did you mean `ids`?"),
        ("held/release", b'{"reason": "bored"}', "`reason`: "),
        ("held/release", rb'{"\ud800": 1}', r"`\ud800`: There is no such parameter."),
        ("refused/readmit", b'{"source": "parlay"}', "`source`: There is no source"),
        ("refused/readmit", rb'{"source": "\ud800"}', "`source`: This is no text"),
        ("alerts/1/dismiss", rb'{"note": "\udfff"}', "`note`: This is no text"),
        ("alerts/1/dismiss", rb'{"note": "a\u0000"}', "`note`: This is no text"),
        ("alerts/1/dismiss", b'{"note": 5}', "`note`: "),
        ("reload", b'{"force": true}', "`force`: There is no such parameter."),
    ],
)
async def test_a_body_that_is_wrong(
    filled: RunningApi, path: str, content: bytes, named: str
) -> None:
    """400, with the name of the key, and nothing is done."""
    before = filled.rows("SELECT max(seq) FROM journal")
    status, code, message = await _problem(filled, path, content=content)
    assert (status, code) == (400, "bad_argument")
    assert message.startswith(named)
    assert filled.rows("SELECT max(seq) FROM journal") == before


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, 415, "body_not_json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "body_not_json"),
        ({"Content-Encoding": "gzip"}, 415, "encoded_body"),
        ({"Content-Length": str(MAX_BODY + 1)}, 413, "body_too_large"),
        ({"Content-Type": "Application/JSON ; charset=utf-8"}, 404, "not_found"),
        ({"Content-Encoding": "identity"}, 404, "not_found"),
    ],
)
async def test_the_form_of_a_body(
    filled: RunningApi, headers: dict[str, str], status: int, code: str
) -> None:
    """JSON, plain, and not too long."""
    found = await _problem(filled, "held/release", content=b'{"ids": [999]}', headers=headers)
    assert found[:2] == (status, code)


async def test_a_body_that_is_too_large(filled: RunningApi) -> None:
    """Not read to its end, whatever its head said."""

    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 10_000

    answer = await filled.client.post(
        "/api/v1/held/release",
        content=pieces(),
        headers={"Authorization": f"Bearer {filled.tokens[Role.ADMIN]}"},
    )
    assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")
    assert answer.headers["Connection"] == "close"


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
    status, code, message = await _problem(filled, "alerts/1/dismiss", content=b"")
    assert (status, code) == (409, "refused")
    assert "dismissed already" in message


async def test_a_configuration_that_cannot_be_used(filled: RunningApi) -> None:
    """409 with the keys; what is wrong with each is not told, since it may name a file."""
    text = filled.file.read_text()
    filled.file.write_text(text + '[ops]\nnotify = ["nowhere"]\n')
    status, code, message = await _problem(filled, "reload", content=b"")
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

    def __init__(self, *, fails: bool = False, lines: int = 10) -> None:
        self.closed = False
        self._fails = fails
        self._lines = lines

    async def ask(self, *_: Any, **__: Any) -> Any:
        """The lines."""
        return self._given()

    async def _given(self) -> AsyncGenerator[str, None]:
        try:
            for _ in range(self._lines):
                yield "x" * 100_000 + "\n"
                await asyncio.sleep(0)
            if self._fails:
                raise StorageUnavailable
        finally:
            self.closed = True


async def _exported(api: RunningApi, *, goes: bool = False) -> list[Any]:
    """What an export sends, as the server sees it."""
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
        await asyncio.sleep(0)

    token = f"Bearer {api.tokens[Role.ADMIN]}".encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/events/export",
        "query_string": b"",
        "headers": [(b"authorization", token)],
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


async def test_few_at_a_time(filled: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two read at a time; those for whom there is no room are told when to come again."""
    going = asyncio.Event()
    under_way: list[str] = []

    class Slow:
        async def ask(self, name: str, *_: Any, **__: Any) -> Any:
            under_way.append(name)
            await going.wait()
            return {}

    monkeypatch.setattr(filled.api, "_service", Slow())
    monkeypatch.setattr(filled.api._reads, "_max_waiting", 3)
    asked = [asyncio.create_task(filled.ask("GET", "events")) for _ in range(9)]
    await until(lambda: sum(one.done() for one in asked) == 4, "four answers")
    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert [one.result().status_code for one in done] == [503] * 4
    assert {one.result().json()["error"] for one in done} == {"too_many_requests"}
    assert under_way == ["list_events"] * 2
    # What is done has slots of its own.
    doing = asyncio.create_task(filled.ask("POST", "reload"))
    going.set()
    assert [one.status_code for one in await asyncio.gather(*waiting, doing)] == [200] * 6


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("journal?actor=a&actor=b", "`actor`: It is there more than once."),
        ("journal?actor_name=x", "`actor_name`: There is no such parameter."),
        ("cases?confidential=yes", "`confidential`: Write `true` or `false`."),
        ("cases?status=lost", "`status`: "),
        ("alerts?outstanding=1", "`outstanding`: Write `true` or `false`."),
        ("alerts?channel=slak", "`channel`: There is no channel of this name"),
        ("reports/outcomes?since=2026-13", "`since`: "),
        ("reports/outcomes?until=2026-02-31", "`until`: Write a month or a date"),
        ("reports/outcomes?since=1990-01", "`since`: A report has at most 36 months."),
        ("held?state=lost", "`state`: "),
        ("refused?error=lost", "`error`: There is no error of this name"),
        ("channels?limit=5", "`limit`: There is no such parameter."),
        ("openapi.json?pretty=1", "`pretty`: There is no such parameter."),
        ("events/1/body?download=1", "`download`: There is no such parameter."),
    ],
)
async def test_a_parameter_of_another_listing(filled: RunningApi, path: str, named: str) -> None:
    """The same for each listing."""
    status, code, message = await _problem(filled, path)
    assert (status, code) == (400, "bad_argument")
    assert message.startswith(named)


async def test_filters_narrow(filled: RunningApi) -> None:
    """What is asked for is what is listed."""
    everything = {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"}
    entries = (await filled.get("journal", kind="token.added", **everything))["items"]
    assert {one["kind"] for one in entries} == {"token.added"}
    (confidential,) = (await filled.get("cases", confidential="true"))["items"]
    assert (confidential["receipt"], confidential["owner"]) == (CONFIDENTIAL, "ana")
    others = (await filled.get("cases", confidential="false"))["items"]
    assert others
    assert not any(one["confidential"] for one in others)
    alerts = (await filled.get("alerts", outstanding="true", kind="case"))["items"]
    assert alerts
    assert all(one["state"] == "failed" and one["dismissed_at"] is None for one in alerts)
    assert (await filled.get("alerts", channel="slack", target="nobody"))["items"] == []
    receipt = (await filled.get("events", limit=1))["items"][0]["receipt"]
    case = await filled.get(f"cases/{receipt[:3].lower()}-{receipt[3:]}")
    assert case["receipt"] == receipt
    assert (await filled.ask("GET", "cases/A12")).status_code == 404


async def test_every_page_of_a_listing(filled: RunningApi) -> None:
    """Pages have every row once, newest first, while deliveries come in."""
    ((there,),) = filled.rows("SELECT max(id) FROM events")
    seen: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await filled.get("events", limit=2, **cursor)
        assert set(page) == {"items", "next"}
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        await filled.deliver(normalized_status="received", raw_status_text="Case Was Received")
    assert seen == [*range(there, 0, -1)]


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
