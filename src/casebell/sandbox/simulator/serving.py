"""Serves a simulator on loopback: until it is told to stop, or in a block."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn

from casebell.errors import Refusal
from casebell.networks import is_loopback
from casebell.sandbox.simulator.app import Simulator, SimulatorSettings, build

#: Seconds an idle connection is kept: longer than clients keep theirs, which would otherwise send a
#: request just when it is closed.
KEEP_ALIVE = 75
#: Seconds that requests under way are given when it ends.
GRACE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A simulator and where it listens."""

    simulator: Simulator
    #: Without a path: `http://127.0.0.1:8801`.
    url: str


def listen(host: str, port: int) -> socket.socket:
    """Listen on this machine alone; port 0 is any that is free.

    Raises:
        Refusal: the host is not this machine, or the port cannot be had.
    """
    if not is_loopback(host):
        raise Refusal(
            "The sandbox listens on this machine only.",
            hint="Leave --host out, or give 127.0.0.1, ::1 or localhost.",
        )
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    # The protocol is named so that asyncio sends each part of an answer at once.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((bare, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Refusal(
            f"Cannot listen on {bare}, port {port}: {os.strerror(error.errno or 0)}.",
            hint="Stop what listens there, or give another --port; 0 is any that is free.",
        ) from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where it listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's server without its signals: it would end the process by them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(simulator: Simulator) -> _Server:
    config = uvicorn.Config(
        simulator,
        ws="none",
        lifespan="off",
        log_config=None,
        # An answer that is cut off on purpose is no error.
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    return _Server(config)


async def serve(simulator: Simulator, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = _server(simulator)

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with simulator.router.lifespan_context(simulator):
        await server.serve(sockets=[listener])


@asynccontextmanager
async def running(settings: SimulatorSettings, *, port: int = 0) -> AsyncIterator[Served]:
    """A simulator in this process, over a real socket, until the block ends."""
    listener = listen("127.0.0.1", port)
    simulator = build(settings)
    # It sets the level for the whole process, which has more to do.
    log = logging.getLogger("uvicorn.error")
    level = log.level
    server = _server(simulator)
    async with simulator.router.lifespan_context(simulator):
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while True:
                await asyncio.sleep(0)
                if server.started or task.done():
                    break
            yield Served(simulator=simulator, url=url_of(listener))
        finally:
            server.should_exit = server.force_exit = True
            await task
            log.setLevel(level)
