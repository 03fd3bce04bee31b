"""The door for the command line: who may pass, and what others see."""

import itertools
import json
import stat
from dataclasses import asdict
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from casebell import admin as local
from casebell.admin import Door, door_path, new_door, read_door, write_door
from casebell.errors import Problem
from casebell.http.answers import on_http_exception
from casebell.sandbox.sinks import HttpSink
from service.operating import Desk

TOKEN = "a-token-for-tests"
URL = "http://127.0.0.1:8080"
ADDRESSES = (
    "/local/alerts/1/retry",
    "/local/held/1/release",
    "/local/held/1/discard",
    "/local/refused/readmit",
    "/local/channels/slack/test",
)


@pytest.fixture
def client(desk: Desk) -> httpx2.AsyncClient:
    """Speaks to the addresses behind the door, as the server serves them."""
    app = Starlette(
        routes=local.routes(desk.operations, token=TOKEN, reload=desk.reload),
        exception_handlers={HTTPException: on_http_exception},
    )
    app.router.redirect_slashes = False
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://casebell")


def bearer(token: str = TOKEN) -> dict[str, str]:
    """The header that opens."""
    return {"Authorization": f"Bearer {token}"}


METHODS = ("POST", "GET", "HEAD", "OPTIONS", "PUT", "FROB")
WRONG: tuple[dict[str, str], ...] = (
    {},
    bearer(""),
    bearer("another"),
    bearer(TOKEN[:-1]),
    bearer(TOKEN + "x"),
    {"Authorization": TOKEN},
    {"Authorization": f"Basic {TOKEN}"},
)


class TestFile:
    """`<database>.door`."""

    def test_it_lies_beside_the_database(self) -> None:
        """The command line finds it by the database's name."""
        assert door_path(Path("/data/casebell.db")) == Path("/data/casebell.db.door")

    def test_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        """The file has mode 0600 from its first moment, whatever stood there before."""
        path = tmp_path / "casebell.db.door"
        path.write_text("old")
        path.chmod(0o666)
        door = new_door(URL)
        write_door(path, door)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_door(path) == door

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        """Where somebody left a link, the token does not end up behind it."""
        elsewhere = tmp_path / "elsewhere"
        path = tmp_path / "casebell.db.door"
        path.symlink_to(elsewhere)
        write_door(path, new_door(URL))
        assert not elsewhere.exists()
        assert not path.is_symlink()

    def test_each_start_has_a_token_of_its_own(self) -> None:
        """A token that leaked once opens nothing after a restart, and cannot be guessed."""
        one, other = new_door(URL), new_door(URL)
        assert one.token != other.token
        assert len(one.token) >= 40

    def test_it_hides_its_token(self) -> None:
        """Printed or logged, a door shows where it is and not what opens it."""
        assert TOKEN not in repr(Door(url=URL, token=TOKEN))

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"url": "x"}', '"x"', "\x00"])
    def test_what_cannot_be_read_is_no_door(self, tmp_path: Path, content: str) -> None:
        """A damaged file, or none, is as good as no server."""
        path = tmp_path / "casebell.db.door"
        assert read_door(path) is None
        path.write_text(content)
        assert read_door(path) is None


class TestStrangers:
    """Without the token."""

    @pytest.mark.parametrize("address", ADDRESSES)
    async def test_there_is_nothing(self, client: httpx2.AsyncClient, address: str) -> None:
        """Any method gets the answer that an address gets at which there is nothing."""
        for method, headers in itertools.product(METHODS, WRONG):
            here = await client.request(method, address, headers=headers)
            nowhere = await client.request(method, "/nowhere", headers=headers)
            assert here.status_code == nowhere.status_code == 404
            assert not {"allow", "location", "www-authenticate"} & set(here.headers)
            if method != "HEAD":
                fields = [{**answer.json(), "request_id": ""} for answer in (here, nowhere)]
                assert fields[0] == fields[1]

    async def test_bytes_that_are_no_text(self, client: httpx2.AsyncClient) -> None:
        """A header of any bytes is refused like any other."""
        headers = [(b"authorization", b"Bearer \xff\xfe\xf0")]
        assert (await client.post(ADDRESSES[0], headers=headers)).status_code == 404

    async def test_a_slash_behind_it(self, client: httpx2.AsyncClient) -> None:
        """No redirect tells that the address without its slash is there."""
        assert (await client.post(ADDRESSES[0] + "/")).status_code == 404


