"""`casebell serve`: migrate, then run until told to stop."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
import uvloop

import casebell
from casebell.app import REQUEST_GRACE, build
from casebell.cli.options import Config
from casebell.cli.preflight import preflight
from casebell.clock import SystemClock
from casebell.errors import Refusal
from casebell.http.guard import ConnectionLimiter, Guard
from casebell.settings import Settings, load
from casebell.telemetry import Metrics, configure_logging, get_logger

#: How long a thread may keep the interpreter while another one waits for it.
SWITCH_SECONDS = 0.0005
#: Seconds an idle connection is kept. Longer than proxies and senders keep theirs (most 60): if we
#: closed first, a delivery that is on its way just then would find no connection.
KEEP_ALIVE = 75
#: Open connections; a firm's sources, proxy and people hold a few dozen.
MAX_CONNECTIONS = 2_000
#: Connections that the system holds until the server takes them.
BACKLOG = 2_048
#: Files that the database, the channels and the command line's requests are left.
OWN_FILES = 256
#: Files in all. A TLS handshake that does not end is no connection yet and takes 55 KB: as many of
#: them as connections may be open, and then the system takes no more.
MAX_FILES = 2 * MAX_CONNECTIONS + OWN_FILES


def serve(config: Config = None) -> None:
    """Migrate the database, receive deliveries and send alerts until told to stop."""
    settings = load(config)
    preflight(settings)
    configure_logging(sys.stdout)
    files = _allow_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_server(settings, files=files))


async def run_server(settings: Settings, *, files: int) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in hand.

    Args:
        files: that this process may have open.

    Raises:
        Refusal: the address cannot be listened on.
        CasebellError: the store cannot be opened.
    """
    listener = _listen(settings.server.host, settings.server.port, "server.host and server.port")
    console = None
    if settings.console.listen:
        host, _, port = settings.console.listen.rpartition(":")
        console = _listen(host.strip("[]"), int(port), "console.listen")
    log = get_logger()
    url = local_url(settings, *listener.getsockname()[:2])

    def started() -> None:
        _tune_interpreter()
        log.info(
            "server.started",
            version=casebell.__version__,
            url=url,
            **({"console": local_url(settings, *console.getsockname()[:2])} if console else {}),
            sources=list(settings.sources),
            channels=list(settings.channels),
            config_sha256=settings.sha256,
        )

    metrics = Metrics()

    def read() -> Settings:
        found = load(settings.path)
        preflight(found)
        return found

    hangup = asyncio.Event()
    app = build(
        settings,
        metrics=metrics,
        url=url,
        started=started,
        read=read,
        hangup=hangup,
    )
    limiter = ConnectionLimiter(
        limits=app.deliveries.limits,
        max_connections=max_connections(files),
        registry=metrics.registry,
        clock=SystemClock(),
        log=log,
        refused=app.deliveries.note_elsewhere,
    )
    served = {listener: app, **({console: app.people} if console else {})}
    servers = {
        one: _GuardedServer(_uvicorn_config(shown), limiter, tls=app.tls)
        for one, shown in served.items()
    }

    def stop() -> None:
        for server in servers.values():
            server.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    # Not by uvicorn, which would log a failing start with its traceback.
    async with app.router.lifespan_context(app):
        await asyncio.gather(*(server.serve(sockets=[one]) for one, server in servers.items()))
    log.info("server.stopped")


class _GuardedServer(uvicorn.Server):
    """uvicorn's server, with a guard on each connection and without its signals.

    It would end the process by the signal. Reaches into uvicorn: what a start has to set, and what
    its main loop and its end ask for.
    """

    def __init__(
        self, config: uvicorn.Config, limiter: ConnectionLimiter, *, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(config)
        self._limiter = limiter
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()

        guarded = partial(
            Guard, self.config, self.server_state, self.lifespan.state, limiter=self._limiter
        )
        loop, tls = asyncio.get_running_loop(), self._tls
        handshake_timeout = self._limiter.limits().body_timeout if tls else None
        self.servers = [
            await loop.create_server(
                guarded, sock=one, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=handshake_timeout
            )
            for one in sockets or ()
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Take no more requests; a second time, do not wait for those under way."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _uvicorn_config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Guard,
        ws="none",
        lifespan="off",
        log_config=None,
        # Its warnings are of strangers' requests: a line for each would let them fill the disk.
        log_level="error",
        access_log=False,
        # X-Forwarded-For is read by us, from the configured proxies only.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=REQUEST_GRACE,
    )


def _tune_interpreter() -> None:
    """Tune the interpreter for a long run; docs/decisions/0010 has the figures.

    What was loaded at start stays for good, so the collector need not walk it again and again; and
    the storage's thread, back from a commit, need not wait five milliseconds for its turn.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(SWITCH_SECONDS)


def _allow_files() -> int:
    """As many open files as we use; the usual 1024 are for old programs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def max_connections(files: int) -> int:
    """Connections that may be open where the process may have so many files open."""
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(files - OWN_FILES, files // 2))


def _listen(host: str, port: int, key: str) -> socket.socket:
    """Listen on an address.

    Args:
        key: where the configuration has it.

    Raises:
        Refusal: it cannot be listened on.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        # The system's own words; Python adds the address to them, and knows more numbers.
        unknown = isinstance(error, socket.gaierror) or error.errno is None
        reason = "no such address" if unknown else os.strerror(error.errno or 0)
        raise Refusal(
            f"Cannot listen on {host}, port {port}: {reason}.",
            hint=f"Set {key} to an address that is free on this machine.",
        ) from None
    listener.setblocking(False)
    return listener


def local_url(settings: Settings, host: str, port: int) -> str:
    """Where this machine reaches a server that listens there."""
    # An address that means every interface cannot be connected to.
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    scheme = "https" if settings.server.tls_cert else "http"
    return f"{scheme}://[{here}]:{port}" if ":" in here else f"{scheme}://{here}:{port}"
