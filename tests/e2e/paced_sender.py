"""A sender at an even pace, in a process of its own: a test that is busy does not slow it down.

    python -m e2e.paced_sender PORT ADDRESS SECONDS GAP

It posts a new signed delivery every GAP seconds over one connection, makes a new one where that
ends, and prints its report as one line of JSON.
"""

import asyncio
import json
import os
import re
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from e2e.sender import document, encoded, request
from e2e.server import Server

TESTS = Path(__file__).parents[1]
#: Seconds after which an answer is no answer.
LONGEST = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderReport:
    """The answers that a well-behaved sender got; times in milliseconds."""

    #: How many of its deliveries were answered with each status; "none" is no answer.
    statuses: dict[str, int]
    p50: float
    p99: float
    longest: float

    @property
    def all_stored(self) -> bool:
        """Whether nothing but 200 came."""
        return set(self.statuses) == {"200"}

    def __str__(self) -> str:
        return (
            f"good sender: {self.statuses}, p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms, "
            f"longest {self.longest:.0f} ms"
        )


async def send_paced(
    server: Server, *, seconds: float, address: str = "127.0.0.99", gap: float = 0.02
) -> SenderReport:
    """Run it to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "e2e.paced_sender"),
        *(str(server.port), address, str(seconds), str(gap)),
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 0
    return SenderReport(**json.loads(out))


def read_answer(wire: socket.socket) -> tuple[str, bool]:
    """Read one answer: its status, "none" where the connection ended, and whether it ends."""
    said = b""
    while True:
        head, ended, body = said.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        if ended and length and len(body) >= int(length[1]):
            return head[9:12].decode(), b"connection: close" in head.lower()
        more = wire.recv(65536)
        if not more:
            return "none", True
        said += more


def main() -> None:
    """Send, and print the report."""
    port, address, seconds, gap = sys.argv[1:]
    statuses: Counter[str] = Counter()
    took: list[float] = []
    wire: socket.socket | None = None
    end = time.monotonic() + float(seconds)
    while (began := time.monotonic()) < end:
        sent = request(encoded(document()))
        began = time.perf_counter()
        try:
            wire = wire or socket.create_connection(
                ("127.0.0.1", int(port)), timeout=LONGEST, source_address=(address, 0)
            )
            wire.sendall(sent)
            status, closing = read_answer(wire)
            statuses[status] += 1
            wire = None if closing else wire
        except OSError:
            statuses["none"] += 1
            wire = None
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(float(gap))
    took.sort()
    report = {
        "statuses": statuses,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "longest": took[-1],
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
