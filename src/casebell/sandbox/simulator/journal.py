"""What keeps the simulator's state over a restart: a file of JSON lines, read again at its start.

A line is one command with everything that decides what it comes to, so that reading them again
comes to the same. It is on disk before the command is answered. A last line that is not whole was
never answered, and is cut off.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from casebell.errors import Refusal
from casebell.files import open_ordinary, reason_of
from casebell.json_text import encode


class Journal:
    """An open file, or nothing at all where the state is in memory alone."""

    def __init__(self, path: Path | None) -> None:
        """Open or create it, private; it has secrets.

        Raises:
            Refusal: it cannot be used, or another simulator has it open.
        """
        self.path = path
        self._file: int | None = None
        if path is None:
            return
        try:
            self._file = open_ordinary(path, create=True)
            os.fchmod(self._file, 0o600)
            # Not lockf, which lets go when a copy of the descriptor is closed.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise Refusal(
                "Another sandbox uses this state file.",
                hint="Stop it, or name another file with --state.",
            ) from None
        except OSError as error:
            self.close()
            raise Refusal(
                f"The state file cannot be used: {reason_of(error, path)}.",
                hint="Name another one with --state FILE.",
            ) from None

    def read(self) -> list[dict[str, Any]]:
        """Every command so far, in order.

        Raises:
            Refusal: it is no such file.
        """
        if self._file is None:
            return []
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            content = file.read()
        whole = content.rfind(b"\n") + 1
        try:
            records = [json.loads(line) for line in content[:whole].split(b"\n")[:-1]]
        except ValueError:
            records = [None]
        if records and not _is_ours(records):
            raise Refusal(
                "The state file was not written by a sandbox.",
                hint="Name another one with --state FILE, or remove it to begin anew.",
            )
        os.ftruncate(self._file, whole)
        os.lseek(self._file, whole, os.SEEK_SET)
        return records

    def write(self, record: dict[str, Any], *, durable: bool) -> None:
        """Put a command at the end.

        Args:
            durable: it survives a power cut; else only the end of this process.

        Raises:
            OSError: the disk is full, or fails.
        """
        if self._file is None:
            return
        data = encode(record).encode() + b"\n"
        begun = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            if durable:
                os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, begun)
            os.lseek(self._file, begun, os.SEEK_SET)
            raise

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _is_ours(records: list[Any]) -> bool:
    right = all(isinstance(one, dict) and isinstance(one.get("do"), str) for one in records)
    return right and records[0]["do"] == "begin"
