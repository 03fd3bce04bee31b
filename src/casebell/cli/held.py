"""`casebell held`: authentic deliveries that could not be understood."""

from typing import Annotated

import typer

from casebell.cli.options import AsJson, Config, Limit, Number, command_group
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import local_time, print_json, print_line, print_rows
from casebell.events import HeldState

app = command_group("What could not be understood: list, release, discard.")


@app.command("list")
def list_held(
    context: typer.Context,
    state: Annotated[
        HeldState | None, typer.Option("--state", help="Those in another state.")
    ] = HeldState.HELD,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Held deliveries, newest first."""
    client = ServiceClient(context, config)
    found, _ = client.listing("list_held", state=state, limit=limit)
    zone = client.timezone
    print_rows(
        found,
        [
            ("ID", lambda one: one["id"]),
            ("RECEIVED", lambda one: local_time(one["received_at"], zone)),
            ("SOURCE", lambda one: one["source"]),
            ("REASON", lambda one: one["reason"]),
            ("TIMES", lambda one: one["times"]),
            ("DETAIL", lambda one: one["detail"]),
            ("BODY", lambda one: one["body"]),
        ],
        as_json=as_json,
        empty="Nothing is held.",
    )


@app.command("release")
def release(
    context: typer.Context, number: Number, as_json: AsJson = False, config: Config = None
) -> None:
    """Try again to understand a held delivery, with today's configuration."""
    answer = ServiceClient(context, config).do("release_held", held_id=number)
    if as_json:
        print_json(answer)
    else:
        print_line(f"Held delivery {number} is event {answer['event']} now ({answer['status']}).")


@app.command("discard")
def discard(
    context: typer.Context, number: Number, as_json: AsJson = False, config: Config = None
) -> None:
    """Close a held delivery without acting on it; its body is kept."""
    answer = ServiceClient(context, config).do("discard_held", held_id=number)
    if as_json:
        print_json(answer)
    else:
        print_line(f"Held delivery {number} is discarded; its body is kept.")
