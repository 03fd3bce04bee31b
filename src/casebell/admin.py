"""The Unix socket of the command line: the file's mode alone decides who may connect.

One request to a connection: a line of JSON in, a line of JSON out.

    {"verb": "retry_alerts", "arguments": {"ids": [7]}, "by": "Jia Chan"}
    {"value": {"alerts": [7], "left": []}, "timezone": "America/New_York"}
    {"error": {"code": "not_found", "message": "…", "hint": "…", "exit_code": 1, "problems": []}}
"""

import asyncio
import errno
import json
import os
import socket
import stat
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from casebell.actors import command_line
from casebell.errors import CasebellError, ConfigError, Refusal
from casebell.files import give_socket_to_folders_owner, reason_of, user_name
from casebell.json_text import encode
from casebell.service import Service, UnknownCommand
from casebell.store.lock import hold
from casebell.telemetry import Log

#: Bytes of a request.
MAX_REQUEST_BYTES = 1024 * 1024
#: Seconds that a request may take to arrive, and an answer to be read.
REQUEST_TIMEOUT = 4.0
#: Seconds that answers are given when the server ends. Deliveries and sends have four each besides,
#: and after ten the system kills.
ENDING_GRACE = 1.0
#: What the system says of a peer: process, user, group.
_CREDENTIALS = struct.Struct("3i")


class AdminSocket:
    """Answers the command line; enter it with `async with` once the database is locked.

    Args:
        service: what a request may ask for, as the system's user who connected.
        timezone: the time zone of the times that a command prints.
    """

    def __init__(
        self, *, path: Path, service: Service, timezone: Callable[[], str], log: Log
    ) -> None:
        self._path = path
        self._service = service
        self._timezone = timezone
        self._log = log
        self._requests: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._lock = _lock(self._path)
        try:
            listener = listen(self._path)
            self._made = self._path.stat().st_ino
            self._server = await asyncio.start_unix_server(
                self._connected, sock=listener, limit=MAX_REQUEST_BYTES
            )
        except BaseException:
            os.close(self._lock)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take no more requests, and give those under way a moment."""
        self._server.close()
        if self._requests:
            await asyncio.wait(self._requests, timeout=ENDING_GRACE)
        for request in self._requests:
            request.cancel()
        with suppress(OSError):
            # Somebody may have put something else there.
            if self._path.stat().st_ino == self._made:
                self._path.unlink()
        os.close(self._lock)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                line = await reader.readline()
            answer = await self._answer(line, user=_peer(writer))
            writer.write(answer.encode() + b"\n")
            async with asyncio.timeout(REQUEST_TIMEOUT):
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, ValueError, ConnectionError):
            # The request was too short or too long, or its sender went away or does not read.
            return
        except asyncio.CancelledError:
            # The server ends. Nobody awaits this task, and Python 3.11 would log an error.
            return
        finally:
            # A close would keep the connection until the last byte is read.
            writer.transport.abort()

    async def _answer(self, line: bytes, *, user: str) -> str:
        try:
            request = json.loads(line)
            verb, arguments = str(request["verb"]), dict(request["arguments"])
            actor = command_line(user, by=_claimed(request))
        except (ValueError, KeyError, TypeError, RecursionError):
            return _error_json(UnknownCommand())
        try:
            value = await self._service.ask(verb, arguments, actor=actor)
            return encode({"value": value, "timezone": self._timezone()})
        except CasebellError as error:
            return _error_json(error)
        except Exception as error:  # noqa: BLE001 - this request gets an error, and the next one its answer
            self._log.error("admin.defect", verb=verb, error=error)
            return _error_json(Defect())


def _claimed(request: Mapping[str, Any]) -> str | None:
    by = request.get("by")
    return None if by is None else str(by)


def _peer(writer: asyncio.StreamWriter) -> str:
    """The system's user at the other end, as the system says it."""
    connection: socket.socket = writer.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return user_name(uid)


class Defect(CasebellError):
    """Something went wrong in the running server."""

    hint = "Its log says what."
    exit_code = 3


def _error_json(error: CasebellError) -> str:
    """An error in full: everybody who may connect may know it."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    content = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
        "problems": [asdict(one) for one in problems],
    }
    return encode({"error": content})


def listen(path: Path) -> socket.socket:
    """A socket that this user alone can connect to, from its first moment.

    The socket file of a server that died is replaced: the caller holds its lock.

    Raises:
        Refusal: another server answers there, something else stands there, or nothing can be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Not chmod afterwards: somebody may connect in between.
    before = os.umask(0o177)
    try:
        try:
            listener.bind(os.fspath(path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _remove_dead(path)
            listener.bind(os.fspath(path))
        give_socket_to_folders_owner(path)
        listener.listen()
    except OSError as error:
        listener.close()
        raise _cannot_be_made(path, error) from None
    except Refusal:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def _lock(path: Path) -> int:
    """Hold `<socket>.lock` until it is closed, or the process ends; return its descriptor.

    Without it, of two servers that find a dead socket at once the second would remove the new
    socket of the first.
    """
    place = path.with_name(path.name + ".lock")
    try:
        descriptor = hold(place)
    except OSError as error:
        raise _cannot_be_made(place, error) from None
    if descriptor is None:
        raise _another_answers(path)
    return descriptor


def _remove_dead(path: Path) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise Refusal(
            f"{path} is no socket.", hint="Set server.socket to a place where nothing is."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # Its queue is full: a server runs there.
    raise _another_answers(path)


def _another_answers(path: Path) -> Refusal:
    return Refusal(
        f"Another Casebell server answers at {path}.",
        hint="Stop it, or give this one its own server.socket.",
    )


def _cannot_be_made(path: Path, error: OSError) -> Refusal:
    return Refusal(
        f"The socket {path} cannot be made: {reason_of(error, path)}.",
        hint="Set server.socket to a place where this user can write.",
    )
