"""How long until somebody is told: from an accepted delivery to its message at a loopback sink."""

import asyncio
import http.client
import json
import os
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.serving import CONFIG, PARLEY, SECRET, Bench, Row, free_port
from casebell.kinds.signature import PARLEY_SIGNATURE
from casebell.sandbox.http_sink import HttpSink
from waiting import until

#: Everything goes to one channel, as fast as it can; with this `max_age` nothing waits to go in one
#: message with others.
_CHANNEL = '[channels.hook]\nurl = "json://127.0.0.1:{sink}/"\npace = "0s"\nmax_age = "15m"\n'
_TELLING = CONFIG.replace("[[rules]]", f"{_CHANNEL}[[rules]]", 1).replace(
    "notify = []", 'notify = ["hook"]'
)


def measure(bench: Bench, corpus: Path, *, one_by_one: int, together: int) -> dict[str, float]:
    """Both figures of sending.

    Args:
        bench: the tools.
        corpus: signed deliveries; as many as `together` are used.
        one_by_one: deliveries to an idle server, each sent when the last was told.
        together: deliveries at 64 connections.

    Returns:
        `p50_ms` and `p99_ms` from the answer to a delivery to its message at the sink, and `told`,
        events a second from the first delivery to the last message.
    """
    # On the other core, as the load is.
    with _on_core(1):
        return asyncio.run(_measure(bench, corpus, one_by_one=one_by_one, together=together))


@contextmanager
def _on_core(number: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _measure(
    bench: Bench, corpus: Path, *, one_by_one: int, together: int
) -> dict[str, float]:
    async with HttpSink() as sink:
        port = free_port()
        work = bench.directory / "sending"
        work.mkdir(exist_ok=True)
        (work / "bench.db").unlink(missing_ok=True)
        row = Row(name="sending", config=_TELLING.replace("{sink}", str(sink.port)))
        manager = bench.serving(row, work, port=port)
        await asyncio.to_thread(manager.__enter__)
        try:
            waits = [await _one(port, sink) for _ in range(one_by_one)]
            waits = sorted(waits[len(waits) // 10 :])
            told = len(sink.requests)
            began = time.time_ns() // 1000
            arguments = ["-c", "64", "-n", str(together), "-d", "60"]
            for header in PARLEY:
                arguments += ["--header", header]
            report = await asyncio.to_thread(bench.load, port, corpus, *arguments)
            accepted = report["acked_total"]
            await until(lambda: len(sink.requests) >= told + accepted, "every message", within=300)
            seconds = (sink.requests[-1].at - began) / 1e6
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
    return {
        "p50_ms": statistics.median(waits),
        "p99_ms": waits[int(len(waits) * 0.99)],
        "told": accepted / seconds,
    }


async def _one(port: int, sink: HttpSink) -> float:
    """Deliver one; milliseconds from its answer to its message."""
    before = len(sink.requests)
    answered = await asyncio.to_thread(_deliver, port)
    await sink.received(before + 1)
    # Idle again: the attempt is on record.
    await asyncio.sleep(0.03)
    return (sink.requests[before].at - answered) / 1000


def _deliver(port: int) -> int:
    """Post one delivery; the time of its answer, in microseconds since 1970."""
    number = uuid.uuid4()
    body = json.dumps(
        {
            "id": f"evt_{number.hex}",
            "receipt_number": f"IOE{number.int % 10**10:010d}",
            "normalized_status": "rfe_issued",
            "raw_status_text": "We sent you a request for evidence.",
            "occurred_at": "2025-10-14T19:22:03Z",
        }
    ).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": PARLEY_SIGNATURE.sign(body, secret=SECRET, at=int(time.time()))}
    connection.request("POST", "/webhooks/parley", body, headers)
    answer = connection.getresponse()
    answered = time.time_ns() // 1000
    assert answer.status == 200, answer.read()
    connection.close()
    return answered
