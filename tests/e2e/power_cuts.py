"""What a power cut leaves of a server's database, from the record of all that was written to it.

What was synced is there. Of what was not, each sector may be there or not, in whatever order: that
is all that a disk promises.
"""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

from e2e.ld_preload import compile_library
from e2e.server import Server

#: Bytes that a disk writes whole.
SECTOR = 512
_HEAD = struct.Struct("=4q")


class Record:
    """What a server writes to its database, from its next start on."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._path = directory / "writes"
        self._path.touch()
        #: The files as they were, by name.
        self._before = {server.database.name: server.database.read_bytes()}
        server.variables |= {
            "LD_PRELOAD": str(compile_library("powercut", directory)),
            "POWERCUT_FILES": server.database.name,
            "POWERCUT_LOG": str(self._path),
        }

    @property
    def length(self) -> int:
        """How far it has come; what is on disk now is there in each image after this."""
        return self._path.stat().st_size

    def images(self, count: int, chance: random.Random) -> Iterator[tuple[int, dict[str, bytes]]]:
        """What random moments leave: how far the record had come, and the files by name."""
        cuts = sorted(chance.randrange(self.length + 1) for _ in range(count))
        disk = {name: _File(content) for name, content in self._before.items()}
        content, place = self._path.read_bytes(), 0
        for cut in cuts:
            while place < cut:
                end = _step(content, place, disk)
                if end > cut:
                    # It was under way.
                    torn = {name: file.copy() for name, file in disk.items()}
                    _step(content, place, torn)
                    yield cut, _left(torn, chance)
                    break
                place = end
            else:
                yield cut, _left(disk, chance)


class _File:
    """A file: what is on disk of it, and what may be."""

    def __init__(self, content: bytes | bytearray = b"") -> None:
        self.synced = bytearray(content)
        #: Writes, as offset and data, and cuts, as a length.
        self.pending: list[tuple[int, bytes] | int] = []
        self.removed = False

    def copy(self) -> "_File":
        other = _File(self.synced)
        other.pending, other.removed = list(self.pending), self.removed
        return other

    def sync(self) -> None:
        for one in self.pending:
            _apply(self.synced, one)
        self.pending.clear()

    def left(self, chance: random.Random) -> bytes:
        content = bytearray(self.synced)
        share = chance.choice((0.0, 0.5, 0.9, 1.0))
        for one in self.pending:
            if isinstance(one, int):
                if chance.random() < share:
                    _apply(content, one)
                continue
            offset, data = one
            while data:
                size = SECTOR - offset % SECTOR
                if chance.random() < share:
                    _apply(content, (offset, data[:size]))
                offset, data = offset + size, data[size:]
        return bytes(content)


def _apply(content: bytearray, one: tuple[int, bytes] | int) -> None:
    if isinstance(one, int):
        del content[one:]
        content.extend(bytes(one - len(content)))
        return
    offset, data = one
    content.extend(bytes(max(offset - len(content), 0)))
    content[offset : offset + len(data)] = data


def _step(record: bytes, place: int, disk: dict[str, _File]) -> int:
    """Take one step of the record; where the next one begins."""
    kind, name_size, offset, length = _HEAD.unpack_from(record, place)
    place += _HEAD.size
    name = record[place : place + name_size].decode()
    place += name_size
    file = disk.setdefault(name, _File())
    if chr(kind) == "U":
        file.removed = True
        return place
    if file.removed:
        file = disk[name] = _File()
    if chr(kind) == "S":
        file.sync()
    elif chr(kind) == "T":
        file.pending.append(length)
    else:
        file.pending.append((offset, record[place : place + length]))
        place += length
    return place


def _left(disk: dict[str, _File], chance: random.Random) -> dict[str, bytes]:
    return {
        name: file.left(chance)
        for name, file in disk.items()
        if not file.removed or chance.random() < 0.5
    }
