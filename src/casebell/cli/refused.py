"""`casebell refused`: deliveries that did not authenticate, and checking them again."""

from typing import Annotated, Any

import typer

from casebell.cli.options import AsJson, Config, Limit, command_group, utf8
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import local_time, print_json, print_line, print_rows

app = command_group("What did not authenticate: list, readmit.")

OfSource = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", callback=utf8, help="Only of this source."),
]


@app.command("list")
def list_refused(
    context: typer.Context,
    source: OfSource = None,
    error: Annotated[
        str | None,
        typer.Option("--error", metavar="CODE", callback=utf8, help="Only with this error."),
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Refused deliveries, newest first."""
    client = ServiceClient(context, config)
    found, _ = client.listing("list_refused", source=source, error=error, limit=limit)
    zone = client.timezone
    print_rows(
        found,
        [
            ("ID", lambda one: one["id"]),
            ("RECEIVED", lambda one: local_time(one["at"], zone)),
            ("SOURCE", lambda one: one["source"]),
            ("ERROR", lambda one: one["error"]),
            ("ADDRESS", lambda one: one["address"]),
            ("SIZE", lambda one: one["size"]),
            ("READMITTABLE", _readmittable),
        ],
        as_json=as_json,
        empty="No refusal matches.",
    )


@app.command("readmit")
def readmit(
    context: typer.Context,
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="ID", min=1, max=10**18 - 1, help="Which; one or more."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that can be checked again.")
    ] = False,
    source: OfSource = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Check refused deliveries again with today's secrets; take in those that authenticate."""
    chosen = numbers or []
    if everything == bool(chosen):
        raise typer.BadParameter("Name the deliveries by ID, or write --all.")
    if chosen and source is not None:
        raise typer.BadParameter("--source narrows --all; it does not go with IDs.")
    answer = ServiceClient(context, config).do("readmit_refused", ids=chosen, source=source)
    if as_json:
        for one in answer["refused"]:
            print_json(one)
    else:
        for one in answer["refused"]:
            print_line(_sentence(one))
        if not answer["refused"]:
            print_line("Nothing that was refused can be checked again.")
    if answer["refused"] and not answer["readmitted"]:
        raise typer.Exit(1)


def _readmittable(one: dict[str, Any] | Any) -> str:
    if one["readmitted_at"] is not None:
        return "is readmitted"
    return "yes" if one["readmittable"] else "no"


def _sentence(one: dict[str, Any]) -> str:
    """What became of one, as a sentence."""
    number, event = one["refused"], one["event"]
    sentences = {
        "stored": f"is event {event} now.",
        "duplicate": f"had come again as event {event} meanwhile.",
        "conflict": f"is event {event} now; it contradicts another of the same key.",
        "held": f"is authentic, but not understood: it is held delivery {one['held']} now.",
        "refused": f"still does not authenticate ({one['error']}), and stays.",
        "readmitted": "had been readmitted already.",
        "not_kept": "brought nothing that could be checked again.",
    }
    return f"Refused delivery {number} {sentences[one['status']]}"
