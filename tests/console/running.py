"""The whole application in this process, with an account of each role, as browsers see it."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import httpx2

from api.running import RunningApi
from casebell.actors import Role
from casebell.sandbox.http_sink import HttpSink
from raw_admin import ask
from sandbox.simulator.firm import Firm
from waiting import until

#: Of every account.
PASSWORD = "correct horse battery staple"
#: As a browser has it, which speaks to the machine that it is on.
ORIGIN = "http://127.0.0.1"


class Visitor:
    """A browser: it keeps cookies and goes where it is sent only when it is told to."""

    def __init__(self, console: "RunningConsole") -> None:
        transport = httpx2.ASGITransport(app=console.app, client=("127.0.0.1", 9))
        self.client = httpx2.AsyncClient(
            transport=transport, base_url=ORIGIN, headers={"Accept": "text/html"}
        )

    async def get(self, path: str) -> httpx2.Response:
        """Look at a page."""
        return await self.client.get(path)

    async def post(
        self, path: str, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> httpx2.Response:
        """Press a button of a page of ours."""
        given = {"Sec-Fetch-Site": "same-origin"} if headers is None else headers
        return await self.client.post(path, data=fields, headers=given)

    async def sign_in(
        self, name: str, password: str = PASSWORD, after: str = "/"
    ) -> httpx2.Response:
        """Give a name and a password."""
        return await self.post("/sign-in", name=name, password=password, next=after)

    async def said(self, answer: httpx2.Response) -> str:
        """Go where an action leads; what the page there says of it."""
        assert answer.status_code == 303, answer.text
        page = await self.get(answer.headers["Location"])
        told = re.search(r'<div class="told.*?</div>', page.text, re.DOTALL)
        return text_of(told[0]) if told else ""


class RunningConsole(RunningApi):
    """The application, with an account of each role: `the-viewer` and so on."""

    def __init__(self, folder: Path, sink: HttpSink, upstream: Firm) -> None:
        super().__init__(folder, sink, upstream)
        self._signed_in: dict[Role, Visitor] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RunningConsole"]:
        """Everything runs."""
        async with super().running():
            for role in Role:
                await self.add_account(f"the-{role}", role)
            yield self

    async def add_account(self, name: str, role: Role, **given: str) -> None:
        """An account, made over the socket."""
        await self.admin("add_account", name=name, role=role, password=PASSWORD, **given)

    async def admin(self, verb: str, **arguments: Any) -> Any:
        """A verb, over the socket."""
        answer = await ask(self._socket, verb, **arguments)
        return answer["value"]

    async def until_rows(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Wait until a query of the database has these rows."""
        await until(lambda: self.rows(statement) == rows, statement)

    def visitor(self) -> Visitor:
        """Somebody who is not signed in."""
        return Visitor(self)

    async def signed_in(self, role: Role) -> Visitor:
        """Somebody of a role, the same each time."""
        if role not in self._signed_in:
            visitor = self._signed_in[role] = self.visitor()
            assert (await visitor.sign_in(f"the-{role}")).status_code == 303
        return self._signed_in[role]


def text_of(html: str) -> str:
    """What a page says, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