class TestBearers:
    """With the token."""

    async def test_verbs(self, client: httpx2.AsyncClient, desk: Desk, sink: HttpSink) -> None:
        """Each address does its verb and answers with what came of it."""
        await desk.failed_alert()
        await desk.held()
        await desk.held(b"not json")
        answers = [
            (await client.post(address, headers=bearer())).json()
            for address in (
                "/local/alerts/1/retry",
                "/local/held/1/release",
                "/local/held/2/discard",
                "/local/channels/slack/test",
            )
        ]
        assert answers[0] == {"alert": 1, "state": "pending"}
        assert answers[1] == {"held": 1, "status": "stored", "event": 1}
        assert answers[2] == {"held": 2, "status": "discarded"}
        assert answers[3]["targets"][0]["delivered"] is True
        assert json.loads(sink.requests[0].body)["title"].startswith("TEST")

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("/local/alerts/9/retry", (404, "not_found", "casebell alerts list")),
            ("/local/held/9/release", (404, "not_found", "casebell held list")),
            ("/local/held/9/discard", (404, "not_found", "casebell held list")),
            ("/local/channels/email/test", (404, "not_found", "casebell check")),
            ("/local/held/1/release", (409, "still_held", "[sources.NAME.fields]")),
        ],
    )
    async def test_a_refusal_is_told_in_full(
        self, client: httpx2.AsyncClient, desk: Desk, address: str, expected: tuple[int, str, str]
    ) -> None:
        """The operator gets the sentence, the hint and the exit code that a stranger never sees."""
        await desk.held(b"not json")
        answer = await client.post(address, headers=bearer())
        content = answer.json()
        status, code, hint = expected
        assert (answer.status_code, content["error"]) == (status, code)
        assert hint in content["hint"]
        assert content["exit_code"] == 1
        assert content["message"]
        assert content["request_id"] == answer.headers["x-request-id"]

    @pytest.mark.parametrize("number", ["x", "-1", "9" * 19, ""])
    async def test_a_refusal_that_is_no_number(
        self, client: httpx2.AsyncClient, number: str
    ) -> None:
        """What is no number of a row is not there, and nothing is taken for "all"."""
        answer = await client.post(f"/local/refused/readmit?id={number}", headers=bearer())
        assert answer.status_code == 404

    async def test_a_reload(self, client: httpx2.AsyncClient, desk: Desk) -> None:
        """It answers with what changed, or with everything that is wrong and where."""
        answer = await client.post("/local/reload", headers=bearer())
        assert (answer.status_code, answer.json()) == (200, {"changed": {}})
        desk.problem = Problem(key="server.prot", message="No.", hint="Port?", where="/a.toml")
        answer = await client.post("/local/reload", headers=bearer())
        content = answer.json()
        assert (answer.status_code, content["error"], content["exit_code"]) == (
            409,
            "config_invalid",
            1,
        )
        assert content["problems"] == [asdict(desk.problem)]

    @pytest.mark.parametrize(
        "number", ["0x1", "-1", "1.0", "%D9%A1", "9" * 19, "9" * 5_000, "1 ", "one"]
    )
    async def test_what_is_no_number(self, client: httpx2.AsyncClient, number: str) -> None:
        """An address without a row's number is none, and no trouble."""
        answer = await client.post(f"/local/alerts/{number}/retry", headers=bearer())
        assert answer.status_code == 404

    async def test_another_method(self, client: httpx2.AsyncClient, desk: Desk) -> None:
        """Nothing is done by a request that only asks."""
        await desk.held()
        answer = await client.get("/local/held/1/discard", headers=bearer())
        assert answer.status_code == 404
        assert desk.rung == 0
