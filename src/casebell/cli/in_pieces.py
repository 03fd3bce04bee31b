"""What a command asks for piece by piece: of the running server, or of the store itself.

A server that starts meanwhile must not wait for the end of a long command. So the store is let go
of from time to time, and whoever asked a server never opens the store after that has ended.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

from casebell.cli.service_client import ServiceClient
from casebell.errors import ServerUnreachable
from casebell.service import Service

#: Seconds for which the store is held, and then let go of.
HELD, FREE = 2.0, 0.5

#: Opens the verbs on the store itself.
OpenLocally: TypeAlias = Callable[[], AbstractAsyncContextManager[Service]]


class InPieces(contextlib.AsyncExitStack):
    """Has the running server do something; without one the store itself.

    Args:
        by: who it is, as claimed.
    """

    def __init__(self, config: Path | None, *, by: str | None, open_locally: OpenLocally) -> None:
        super().__init__()
        self._client = ServiceClient(config)
        self._by = by
        self._open_locally = open_locally
        self._local: Service | None = None
        self._opened_at = 0.0
        self._served = False

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """The value of a verb; raises as `ServiceClient.do` does.

        Raises:
            ServerUnreachable: a server answered before, and has ended.
        """
        if self._local is not None and time.monotonic() - self._opened_at > HELD:
            self._local = None
            await self.aclose()
            await asyncio.sleep(FREE)
        if self._local is None:
            answer = self._client.ask_server(verb, by=self._by, **arguments)
            if answer is not None:
                self._served = True
                return answer
            if self._served:
                raise ServerUnreachable(
                    "The server has ended.",
                    hint="What it did until then stays: start it, and run the command again.",
                )
            self._local = await self.enter_async_context(self._open_locally())
            self._opened_at = time.monotonic()
        from casebell.cli.local_service import this_user

        return await self._local.ask(verb, arguments, actor=this_user(by=self._by))
