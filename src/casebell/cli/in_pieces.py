"""What a command asks for piece by piece: of the running server, or of a store opened once."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

from casebell.cli.service_client import ServiceClient
from casebell.service import Service

#: Opens the verbs on the store itself.
OpenLocally: TypeAlias = Callable[[], AbstractAsyncContextManager[Service]]


class InPieces(contextlib.AsyncExitStack):
    """Has the running server do something; without one the store itself, which is opened once.

    Args:
        by: who it is, as claimed.
    """

    def __init__(self, config: Path | None, *, by: str | None, open_locally: OpenLocally) -> None:
        super().__init__()
        self._client = ServiceClient(config)
        self._by = by
        self._open_locally = open_locally
        self._local: Service | None = None

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """The value of a verb; raises as `ServiceClient.do` does."""
        if self._local is None:
            answer = self._client.ask_server(verb, by=self._by, **arguments)
            if answer is not None:
                return answer
            self._local = await self.enter_async_context(self._open_locally())
        from casebell.cli.local_service import this_user

        return await self._local.ask(verb, arguments, actor=this_user(by=self._by))
