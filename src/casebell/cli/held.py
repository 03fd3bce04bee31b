"""`casebell held`: authentic deliveries that could not be understood."""

from typing import Annotated, Any

import typer

from casebell.cli.operate import operate
from casebell.cli.options import AsJson, Config, Limit, Number, noun, run, settings_for
from casebell.cli.reader import reading
from casebell.cli.terminal import json_line, line, local_time, rows
from casebell.store import queries
from casebell.store.held import HeldState

app = noun("What could not be understood: list, release, discard.")


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
    settings = settings_for(context, config)

    async def read() -> list[dict[str, Any]]:
        async with reading(settings) as connection:
            return await queries.list_held(connection, state=state, limit=limit)

    zone = settings.server.timezone
    rows(
        run(read()),
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
    settings = settings_for(context, config)
    answer = run(
        operate(
            settings,
            path=f"/local/held/{number}/release",
            directly=lambda operations: operations.release_held(number),
        )
    )
    if as_json:
        json_line(answer)
    else:
        line(f"Held delivery {number} is event {answer['event']} now ({answer['status']}).")


@app.command("discard")
def discard(
    context: typer.Context, number: Number, as_json: AsJson = False, config: Config = None
) -> None:
    """Close a held delivery without acting on it; its body is kept."""
    settings = settings_for(context, config)
    answer = run(
        operate(
            settings,
            path=f"/local/held/{number}/discard",
            directly=lambda operations: operations.discard_held(number),
        )
    )
    if as_json:
        json_line(answer)
    else:
        line(f"Held delivery {number} is discarded; its body is kept.")
