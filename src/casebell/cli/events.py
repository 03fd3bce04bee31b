"""`casebell events`: what was received."""

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import Progress

from casebell.cli.options import AsJson, Config, Limit, moment, reading, run, settings_for
from casebell.cli.terminal import json_line, line, local_time, rows
from casebell.errors import NotFound, Refusal
from casebell.events import Status, Tag
from casebell.settings import Settings
from casebell.store import queries
from casebell.store.queries import EventFilter
from casebell.uscis.receipts import ReceiptError, canonical

app = typer.Typer(no_args_is_help=True, help="What was received: list, show, export.")

Source = Annotated[str | None, typer.Option("--source", help="Only from this source.")]
OfStatus = Annotated[Status | None, typer.Option("--status", help="Only with this status.")]
WithTag = Annotated[Tag | None, typer.Option("--tag", help="Only with this tag.")]
Receipt = Annotated[str | None, typer.Option("--receipt", help="Only of this receipt number.")]
Since = Annotated[
    str | None, typer.Option("--since", help='Received since: a date, a time, or "24h".')
]
Until = Annotated[str | None, typer.Option("--until", help="Received before.")]
Text = Annotated[str | None, typer.Option("--text", help="The official text contains this.")]


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


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
        since=moment(since),
        until=moment(until),
        text=text,
    )

    async def read() -> list[dict[str, Any]]:
        async with reading(settings) as connection:
            return await queries.list_events(connection, where, limit=limit)

    rows(run(read()), _columns(settings), as_json=as_json, empty="No event matches.")


@app.command("show")
def show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The source's key, or our number.")],
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
        since=moment(since),
        until=moment(until),
        text=text,
    )

    async def stream(file: TextIO) -> int:
        async with reading(settings) as connection:
            total = await queries.count_events(connection, where)
            write = _writer(written, file)
            done = 0
            with _progress(total) as step:
                async for event in queries.export_events(connection, where):
                    write(event)
                    done += 1
                    step()
            return done

    with _open(out) as file:
        count = run(stream(file))
    if out is not None:
        typer.echo(f"Wrote {count} events to {out}.", err=True)


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


Columns = list[tuple[str, Callable[[Mapping[str, Any]], object]]]


def _columns(settings: Settings) -> Columns:
    zone = settings.server.timezone
    return [
        ("ID", lambda event: event["id"]),
        ("RECEIVED", lambda event: local_time(event["received_at"], zone)),
        ("SOURCE", lambda event: event["source"]),
        ("RECEIPT", lambda event: event["receipt"]),
        ("STATUS", lambda event: event["status"]),
        ("TAGS", lambda event: event["tags"]),
        ("DECISION", lambda event: (event["decision"] or {}).get("outcome", "waits")),
        ("TEXT", lambda event: event["text"]),
    ]


def _print_event(
    event: Mapping[str, Any], told: list[dict[str, Any]], body: str, zone: str
) -> None:
    for name, value in event.items():
        if name == "decision":
            value = (value or {}).get("because", "waits to be routed")  # noqa: PLW2901
        shown = " ".join(map(str, value)) if isinstance(value, list) else value
        line(f"{name + ':':<18}{'-' if shown in (None, '') else shown}")
    for one in told:
        line(
            f"{'delivered:':<18}{local_time(one['at'], zone)}, {one['outcome']}, secret "
            f"{one['secret']}, from {one['address'] or 'unknown'}"
        )
    line(f"{'body:':<18}{body}")
    line()


#: Columns of a CSV export: the contract's fields of an event.
CSV_FIELDS = (
    "id",
    "source",
    "key",
    "key_basis",
    "type",
    "receipt",
    "status",
    "delivered_status",
    "tags",
    "text",
    "occurred_at",
    "received_at",
    "flags",
    "change",
    "decision",
    "deliveries",
    "body_sha256",
)


def _writer(written: Format, file: TextIO) -> Callable[[Mapping[str, Any]], None]:
    if written is Format.JSONL:

        def write_json(event: Mapping[str, Any]) -> None:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")

        return write_json
    table = csv.writer(file)
    table.writerow(CSV_FIELDS)

    def write_row(event: Mapping[str, Any]) -> None:
        table.writerow([_csv_cell(event[name]) for name in CSV_FIELDS])

    return write_row


def _csv_cell(value: object) -> object:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    # Spreadsheets run a cell that begins like this as a formula.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


@contextlib.contextmanager
def _open(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    try:
        file = out.open("x", encoding="utf-8", newline="")
    except FileExistsError:
        raise Refusal(f"{out} exists already; nothing was written.") from None
    except OSError as error:
        raise Refusal(f"{out} cannot be written: {error.strerror}.") from None
    with file:
        yield file


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error where a person watches, nothing elsewhere."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Exporting", total=total)

        def step() -> None:
            bar.advance(task)

        yield step
