"""`casebell events`: what was received."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from casebell.cli.options import AsJson, Config, Key, Limit, command_group, settings_for, utf8
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import local_time, print_json, print_line, print_rows, print_to_stderr
from casebell.events import Status, Tag

app = command_group("What was received: list, show, export.")


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", callback=utf8, help="Only from this source."),
]
OfStatus = Annotated[Status | None, typer.Option("--status", help="Only with this status.")]
WithTag = Annotated[Tag | None, typer.Option("--tag", help="Only with this tag.")]
Receipt = Annotated[
    str | None,
    typer.Option("--receipt", metavar="NUMBER", callback=utf8, help="Only of this receipt number."),
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
    client = ServiceClient(context, config)
    found, last = client.listing(
        "list_events",
        source=source,
        status=status,
        tag=tag,
        receipt=receipt,
        since=since,
        until=until,
        text=text,
        limit=limit,
    )
    back = last["looked_back_to"]
    empty = "No event matches." if back is None else "None of these matches."
    print_rows(found, _columns(client.timezone), as_json=as_json, empty=empty)
    if back is not None:
        print_to_stderr(
            f"Looked back to {local_time(back, client.timezone)}; older ones may match.",
            f"Go on with `--until {back}`; `casebell events export` looks through everything.",
        )


@app.command("show")
def show(
    context: typer.Context,
    key: Key,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """One event with every delivery of it."""
    client = ServiceClient(context, config)
    for event in client.read("show_event", key=key):
        if as_json:
            print_json(event)
        else:
            _print_event(event, client.timezone)


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
    # By itself, even where a server runs: this can take minutes of the deliveries' processor.
    from casebell.cli.export import export_to

    export_to(
        settings_for(context, config),
        written=written,
        out=out,
        source=source,
        status=status,
        tag=tag,
        receipt=receipt,
        since=since,
        until=until,
        text=text,
    )


#: The status of an event that is stored without its decision.
NOT_DECIDED = "not decided yet"

Columns = list[tuple[str, Callable[[Mapping[str, Any]], object]]]


def _columns(zone: str) -> Columns:
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


def _print_event(event: Mapping[str, Any], zone: str) -> None:
    for name, value in event.items():
        if name in ("delivered", "body"):
            continue
        shown = value
        if name == "decision":
            shown = (value or {}).get("because", "waits for its decision")
        elif name == "status":
            shown = value or NOT_DECIDED
        elif name in ("occurred_at", "received_at") and value:
            local = local_time(value, zone)
            shown = value if local == value else f"{value} ({local})"
        elif isinstance(value, list):
            shown = " ".join(map(str, value))
        print_line(f"{name + ':':<18}{'-' if shown in (None, '') else shown}")
    for one in event["delivered"]:
        print_line(
            f"{'delivered:':<18}{local_time(one['at'], zone)}, {one['outcome']}, secret "
            f"{one['secret']}, from {one['address'] or 'unknown'}"
        )
    print_line(f"{'body:':<18}{event['body']}")
    print_line()
