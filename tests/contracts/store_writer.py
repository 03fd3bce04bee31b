"""A process that appends events without end and names each once it is acknowledged.

Run as `store_writer.py URL PREFIX`; without a prefix it only opens the store and says "open".
"""

import asyncio
import itertools
import sys
from pathlib import Path

from casebell.store.engine import Store
from casebell.store.event_log import EventLog

sys.path.insert(0, str(Path(__file__).parents[1]))

from contracts.case_events import case_event, json_content
from contracts.decisions import decide_nothing


def say(word: str) -> None:
    """At once: nothing may stay in a buffer when the process is killed."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main(url: str, prefix: str = "") -> None:
    """Ends by being killed."""
    async with (
        Store(url) as store,
        EventLog(store=store, content_of=json_content, decide=decide_nothing) as log,
    ):
        if not prefix:
            say("open")
            await asyncio.Event().wait()
        for number in itertools.count():
            say((await log.append(case_event(f"{prefix}-{number}"))).key)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
