"""The resources of a running server, from /proc: peak memory, processor time, open files."""

import os
from pathlib import Path

from e2e.server import Server

MB = 2**20


def reset_peak(server: Server) -> int:
    """Begin a new measurement of its peak memory; returns the bytes that it holds now."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return peak(server)


def peak(server: Server) -> int:
    """The most memory it held since `reset_peak`, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def processor_seconds(server: Server) -> float:
    """Processor time it used in all, of all its threads."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(server: Server) -> int:
    """How many it has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
