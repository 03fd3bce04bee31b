"""The demo's environment: a temporary directory, a real server, its upstream and its sinks."""

import asyncio
import random
import re
import secrets
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from casebell.actors import Role
from casebell.clock import SystemClock
from casebell.errors import Refusal
from casebell.sandbox.expect import StepFailed, expect
from casebell.sandbox.http_sink import HttpSink
from casebell.sandbox.inbox import Arrival, Inbox
from casebell.sandbox.mail_sink import SmtpSink
from casebell.sandbox.provider import Provider
from casebell.sandbox.server_process import ServerProcess, run_json
from casebell.sandbox.upstream import Upstream
from casebell.settings import load
from casebell.store.new_file import new_file

#: The recipients: the chat room of the HTTP sink, and the addresses of the mail sink.
CHAT = "chat"
TEAM = "rfe-team@example-firm.com"
ATTORNEY = "jchan@example-firm.com"
IT = "it-desk@example-firm.com"
#: The owners of the cases that the firm lists.
OWNER = "aruiz@example-firm.com"
OTHER_ATTORNEY = "kroe@example-firm.com"
#: `secret_file` of `demo.toml`.
SUBSCRIPTION_FILE = "parley-subscription.secret"
#: Who signs in to the console.
ACCOUNT = "demo"

#: Below the ports that systems lend to outgoing connections: the server's own must be free again
#: after a restart.
_PORTS = range(18_000, 28_000)
#: Seconds until everything that was delivered is decided and sent; a first retry takes five.
TIMEOUT = 15.0
_POLL = 0.01
_WAITING = re.compile(r'^casebell_waiting\{what="(unrouted|alerts)"\} ([0-9.e+]+)$', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoEnvironment:
    """What the scenario's steps work with."""

    #: In a directory that is removed at the end, with everything else of the demo.
    config: Path
    server: ServerProcess
    upstream: Upstream
    #: Whose API is asked, and delivers by itself.
    provider: Provider
    inbox: Inbox
    #: The chat room, which can be made to fail.
    chat: HttpSink
    #: The upstream's secret for each source, and the password of `ACCOUNT`.
    secrets: Mapping[str, str] = field(repr=False)
    password: str = field(repr=False)

    @property
    def subscription_file(self) -> Path:
        """Where the server keeps the secret of its subscription, once there is one."""
        return self.config.with_name(SUBSCRIPTION_FILE)

    async def add_account(self) -> None:
        """Let somebody sign in to the console, and see and do everything there.

        Raises:
            StepFailed: the server did not add the account.
        """
        words = ("accounts", "add", ACCOUNT, "--role", Role.ADMIN, "--password-stdin")
        await run_json(*words, config=self.config, typed=self.password)

    async def register_cases(self) -> int:
        """Have the provider's API track every case that it does not track; how many these were.

        Raises:
            StepFailed: not every one is registered.
        """
        (answer,) = await run_json("upstream", "register", config=self.config)
        return int(answer["registered"])

    async def arrivals(self, *, at_least: int = 0) -> list[Arrival]:
        """The messages that came in since the last call, once nothing waits any more.

        Args:
            at_least: wait for this number; those about held deliveries do not count as waiting.

        Raises:
            StepFailed: something still waits after `TIMEOUT`.
        """
        deadline = time.monotonic() + TIMEOUT
        while True:
            waiting = await self._waiting()
            over = time.monotonic() > deadline
            if not waiting and (over or self.inbox.unread() >= at_least):
                return self.inbox.read()
            if over:
                raise StepFailed(
                    "everything is decided and sent",
                    expected=f"nothing waits after {TIMEOUT:g} s",
                    got=", ".join(f"{what}: {count:g}" for what, count in waiting.items()),
                )
            await asyncio.sleep(_POLL)

    async def _waiting(self) -> dict[str, float]:
        """The server's own counts of events and alerts that are not finished, without zeros."""
        metrics = await self.server.metrics()
        counts = {what: float(count) for what, count in _WAITING.findall(metrics)}
        expect("counts in /metrics", expected=["alerts", "unrouted"], got=sorted(counts))
        return {what: count for what, count in counts.items() if count}


@asynccontextmanager
async def set_up_demo(*, configuration: str | None = None) -> AsyncIterator[DemoEnvironment]:
    """The environment, its server not yet started; nothing of it is left when the block ends.

    Args:
        configuration: instead of `demo.toml`.

    Raises:
        Refusal: there is no place for temporary files.
    """
    clock = SystemClock()
    given = {name: secrets.token_urlsafe(32) for name in ("parley", "torch")}
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(_temporary_directory()))
        chat = await stack.enter_async_context(HttpSink())
        mail = await stack.enter_async_context(SmtpSink())
        provider = await stack.enter_async_context(Provider.simulated())
        config = directory / "config.toml"
        config.write_text(configuration or demo_configuration())
        values = {
            "PORT": _free_port(),
            "CHAT_PORT": chat.port,
            "MAIL_PORT": mail.port,
            "API": provider.url,
            "API_TOKEN": provider.token,
            **{f"{name.upper()}_SECRET": secret for name, secret in given.items()},
        }
        lines = [f"CASEBELL_DEMO_{name}={value}\n" for name, value in values.items()]
        with new_file(directory / ".env") as env:
            env.write_text("".join(lines))
        server = await stack.enter_async_context(
            ServerProcess(config=config, log=directory / "server.log")
        )
        upstream = await stack.enter_async_context(
            Upstream(
                url=lambda: server.url,
                sources=load(config, environ={}).sources,
                secrets=given,
                clock=clock,
                chance=random.Random(),  # noqa: S311 - the order of deliveries is no secret
            )
        )
        yield DemoEnvironment(
            config=config,
            server=server,
            upstream=upstream,
            provider=provider,
            inbox=Inbox(room=CHAT, http=chat, mail=mail),
            chat=chat,
            secrets=given,
            password=secrets.token_urlsafe(12),
        )


def demo_configuration() -> str:
    """The text of `demo.toml`."""
    return (resources.files("casebell.sandbox") / "demo.toml").read_text()


def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    """Readable by this user alone."""
    try:
        return tempfile.TemporaryDirectory(prefix="casebell-demo-")
    except OSError:
        raise Refusal(
            "There is no place to write temporary files.",
            hint="Let TMPDIR name a folder that this user may write.",
        ) from None


def _free_port() -> int:
    for _ in range(100):
        port = secrets.choice(_PORTS)
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Refusal("No port is free on this machine.")
