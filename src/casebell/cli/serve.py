"""`casebell serve`: migrate, then run until told to stop."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import typer
import uvicorn
import uvloop

import casebell
from casebell.app import REQUEST_GRACE, build
from casebell.cli.options import Config, settings_for
from casebell.console.local import Door, door_path, make_door
from casebell.errors import CasebellError, Refusal
from casebell.settings import Settings
from casebell.telemetry import configure_logging, get_logger


def serve(context: typer.Context, config: Config = None) -> None:
    """Migrate the database, receive deliveries and send alerts until told to stop."""
    settings = settings_for(context, config)
    configure_logging(sys.stdout)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_server(settings))


async def run_server(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in hand.

    Raises:
        Refusal: the address cannot be listened on.
        CasebellError: the store cannot be opened.
    """
    listener = _listen(settings)
    log = get_logger()
    url = _own_url(settings, listener)
    door = _door(settings, url)
    for warning in settings.warnings:
        log.warning("config.warning", message=warning)

    def started() -> None:
        log.info(
            "server.started",
            version=casebell.__version__,
            url=url,
            sources=list(settings.sources),
            channels=list(settings.channels),
            config_sha256=settings.sha256,
        )

    app = build(settings, door_token=door.token if door else None, started=started)
    server = _Server(_uvicorn_config(app, settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    # The server gives up with SystemExit when its start-up fails; the app remembers why.
    with contextlib.suppress(SystemExit):
        await server.serve(sockets=[listener])
    failure = getattr(app.state, "failure", None)
    if isinstance(failure, CasebellError):
        raise failure
    if failure is not None:
        raise CasebellError("The server could not start.") from failure
    log.info("server.stopped")


class _Server(uvicorn.Server):
    """uvicorn's server, with the signals left to us: it would end the process by the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Take no more requests; a second time, do not wait for those under way."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _uvicorn_config(app: Any, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        # X-Forwarded-For is read by us, from the configured proxies only.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=REQUEST_GRACE,
        ssl_certfile=settings.server.tls_cert,
        ssl_keyfile=settings.server.tls_key,
    )


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Refusal(
            f"Cannot listen on {host}, port {port}: {error.strerror or 'no such address'}.",
            hint="Set server.host and server.port to an address that is free on this machine.",
        ) from None
    listener.setblocking(False)
    return listener


def _own_url(settings: Settings, listener: socket.socket) -> str:
    """Where this machine reaches the server."""
    host, port = listener.getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    scheme = "https" if settings.server.tls_cert else "http"
    return f"{scheme}://[{here}]:{port}" if ":" in here else f"{scheme}://{here}:{port}"


def _door(settings: Settings, url: str) -> Door | None:
    """The way in for the local command line; on PostgreSQL it works on the database itself."""
    database = settings.storage.sqlite_path
    if database is None:
        return None
    try:
        return make_door(door_path(database), url)
    except OSError as error:
        raise Refusal(
            f"The folder of the database cannot be written: {error.strerror}.",
            hint=f"Make {database.parent} writable for this user.",
        ) from None
