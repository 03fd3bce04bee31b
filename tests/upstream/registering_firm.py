"""A firm before a simulated API: its directory, its configuration, and the verbs of both."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from casebell.clock import SystemClock
from casebell.service.registering import Registering
from casebell.service.subscribing import Subscribing
from casebell.service.upstreams import Upstreams
from casebell.settings import Settings, load
from casebell.store import case_directory
from casebell.store.case_directory import CaseSaid
from casebell.store.engine import Store
from casebell.store.liveness import Living
from casebell.upstream.connections import Connections
from contracts.actors import ADMIN
from contracts.cases import receipt_of
from contracts.writing import writing
from sandbox.simulator.firm import TOKEN, Firm, rehearsing
from upstream.harness import QUICK

#: Where the provider reaches us, by the configuration below.
URL = "https://casebell.example-firm.com/webhooks/parley"
CONFIG = """
[server]
public_url = "{public}"
[storage]
url = "sqlite:///other.db"
[routing]
test_receipts = ["MSC*"]
[sources.parley]
kind = "parley"
secrets = [{secret}]
{source}
[upstream.parley]
kind = "{kind}"
source = "parley"
base = "{base}"
token = "{token}"
per_minute = 60000
batch = {batch}
labels = {labels}
secret_file = "parley.secret"
"""


@dataclass(kw_only=True)
class Server:
    """One server of a firm, with a configuration of its own."""

    store: Store
    folder: Path
    #: Of the API.
    url: str
    written: dict[str, Any] = field(default_factory=dict[str, Any])
    #: How often it read its configuration again.
    reloads: int = 0
    others: list[Living] | None = field(default_factory=list)
    #: Called with each reload.
    on_reload: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.write()

    def write(self, *, without: str = "", **written: Any) -> None:
        """Write the configuration and use it.

        Args:
            without: how a line begins that is left out.
        """
        usual = {
            "base": self.url,
            "public": "https://casebell.example-firm.com",
            "secret": '"the first secret of the provider"',
            "source": "",
            "kind": "parley",
            "batch": 3,
            "labels": False,
        }
        given = {**usual, **self.written, **written}
        text = CONFIG.format(token=TOKEN, **{**given, "labels": str(given["labels"]).lower()})
        if without:
            text = "\n".join(one for one in text.splitlines() if not one.startswith(without))
        file = self.folder / "config.toml"
        file.write_text(text)
        file.chmod(0o600)
        self.settings = self._load()
        connections = Connections(
            store=self.store, settings=self._in_force, clock=SystemClock(), patience=QUICK
        )
        alike: dict[str, Any] = {
            "store": self.store,
            "settings": self._in_force,
            "connections": connections,
            "clock": SystemClock(),
        }
        self.registering = Registering(**alike)
        self.upstreams = Upstreams(**alike)
        self.subscribing = Subscribing(
            **alike, reload=self._reload, servers=lambda: self.others, agree=0
        )

    @property
    def secret_file(self) -> Path:
        """Where the secret of the subscription is."""
        return self.folder / "parley.secret"

    @property
    def secrets(self) -> list[str]:
        """Those in the file."""
        return self.secret_file.read_text().splitlines() if self.secret_file.exists() else []

    @property
    def labels(self) -> list[str]:
        """Of the secrets that are in force."""
        return [one.label for one in self.settings.sources["parley"].secrets]

    async def register(self, **given: Any) -> Any:
        """One piece."""
        return await self.registering.register_cases(**{"name": "parley", "actor": ADMIN, **given})

    async def register_all(self) -> Any:
        """Piece by piece until it is done; the pieces."""
        pieces = [await self.register()]
        while not pieces[-1]["done"]:
            skip = sum(len(one["problems"]) for one in pieces)
            pieces.append(await self.register(skip=skip))
        return pieces

    async def subscribe(self, **given: Any) -> Any:
        """Subscribe."""
        return await self.subscribing.subscribe(**{"name": "parley", "actor": ADMIN, **given})

    async def standing(self, **given: Any) -> Any:
        """How the one API stands."""
        (one,) = await self.upstreams.list_upstreams(**{"actor": ADMIN, **given})
        return one

    def _in_force(self) -> Settings:
        return self.settings

    def _load(self) -> Settings:
        return load(self.folder / "config.toml", environ={})

    async def _reload(self, **_: Any) -> None:
        self.on_reload()
        self.settings = self._load()
        self.reloads += 1


@dataclass(kw_only=True)
class ServerBefore(Server):
    """The same before a simulated API, of which a test may ask more."""

    api: Firm


@asynccontextmanager
async def one_server(store: Store, folder: Path, **written: Any) -> AsyncIterator[ServerBefore]:
    """A server, and the simulator that it asks."""
    async with rehearsing() as api:
        yield ServerBefore(
            store=store, folder=folder / "one", url=api.url, api=api, written=written
        )


async def know(store: Store, *receipts: int | str, **said: Any) -> None:
    """Have cases in the directory."""
    rows = [
        CaseSaid(
            receipt=receipt_of(one) if isinstance(one, int) else one,
            updated_at=1,
            listed_at=1,
            **said,
        )
        for one in receipts
    ]
    async with writing(store) as connection:
        await case_directory.put(connection, rows)


def tracked(api: Firm) -> set[str]:
    """The receipts that the API tracks."""
    return {one.receipt for one in api.simulator.world.cases.values() if one.registered}


def asked(api: Firm, path: str = "/v1/receipts") -> int:
    """How often it was asked."""
    return api.simulator.asked["POST", path]


class Picky:
    """Before an API: it refuses whatever names one of some words, and leaves others out.

    Args:
        refused: words for which a request is 400.
        unnamed: receipts that an answer does not have.
    """

    def __init__(
        self, app: ASGIApp, *, refused: Sequence[str] = (), unnamed: Sequence[str] = ()
    ) -> None:
        self._app = app
        self._refused = refused
        self._unnamed = unnamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        if any(word.encode() in body for word in self._refused):
            error = {"error": "invalid", "message": "No such case.", "request_id": "req_1"}
            await JSONResponse(error, 400)(scope, receive, send)
            return

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def cut(message: Message) -> None:
            # An answer of the simulator is one piece, of a length that stays.
            for receipt in self._unnamed:
                quoted = f'"{receipt}"'.encode()
                if quoted in message.get("body", b""):
                    left = message["body"].replace(quoted + b",", b"").replace(quoted, b"")
                    message["body"] = left.ljust(len(message["body"]))
            await send(message)

        await self._app(scope, again, cut)
