"""How a command reaches the service: over the running server's socket, or on the store itself.

With a server a command imports next to nothing: settings and storage alone take three times as long
as all the rest of it. So this module needs the standard library, and imports `local_service` late.
"""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from casebell.config_file import find, socket_in
from casebell.errors import BadArgument, CasebellError, ConfigError, Problem, ServerUnreachable
from casebell.json_text import encode

#: Seconds for the answer to a question, and to a command: a channel's test may take its timeout
#: for each target.
READ_TIMEOUT = 5.0
COMMAND_TIMEOUT = 660.0
#: Pages that look far back for little before a person is asked to narrow the filter: a second or
#: two, and 100,000 rows.
FAR_PAGES = 40


class ServiceClient:
    """The verbs of the service by name, for a command with its configuration."""

    def __init__(self, config: Path | None) -> None:
        self._file = find(config, os.environ, Path.cwd())
        found = socket_in(self._file, os.environ)
        if found is None:
            from casebell.settings import load_rest

            found = load_rest(self._file).socket
        self._socket = found
        #: It let a question go unanswered: a command that asks many waits for one alone.
        self._hangs = False
        #: The time zone of what is printed; known with the first answer.
        self.timezone = "UTC"

    def read(self, verb: str, **arguments: object) -> Any:
        """Ask the server; where none answers, the store.

        Raises:
            CasebellError: the answer is no, or could not be told.
            BadParameter: a value cannot be understood.
        """
        try:
            answer = self._ask(verb, arguments, timeout=READ_TIMEOUT)
        except NoAnswer:
            # What a server that hangs has stored can still be read.
            answer = None
        return self._value_of(answer) if answer else self._locally("read", verb, arguments)

    def do(self, verb: str, *, by: str | None = None, **arguments: object) -> Any:
        """Have the server do something; where none runs, do it here.

        Args:
            by: who it is, as claimed.

        Raises:
            CasebellError: it was not done, or could not be told.
        """
        answer = self._ask(verb, arguments, timeout=COMMAND_TIMEOUT, by=by)
        return self._value_of(answer) if answer else self._locally("do", verb, arguments, by=by)

    def ask_server(
        self,
        verb: str,
        *,
        timeout: float = COMMAND_TIMEOUT,
        by: str | None = None,
        **arguments: object,
    ) -> Any:
        """Ask what only a running server can tell or do; None where none runs.

        Raises:
            CasebellError: the answer is no, or could not be told.
        """
        answer = self._ask(verb, arguments, timeout=timeout, by=by)
        return self._value_of(answer) if answer else None

    def listing(
        self, verb: str, *, limit: int, whole: bool = False, **filters: object
    ) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
        """The rows of a list, a page to a question, and the last page.

        Args:
            whole: go on to the end, however many pages looked far back for little.
        """
        rows: list[Mapping[str, Any]] = []
        cursor = None
        far = 0
        while True:
            page = self.read(verb, **filters, limit=limit - len(rows), cursor=cursor)
            rows += page["items"]
            cursor = page["next"]
            far += page["looked_back_to"] is not None
            if cursor is None or len(rows) == limit or (far == FAR_PAGES and not whole):
                return rows, page

    def _ask(
        self,
        verb: str,
        arguments: Mapping[str, object],
        *,
        timeout: float,
        by: str | None = None,
    ) -> Mapping[str, Any] | None:
        """The server's answer; None where none runs.

        Raises:
            ServerUnreachable: one runs, but does not answer, or not to this user.
        """
        if self._hangs:
            raise NoAnswer
        asked = {"verb": verb, "arguments": arguments, "by": by}
        request = encode(asked).encode() + b"\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            try:
                connection.connect(os.fspath(self._socket))
            except PermissionError:
                raise ServerUnreachable(
                    "A server may run, but this user may not ask it.",
                    hint="Run this as the user who runs the server.",
                ) from None
            except BlockingIOError:
                raise NoAnswer from None
            except OSError:
                return None
            try:
                connection.sendall(request)
                answer = connection.makefile("rb").readline()
            except OSError as error:
                self._hangs = isinstance(error, TimeoutError)
                raise NoAnswer from None
        if not answer.endswith(b"\n"):
            raise NoAnswer("The running server ended before it answered.")
        try:
            return dict(json.loads(answer))
        except (ValueError, TypeError):
            raise NoAnswer(f"What answers at {self._socket} is no Casebell server.") from None

    def _value_of(self, answer: Mapping[str, Any]) -> Any:
        error = answer.get("error")
        if error is None:
            self.timezone = answer["timezone"]
            return answer["value"]
        if error["code"] == BadArgument.code:
            raise typer.BadParameter(error["message"])
        if error["problems"]:
            raise ConfigError([Problem(**problem) for problem in error["problems"]])
        refusal = CasebellError(error["message"], hint=error["hint"])
        refusal.exit_code = int(error["exit_code"])
        raise refusal

    def _locally(
        self, way: str, verb: str, arguments: Mapping[str, object], *, by: str | None = None
    ) -> Any:
        from casebell.cli.local_service import needs_secrets, read_store, run_verb
        from casebell.settings import load, load_stored

        settings = (load if needs_secrets(verb) else load_stored)(self._file)
        self.timezone = settings.server.timezone
        try:
            if way == "read":
                return read_store(settings, verb, arguments)
            return run_verb(settings, verb, arguments, by=by)
        except BadArgument as error:
            raise typer.BadParameter(error.message) from None


class NoAnswer(ServerUnreachable):
    """The running server does not answer."""
