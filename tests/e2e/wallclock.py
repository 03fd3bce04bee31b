"""Sets the wall clock of a running server; its monotonic clock stays."""

import os
import struct
from pathlib import Path

from e2e.ld_preload import compile_library
from e2e.server import Server


class WallClock:
    """The wall clock of one server, by a shim under that process."""

    def __init__(self, directory: Path) -> None:
        self._library = compile_library("wrongclock", directory)
        self._offset = directory / "clock-offset"
        self._offset.write_bytes(bytes(8))

    def of(self, server: Server) -> Server:
        """Make this the server's clock from its next start on."""
        server.variables |= {
            "LD_PRELOAD": str(self._library),
            "WRONGCLOCK_FILE": str(self._offset),
        }
        return server

    def set(self, hours: int) -> None:
        """Set the clock wrong by this number of hours; 0 sets it right."""
        # In place, for the file is mapped.
        file = os.open(self._offset, os.O_WRONLY)
        os.pwrite(file, struct.pack("=q", hours * 3600), 0)
        os.close(file)
