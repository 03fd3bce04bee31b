"""`casebell held`: authentic deliveries that could not be understood."""

from typing import Annotated

import typer

from casebell.cli.options import (
    AsJson,
    By,
    Config,
    Limit,
    Number,
    Numbers,
    chosen_or_all,
    command_group,
)
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_line, print_rows, print_to_stderr
from casebell.events import HeldReason, HeldState
from casebell.service.done_in_words import held_discarded, held_released
from casebell.times import local_time

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
def release(
    numbers: Numbers = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are held.")] = False,
    reason: Annotated[
        HeldReason | None, typer.Option(help="Of all, only those held for this reason.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Try again to understand held deliveries, with today's configuration."""
    chosen = chosen_or_all(numbers, everything=everything, narrowed=reason is not None)
    answer = ServiceClient(config).do("release_held", by=by, ids=chosen, reason=reason)
    stays = False
    for one in answer["held"]:
        if one["status"] == "still_held":
            stays = True
            if not as_json:
                print_to_stderr(held_released(one), one["hint"])
                continue
        print_answer(one, [held_released(one)], as_json=as_json)
    if not (answer["held"] or as_json):
        print_line("Nothing is held.")
    if stays:
        raise typer.Exit(1)


@app.command("discard")
def discard(number: Number, by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Close a held delivery without acting on it; its body is kept."""
    answer = ServiceClient(config).do("discard_held", by=by, held_id=number)
    print_answer(answer, [held_discarded(answer)], as_json=as_json)
