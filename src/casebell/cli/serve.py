"""`casebell serve`: migrate, then run until told to stop."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import uvicorn
import uvloop

import casebell
from casebell.app import REQUEST_GRACE, build
from casebell.cli.door import local_url
from casebell.cli.options import Config, settings_for
from casebell.cli.tls import see_certificate
from casebell.console.local import Door, door_path, new_door, write_door
from casebell.errors import Refusal
from casebell.receive.connection import Connection
from casebell.settings import Settings, load
from casebell.telemetry import configure_logging, get_logger

#: How long a thread may keep the interpreter while another one waits for it.
SWITCH_SECONDS = 0.0005
#: Seconds an idle connection is kept. Longer than proxies and senders keep theirs (most 60): if we
#: closed first, a delivery that is on its way just then would find nobody.
KEEP_ALIVE = 75


def serve(context: typer.Context, config: Config = None) -> None:
    """Migrate the database, receive deliveries and send alerts until told to stop."""
    settings = settings_for(context, config)
    see_certificate(settings)
    configure_logging(sys.stdout)
    _allow_connections()
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
    url = local_url(settings, *listener.getsockname()[:2])
    # On PostgreSQL the command line works on the database itself.
    database = settings.storage.sqlite_path
    door = new_door(url) if database is not None else None
    for warning in settings.warnings:
        log.warning("config.warning", message=warning)

    def started() -> None:
        _settle_in()
        # Not before: until the database is ours, the door there may be another server's.
        if database is not None and door is not None:
            _write_door(database, door)
        log.info(
            "server.started",
            version=casebell.__version__,
            url=url,
            sources=list(settings.sources),
            channels=list(settings.channels),
            config_sha256=settings.sha256,
        )

    class PatientConnection(Connection):
        patience = settings.server.body_timeout

    def read() -> Settings:
        found = load(settings.path)
        see_certificate(found)
        return found

    def applied(new: Settings) -> None:
        PatientConnection.patience = new.server.body_timeout

    hangup = asyncio.Event()
    app = build(
        settings,
        door_token=door.token if door else None,
        started=started,
        read=read,
        applied=applied,
        hangup=hangup,
    )
    server = _Server(_uvicorn_config(app, settings, PatientConnection))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    # Not by uvicorn, which would log a failing start with its traceback.
    async with app.router.lifespan_context(app):
        await server.serve(sockets=[listener])
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


def _uvicorn_config(app: Any, settings: Settings, connection: type[Connection]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        # X-Forwarded-For is read by us, from the configured proxies only.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=REQUEST_GRACE,
        ssl_certfile=settings.server.tls_cert,
        ssl_keyfile=settings.server.tls_key,
    )


def _settle_in() -> None:
    """Tune the interpreter for a long run; docs/decisions/0010 has the figures.

    What was loaded at start stays for good, so the collector need not walk it again and again; and
    the storage's thread, back from a commit, need not wait five milliseconds for its turn.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(SWITCH_SECONDS)


def _allow_connections() -> None:
    """As many open files as the system lets us have.

    The usual 1024 are a courtesy to old programs: a stranger with as many idle connections could
    keep the source out for as long as it opens new ones.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # The system's own words; Python adds the address to them, and knows more numbers.
        unknown = isinstance(error, socket.gaierror) or error.errno is None
        reason = "no such address" if unknown else os.strerror(error.errno or 0)
        raise Refusal(
            f"Cannot listen on {host}, port {port}: {reason}.",
            hint="Set server.host and server.port to an address that is free on this machine.",
        ) from None
    listener.setblocking(False)
    return listener


def _write_door(database: Path, door: Door) -> None:
    """The way in for the local command line."""
    try:
        write_door(door_path(database), door)
    except OSError as error:
        raise Refusal(
            f"The folder of the database cannot be written: {error.strerror}.",
            hint=f"Make {database.parent} writable for this user.",
        ) from None
