"""`casebell events`: what was received."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypedDict, Unpack

import typer

from casebell.cli.options import (
    AsJson,
    By,
    Config,
    Key,
    Limit,
    Out,
    Receipt,
    Since,
    Until,
    Written,
    command_group,
    text_option,
    with_options,
)
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_looked_back, print_rows
from casebell.events import Flag, Status, Tag
from casebell.service.formats import Format
from casebell.service.sentences import Moment
from casebell.service.story import NOT_DECIDED, occurred
from casebell.times import local_time

app = command_group()


class Filters(TypedDict):
    """The options that narrow a list or an export of events."""

    source: Annotated[str | None, text_option(metavar="NAME", help="Only from this source.")]
    status: Annotated[Status | None, typer.Option(help="Only with this status.")]
    tag: Annotated[Tag | None, typer.Option(help="Only with this tag.")]
    flag: Annotated[Flag | None, typer.Option(help="Only with this flag.")]
    receipt: Receipt
    since: Since
    until: Until
    text: Annotated[
        str | None,
        text_option(metavar="WORDS", help="The official text contains this, any case."),
    ]


@app.command("list")
@with_options(Filters)
def list_events(
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
    **filters: Unpack[Filters],
) -> None:
    """Events, newest first."""
    client = ServiceClient(config)
    found, last = client.listing("list_events", limit=limit, **filters)
    back, zone = last["looked_back_to"], client.timezone
    print_rows(
        found,
        {
            "ID": "id",
            "RECEIVED": lambda event: local_time(event["received_at"], zone),
            "SOURCE": "source",
            "RECEIPT": "receipt",
            "STATUS": lambda event: event["status"] or NOT_DECIDED,
            "TAGS": "tags",
            "DECISION": lambda event: (event["decision"] or {}).get("outcome", "waits"),
            "TEXT": "text",
        },
        as_json=as_json,
        empty="No event matches." if back is None else "None of these matches.",
    )
    if back is not None:
        print_looked_back(back, zone, noun="events")


@app.command("show")
def show(key: Key, as_json: AsJson = False, config: Config = None) -> None:
    """One event with every delivery of it."""
    client = ServiceClient(config)
    for event in client.read("show_event", key=key):
        print_answer(event, _lines(event, client.timezone), as_json=as_json)


@app.command("export")
@with_options(Filters)
def export(
    written: Written = Format.JSONL,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Each with the body of its first delivery.")
    ] = False,
    out: Out = None,
    by: By = None,
    config: Config = None,
    **filters: Unpack[Filters],
) -> None:
    """Everything that matches, oldest first."""
    # By itself, even where a server runs: this can take minutes of the deliveries' processor.
    from casebell.cli import export

    # Counting by what no index has takes as long as the export.
    countable = all(filters[name] is None for name in ("tag", "flag", "text"))
    export.export(
        config,
        "events",
        how={"format": written, "bodies": bodies},
        out=out,
        by=by,
        countable=countable,
        filters=filters,
    )


def _lines(event: Mapping[str, Any], zone: str) -> Iterator[str]:
    for name, value in event.items():
        if name in ("delivered", "body"):
            continue
        shown = value
        if name == "decision":
            shown = (value or {}).get("because", "waits for its decision")
        elif name == "status":
            shown = value or NOT_DECIDED
        elif name in ("occurred_at", "received_at") and value:
            at = occurred(event) if name == "occurred_at" else Moment(stamp=value)
            shown = f"{value} ({local_time(value, zone)})" if isinstance(at, Moment) else value
        elif isinstance(value, list):
            shown = " ".join(map(str, value))
        yield f"{name + ':':<18}{'-' if shown in (None, '') else shown}"
    for one in event["delivered"]:
        yield (
            f"{'delivered:':<18}{local_time(one['at'], zone)}, {one['outcome']}, secret "
            f"{one['secret']}, from {one['address'] or 'unknown'}"
        )
    yield f"{'body:':<18}{event['body']}"
    yield ""
