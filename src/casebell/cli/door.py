"""The way from a command to the running server."""

from collections.abc import Mapping
from typing import Any

import httpx2

from casebell.admin import Door, door_path, read_door
from casebell.cli.tls import trust
from casebell.errors import CasebellError, Problem, ServerUnreachable
from casebell.settings import Settings

#: Seconds: a channel's test may take its timeout for each target.
PATIENCE = 660


class AnsweredNo(CasebellError):
    """The running server refused."""

    code = "answered_no"

    def __init__(self, content: Mapping[str, Any]) -> None:
        """`content` is the server's detailed error."""
        self.exit_code = int(content["exit_code"])
        #: Of a configuration that it was to load.
        self.problems = [Problem(**problem) for problem in content.get("problems", ())]
        super().__init__(str(content.get("message", "")), hint=str(content.get("hint", "")))


def door_for(settings: Settings) -> Door | None:
    """The running server's door, where there is one."""
    database = settings.storage.sqlite_path
    return read_door(door_path(database)) if database is not None else None


def url_of(settings: Settings) -> str:
    """Where the running server answers on this machine: as it says, or as it is configured."""
    door = door_for(settings)
    return door.url if door else local_url(settings, settings.server.host, settings.server.port)


def local_url(settings: Settings, host: str, port: int) -> str:
    """Where this machine reaches a server that listens there."""
    # An address to listen on everywhere is none to connect to.
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    scheme = "https" if settings.server.tls_cert else "http"
    return f"{scheme}://[{here}]:{port}" if ":" in here else f"{scheme}://{here}:{port}"


async def ask_server(settings: Settings, path: str) -> Mapping[str, Any]:
    """Have the running server do a verb at its local address.

    Raises:
        ServerUnreachable: it does not answer, or this user may not ask it.
        AnsweredNo: it cannot be done; with the server's own sentence, hint and exit code.
    """
    door = door_for(settings)
    if door is None:
        raise ServerUnreachable(
            "A server holds the database, but its door file cannot be read.",
            hint="Run this as the user who runs the server; the file is written when it starts.",
        )
    try:
        async with httpx2.AsyncClient(
            timeout=PATIENCE, trust_env=False, verify=trust(settings)
        ) as client:
            response = await client.post(
                door.url + path, headers={"Authorization": f"Bearer {door.token}"}
            )
            content = response.json()
    except (httpx2.HTTPError, ValueError, OSError):
        raise ServerUnreachable from None
    if response.status_code < 400:
        return dict(content)
    if "exit_code" in content:
        raise AnsweredNo(content)
    if response.status_code == 404:
        # What it tells a stranger: it was started anew, or another server has its port.
        raise ServerUnreachable(
            "The running server does not accept its door file.",
            hint="Restart it: the file is written when it starts.",
        )
    raise ServerUnreachable(
        "Something went wrong in the running server.", hint="Its log says what."
    )
