"""`casebell events`: what was received."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from casebell.cli.export import Format, write_events
from casebell.cli.options import AsJson, Config, Key, Limit, moment, noun, run, settings_for, utf8
from casebell.cli.reader import reading
from casebell.cli.terminal import complain, json_line, line, local_time, rows
from casebell.clock import iso
from casebell.errors import NotFound
from casebell.events import Status, Tag
from casebell.settings import Settings
from casebell.store import event_listing, queries
from casebell.store.event_listing import EventFilter, EventPage
from casebell.uscis.receipts import ReceiptError, canonical

app = noun("What was received: list, show, export.")

Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", callback=utf8, help="Only from this source."),
]
OfStatus = Annotated[Status | None, typer.Option("--status", help="Only with this status.")]
WithTag = Annotated[Tag | None, typer.Option("--tag", help="Only with this tag.")]
Receipt = Annotated[
    str | None,
    typer.Option("--receipt", metavar="NUMBER", help="Only of this receipt number."),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        help='Received since: "2026-11-21", "2026-11-21T09:30" (in server.timezone, unless it '
        'ends in Z or an offset), or "24h".',
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="WHEN", help="Received before; written alike.")
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", metavar="WORDS", callback=utf8, help="The official text contains this, any case."
    ),
]


@app.command("list")
def list_events(
    context: typer.Context,
    source: Source = None,
    status: OfStatus = None,
    tag: WithTag = None,
    receipt: Receipt = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Events, newest first."""
    settings = settings_for(context, config)
    where = EventFilter(
        source=source,
        status=status,
        tag=tag,
        receipt=_receipt(receipt),
        since=moment(since, settings.server.timezone),
        until=moment(until, settings.server.timezone),
        text=text,
    )

    async def read() -> EventPage:
        async with reading(settings) as connection:
            return await event_listing.list_events(connection, where, limit=limit)

    page = run(read())
    empty = "No event matches." if page.looked_back_to is None else "None of these matches."
    rows(page.events, _columns(settings), as_json=as_json, empty=empty)
    if page.looked_back_to is not None:
        stamp = iso(page.looked_back_to)
        complain(
            f"Looked back to {local_time(stamp, settings.server.timezone)}; older ones may match.",
            f"Go on with `--until {stamp}`; `casebell events export` looks through everything.",
        )


@app.command("show")
def show(
    context: typer.Context,
    key: Key,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """One event with every delivery of it."""
    settings = settings_for(context, config)

    async def read() -> list[tuple[dict[str, Any], list[dict[str, Any]], str]]:
        async with reading(settings) as connection:
            found = []
            for event in await queries.find_events(connection, key):
                told = await queries.deliveries_of(connection, event["id"])
                row = await queries.event_row(connection, event["id"])
                body = bytes(row.body).decode("utf-8", "backslashreplace") if row else ""
                found.append((event, told, body))
            return found

    found = run(read())
    if not found:
        raise NotFound(
            "There is no event with this key.", hint="`casebell events list` shows the latest."
        )
    for event, told, body in found:
        if as_json:
            json_line({**event, "delivered": told, "body": body})
        else:
            _print_event(event, told, body, settings.server.timezone)


@app.command("export")
def export(
    context: typer.Context,
    source: Source = None,
    status: OfStatus = None,
    tag: WithTag = None,
    receipt: Receipt = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    written: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.JSONL,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A new file; never overwritten.")
    ] = None,
    config: Config = None,
) -> None:
    """Everything that matches, oldest first."""
    settings = settings_for(context, config)
    where = EventFilter(
        source=source,
        status=status,
        tag=tag,
        receipt=_receipt(receipt),
        since=moment(since, settings.server.timezone),
        until=moment(until, settings.server.timezone),
        text=text,
    )

    async def write() -> None:
        async with reading(settings) as connection:
            await write_events(connection, where, written=written, out=out)

    run(write())


def _receipt(given: str | None) -> str | None:
    """A receipt number in any spelling, as it is kept."""
    if given is None:
        return None
    try:
        return canonical(given)
    except ReceiptError:
        raise typer.BadParameter(
            "A receipt number is three letters and ten digits.", param_hint="--receipt"
        ) from None


#: Of an event without a status, which routing gives it.
NOT_DECIDED = "not decided yet"

Columns = list[tuple[str, Callable[[Mapping[str, Any]], object]]]


def _columns(settings: Settings) -> Columns:
    zone = settings.server.timezone
    return [
        ("ID", lambda event: event["id"]),
        ("RECEIVED", lambda event: local_time(event["received_at"], zone)),
        ("SOURCE", lambda event: event["source"]),
        ("RECEIPT", lambda event: event["receipt"]),
        ("STATUS", lambda event: event["status"] or NOT_DECIDED),
        ("TAGS", lambda event: event["tags"]),
        ("DECISION", lambda event: (event["decision"] or {}).get("outcome", "waits")),
        ("TEXT", lambda event: event["text"]),
    ]


def _print_event(
    event: Mapping[str, Any], told: list[dict[str, Any]], body: str, zone: str
) -> None:
    for name, value in event.items():
        shown = value
        if name == "decision":
            shown = (value or {}).get("because", "waits to be routed")
        elif name == "status":
            shown = value or NOT_DECIDED
        elif name in ("occurred_at", "received_at") and value:
            local = local_time(value, zone)
            shown = value if local == value else f"{value} ({local})"
        elif isinstance(value, list):
            shown = " ".join(map(str, value))
        line(f"{name + ':':<18}{'-' if shown in (None, '') else shown}")
    for one in told:
        line(
            f"{'delivered:':<18}{local_time(one['at'], zone)}, {one['outcome']}, secret "
            f"{one['secret']}, from {one['address'] or 'unknown'}"
        )
    line(f"{'body:':<18}{body}")
    line()
