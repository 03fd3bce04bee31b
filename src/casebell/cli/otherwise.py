"""`casebell check --over 30d`: what a configuration would have decided otherwise.

The command reads the store itself, beside a running server: it asks of the file that it was given,
which may be another than the server's, and takes no time from deliveries.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial

import typer

from casebell.cli.local_service import store_for_reading, this_user
from casebell.cli.terminal import print_json, print_line, status_line
from casebell.clock import SystemClock
from casebell.errors import BadArgument
from casebell.runtime import Runtime
from casebell.service import Service
from casebell.service.otherwise import (
    MAX_LOOKED,
    Comparison,
    Decided,
    DecidedOtherwise,
    DecidingAgain,
    Figures,
)
from casebell.service.rules_in_words import recipients, sums
from casebell.times import counted, local_time


def print_otherwise(runtime: Runtime, *, over: str, as_json: bool) -> None:
    """Print each change that the configuration decides otherwise, newest first; then how many.

    Raises:
        BadParameter: `over` is no length of time.
        StorageUnavailable: there is no database, or it cannot be read.
    """
    try:
        asyncio.run(_print(runtime, over=over, as_json=as_json))
    except BadArgument as error:
        raise typer.BadParameter(error.message) from None


async def _print(runtime: Runtime, *, over: str, as_json: bool) -> None:
    zone = runtime.in_force.timezone()
    figures: Figures | None = None
    with status_line(shown=sys.stderr.isatty()) as show:
        async for page in _pages(runtime, over=over):
            figures = _added(figures, page)
            for item in page["items"]:
                if as_json:
                    print_json(item)
                    continue
                for line in _lines(item, zone):
                    print_line(line)
            show(counted(figures["looked"], "change"))
    assert figures is not None  # noqa: S101 - there is a page, even if it is empty
    if as_json:
        print_json({"over": figures})
        return
    for sentence in sums(figures):
        print_line(sentence.text(partial(local_time, zone=zone)))


async def _pages(runtime: Runtime, *, over: str) -> AsyncIterator[Comparison]:
    settings = runtime.in_force.settings()
    async with store_for_reading(settings) as store:
        deciding = DecidingAgain(
            store=store,
            file=lambda: runtime.in_force.wiring,
            in_force=None,
            clock=SystemClock(),
        )
        service = Service(deciding.verbs())
        cursor = None
        while True:
            given = {"over": over, "cursor": cursor, "limit": MAX_LOOKED}
            page = await service.ask("decided_otherwise", given, actor=this_user())
            yield page
            if (cursor := page["next"]) is None:
                return


def _added(before: Figures | None, page: Figures) -> Figures:
    """The figures of all pages so far."""
    return {
        "since": before["since"] if before else page["since"],
        "looked": page["looked"] + (before["looked"] if before else 0),
        "same": page["same"] + (before["same"] if before else 0),
        "differ": page["differ"] + (before["differ"] if before else 0),
        "undecided": page["undecided"] + (before["undecided"] if before else 0),
        "looked_back_to": page["looked_back_to"],
        "config_sha256": page["config_sha256"],
    }


def _lines(item: DecidedOtherwise, zone: str) -> Iterator[str]:
    decided_at = local_time(item["decided_at"], zone)
    yield f"{decided_at}  {item['receipt']}, event {item['event']}"
    yield f"  then: {_made(item['then'])}"
    yield f"  now:  {_made(item['now'])}"
    for sentence in item["why"]:
        yield f"  {sentence}"
    yield ""


def _made(decided: Decided) -> str:
    tags = f" ({', '.join(decided['tags'])})" if decided["tags"] else ""
    return f"{decided['status']}{tags}: {'; '.join(recipients(decided))}"
