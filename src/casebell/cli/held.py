"""`casebell held`: authentic deliveries that could not be understood."""

from typing import Annotated

import typer

from casebell.cli.options import AsJson, Config, Limit, Number, command_group
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import local_time, print_answer, print_rows
from casebell.events import HeldState

app = command_group()


@app.command("list")
def list_held(
    state: Annotated[
        HeldState | None, typer.Option(help="Those in another state.")
    ] = HeldState.HELD,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Held deliveries, newest first."""
    client = ServiceClient(config)
    found, _ = client.listing("list_held", state=state, limit=limit)
    zone = client.timezone
    print_rows(
        found,
        {
            "ID": "id",
            "RECEIVED": lambda one: local_time(one["received_at"], zone),
            "SOURCE": "source",
            "REASON": "reason",
            "TIMES": "times",
            "DETAIL": "detail",
            "BODY": "body",
        },
        as_json=as_json,
        empty="Nothing is held.",
    )


@app.command("release")
def release(number: Number, as_json: AsJson = False, config: Config = None) -> None:
    """Try again to understand a held delivery, with today's configuration."""
    answer = ServiceClient(config).do("release_held", held_id=number)
    sentence = f"Held delivery {number} is event {answer['event']} now ({answer['status']})."
    print_answer(answer, [sentence], as_json=as_json)


@app.command("discard")
def discard(number: Number, as_json: AsJson = False, config: Config = None) -> None:
    """Close a held delivery without acting on it; its body is kept."""
    answer = ServiceClient(config).do("discard_held", held_id=number)
    sentence = f"Held delivery {number} is discarded; its body is kept."
    print_answer(answer, [sentence], as_json=as_json)
