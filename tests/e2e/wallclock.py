"""A machine whose wall clock somebody sets while the server runs; its monotonic clock is left."""

import os
import struct
from pathlib import Path

from e2e.preload import compile_library
from e2e.server import Server


class WallClock:
    """The wall clock of one server, by a shim under that process."""

    def __init__(self, directory: Path) -> None:
        self._library = compile_library("wrongclock", directory)
        self._offset = directory / "clock-offset"
        self._offset.write_bytes(bytes(8))

    def of(self, server: Server) -> Server:
        """Be the clock of this server from its next start on."""
        server.variables |= {
            "LD_PRELOAD": str(self._library),
            "WRONGCLOCK_FILE": str(self._offset),
        }
        return server

    def set(self, hours: int) -> None:
        """Be wrong by so many hours from now on; 0 is right again."""
        # In place, for the file is mapped.
        file = os.open(self._offset, os.O_WRONLY)
        os.pwrite(file, struct.pack("=q", hours * 3600), 0)
        os.close(file)
