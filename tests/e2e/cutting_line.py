"""Between a server and PostgreSQL: a line that breaks around a COMMIT, or swallows everything."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from casebell.sandbox.http_sink import stop_listening


class CuttingLine:
    """A TCP address that leads to PostgreSQL's socket; some commits are cut off.

    Half of these never arrive. The other half are carried out, but their answer is lost. While it
    swallows, nothing passes either way, not even the end of a connection; the connections of
    that time stay dead.

    Args:
        folder: where PostgreSQL's socket is.
        share: how many of the commits are cut off, from 0 to 1; may be changed.
    """

    def __init__(self, folder: Path, *, share: float, chance: random.Random) -> None:
        self._socket = str(folder / ".s.PGSQL.5432")
        self.share = share
        self._chance = chance
        self._swallows = False
        #: Commits that never arrived, and commits that were carried out untold.
        self.lost = self.untold = 0
        self.port = 0
        self._open: set[asyncio.Task[None]] = set()
        #: Of those, what swallows for good.
        self._dead: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        for line in tuple(self._open):
            line.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @contextmanager
    def swallowing(self) -> Iterator[None]:
        """Swallow what is said on the connections there are, and on those made meanwhile."""
        self._swallows = True
        try:
            yield
        finally:
            self._dead |= self._open
            self._swallows = False

    def url(self, database: str) -> str:
        """What `storage.url` would be."""
        return f"postgresql://postgres:x@127.0.0.1:{self.port}/{database}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.get_running_loop().create_task(self._connect(reader, writer))
        self._open.add(line)
        line.add_done_callback(self._open.discard)
        line.add_done_callback(self._dead.discard)
        # Also where it is cancelled before it begins.
        line.add_done_callback(lambda _: writer.transport.abort())

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forth: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError):
                back, forth = await asyncio.open_unix_connection(self._socket)
                untold = asyncio.Event()
                me = asyncio.current_task()
                pumps = [
                    asyncio.create_task(self._forth(reader, forth, untold, me)),
                    asyncio.create_task(self._back(back, writer, untold, me)),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                    if self._swallows or me in self._dead:
                        await asyncio.Event().wait()
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            if forth is not None:
                forth.transport.abort()

    async def _forth(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        untold: asyncio.Event,
        line: asyncio.Task[None] | None,
    ) -> None:
        while data := await reader.read(65536):
            if self._swallows or line in self._dead:
                continue
            if b"COMMIT" in data and self._chance.random() < self.share:
                if self._chance.random() < 0.5:
                    self.lost += 1
                    return
                self.untold += 1
                untold.set()
            writer.write(data)
            await writer.drain()

    async def _back(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        untold: asyncio.Event,
        line: asyncio.Task[None] | None,
    ) -> None:
        while data := await reader.read(65536):
            if self._swallows or line in self._dead:
                continue
            # PostgreSQL answers when it has committed.
            if untold.is_set():
                return
            writer.write(data)
            await writer.drain()
