"""The whole application in this process: deliveries of every fate, and a token of each role."""

import asyncio
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx2
from structlog.testing import capture_logs

from casebell.actors import Role
from casebell.api.endpoint import Api
from casebell.app import build
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.settings import load
from casebell.store.schema import cases
from contracts.cases import with_keys
from contracts.stores import store_in
from contracts.writing import writing
from e2e.sender import document, encoded, signed
from raw_admin import ask
from sandbox.simulator.firm import TOKEN, Firm
from waiting import until

#: A receipt of a confidential case, whose owner has no token here.
CONFIDENTIAL = "IOE0000009999"
SECRET = "parley-signing-secret-for-tests"


class RunningApi:
    """The application, spoken to without a socket."""

    def __init__(self, folder: Path, sink: HttpSink, upstream: Firm) -> None:
        self.folder = folder
        self.upstream = upstream
        self.sink = sink
        self.file = folder / "config.toml"
        self.file.write_text(
            '[server]\ntrusted_proxies = ["127.0.0.1"]\npublic_url = "http://127.0.0.1"\n'
            '[storage]\nurl = "sqlite:///casebell.db"\n'
            f'[sources.parley]\nkind = "parley"\nsecrets = ["{SECRET}"]\n'
            f'[channels.slack]\nurl = "json://127.0.0.1:{sink.port}/"\npace = "0s"\n'
            '[channels.mail]\nurl = "mailto://127.0.0.1:9?from=a@firm.com"\n'
            'to = ["@owner"]\nunassigned = ["desk@firm.com"]\n'
            '[people.jchan]\nname = "Jia Chan"\nemail = "jchan@firm.com"\nteams = ["rfe"]\n'
            '[people.kim]\nname = "Kim Roe"\nemail = "kim@firm.com"\n'
            '[people.ana]\nname = "Ana Ruiz"\n'
            f"[upstream.parley]\nkind = 'parley'\nsource = 'parley'\nper_minute = 60000\n"
            f"base = '{upstream.url}'\ntoken = '{TOKEN}'\nsecret_file = 'parley.secret'\n"
            f"[upstream.torch]\nkind = 'torch'\nsource = 'parley'\nper_minute = 60000\n"
            f"base = '{upstream.url}'\ntoken = '{TOKEN}'\n"
            '[[rules]]\nname = "RFE"\nwhen = { status = ["rfe_issued"] }\nnotify = ["slack"]\n'
            '[[rules]]\nname = "Denied"\nwhen = { status = ["denied"] }\nnotify = ["slack"]\n'
        )
        self.app = build(
            load(self.file, environ={}),
            url="http://casebell.test",
            read=lambda: load(self.file, environ={}),
        )
        (self.api,) = {
            route.endpoint  # type: ignore[attr-defined]
            for route in self.app.routes
            if isinstance(getattr(route, "endpoint", None), Api)
        }
        self.log: list[MutableMapping[str, Any]] = []
        self.tokens: dict[Role, str] = {}
        #: One that was an admin's.
        self.revoked = ""
        #: Requests come from an address each: too many wrong tokens of one are limited.
        self._addresses = itertools.count(1)
        transport = httpx2.ASGITransport(app=self.app, client=("127.0.0.1", 9))
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RunningApi"]:
        """Everything runs; one case is confidential."""
        store = store_in(self.folder)
        async with store, writing(store) as connection:
            confidential = {"receipt": CONFIDENTIAL, "updated_at": 0, "confidential": True}
            owner = with_keys({"owner": "ana"})
            await connection.execute(cases.insert().values(**confidential, **owner))
        with capture_logs() as self.log:
            async with self.app.router.lifespan_context(self.app):
                await self._make_tokens()
                yield self

    async def _make_tokens(self) -> None:
        for role in Role:
            self.tokens[role] = await self.make_token(f"the-{role}", role)
        self.revoked = await self.make_token("revoked", Role.ADMIN)
        await self.revoke_token("revoked")

    async def make_token(self, name: str, role: Role, **given: str) -> str:
        """A token, made over the socket."""
        made = await ask(self._socket, "add_token", name=name, role=role, **given)
        return str(made["value"]["token"])

    async def revoke_token(self, name: str) -> None:
        """Revoke one, over the socket."""
        await ask(self._socket, "revoke_token", name=name)

    @property
    def _socket(self) -> Path:
        return self.folder / "casebell.db.sock"

    async def deliver(self, **fields: Any) -> int:
        """Post one delivery that must be stored; its number."""
        answer = await self.post(encoded(document(**fields)))
        assert answer["status"] == "stored"
        ((number,),) = self.rows("SELECT id FROM events WHERE key = ?", answer["event_id"])
        return int(number)

    async def post(self, body: bytes, **headers: str) -> dict[str, Any]:
        """Post a body as a signed delivery; the answer."""
        answer = await self.client.post(
            "/webhooks/parley", content=body, headers=signed(body, secret=SECRET) | headers
        )
        content: dict[str, Any] = answer.json()
        return content

    async def fill(self, each: int) -> None:
        """Have events of a failed alert, held and refused deliveries: so many of each."""
        self.sink.answer(HttpAnswer(status=404))
        for number in range(each):
            await self.deliver(normalized_status="rfe_issued")
            await self.post(b"not json %d" % number)
            await self.post(b"{}", Authorization=signed(b"other")["Authorization"])
        # It was told while it was not confidential.
        await self.say_of_case(CONFIDENTIAL, confidential=False)
        await self.deliver(receipt_number=CONFIDENTIAL)
        failed = "SELECT count(*) FROM alerts WHERE state = 'failed'"
        await until(lambda: self.rows(failed) == [(each + 1,)], "every alert to fail")
        await self.say_of_case(CONFIDENTIAL, confidential=True)
        kept = "SELECT count(*) FROM refused"
        await until(lambda: self.rows(kept) == [(each,)], "every refusal to be kept")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        role: Role | None = Role.ADMIN,
        token: str = "",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        """One request of the API, by the token of a role."""
        given = {"X-Forwarded-For": str(IPv4Address("198.18.0.0") + next(self._addresses))}
        given |= headers or {}
        if role is not None:
            given["Authorization"] = f"Bearer {token or self.tokens[role]}"
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            given.setdefault("Content-Type", "application/json")
        return await self.client.request(method, f"/api/v1/{path}", content=content, headers=given)

    async def get(self, path: str, **parameters: str | int) -> Any:
        """What an admin gets; it must be there."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        answer = await self.ask("GET", f"{path}?{query}" if query else path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def say_of_case(self, receipt: str, **facts: object) -> None:
        """Have the firm's own data of a case."""
        given = with_keys(facts)
        columns = ", ".join(f"{name} = ?" for name in given)

        def write() -> None:
            with closing(sqlite3.connect(self.folder / "casebell.db")) as connection, connection:
                connection.execute(
                    f"UPDATE cases SET {columns} WHERE receipt = ?", (*given.values(), receipt)
                )

        # The application's own transaction ends meanwhile.
        await asyncio.to_thread(write)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the database."""
        database = self.folder / "casebell.db"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, statement: str) -> None:
        """Change the database behind the application's back."""
        with closing(sqlite3.connect(self.folder / "casebell.db")) as connection, connection:
            connection.execute(statement)

    def lines(self, name: str) -> list[MutableMapping[str, Any]]:
        """The log's lines of a name."""
        return [line for line in self.log if line["event"] == name]


async def problem(api: RunningApi, path: str, **given: Any) -> tuple[int, str, str]:
    """The error of a request: its status, its code, and its message."""
    method = "POST" if "body" in given or "content" in given else "GET"
    answer = await api.ask(method, path, **given)
    content = answer.json()
    assert set(content) == {"error", "message", "request_id"}
    assert answer.headers["X-Request-Id"] == content["request_id"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, content["error"], content["message"]
