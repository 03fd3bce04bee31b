"""Disks that fail under a real server on command, with the kernel's own errors."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.ld_preload import compile_library
from e2e.server import Server


class BrokenDisk:
    """The disk of a server's database, by a shim under that process; its other files are well."""

    def __init__(self, directory: Path) -> None:
        self._orders = directory / "orders"
        self._library = compile_library("brokendisk", directory)

    def under(self, server: Server) -> Server:
        """Use this disk for its database from the next start on."""
        server.variables |= {
            "LD_PRELOAD": str(self._library),
            "BROKENDISK_FILES": server.database.name,
            "BROKENDISK_ORDERS": str(self._orders),
        }
        return server

    def refuse_writes(self, number: int) -> None:
        """Answer whatever writes with this error (ENOSPC, EROFS), until it is mended."""
        self._order(f"write {number}")

    def fail_one_sync(self) -> None:
        """Answer the next fsync with EIO, as the kernel does once for what it could not write."""
        self._order(f"sync {errno.EIO} once")

    @property
    def obeyed(self) -> bool:
        """Whether the one failure that was ordered has happened."""
        return not self._orders.exists()

    def mend(self) -> None:
        """Work again."""
        self._orders.unlink(missing_ok=True)

    def _order(self, order: str) -> None:
        # In one step: the shim must not read half an order.
        draft = self._orders.with_suffix(".draft")
        draft.write_text(order)
        draft.rename(self._orders)


class SmallDisk:
    """A file system of a few megabytes, to be filled to its last byte."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (65_536, 4_096, 1):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC  # noqa: PT017 - the loop ends by it

    def mend(self) -> None:
        """Have room again."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(directory: Path) -> Iterator[SmallDisk]:
    """Mount one; skips where that is not allowed."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "casebell-test", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield SmallDisk(directory)
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
