"""`casebell refused`: deliveries that did not authenticate, and checking them again."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

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
    text_option,
)
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_line, print_rows, print_to_stderr
from casebell.service.done_in_words import refused_checked
from casebell.times import counted, local_time

app = command_group()

OfSource = Annotated[str | None, text_option(metavar="NAME", help="Only of this source.")]


@app.command("list")
def list_refused(
    source: OfSource = None,
    error: Annotated[str | None, text_option(metavar="CODE", help="Only with this error.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Refused deliveries, newest first."""
    client = ServiceClient(config)
    found, _ = client.listing("list_refused", source=source, error=error, limit=limit)
    zone = client.timezone
    print_rows(
        found,
        {
            "ID": "id",
            "RECEIVED": lambda one: local_time(one["at"], zone),
            "SOURCE": "source",
            "ERROR": "error",
            "ADDRESS": "address",
            "SIZE": "size",
            "READMITTABLE": _readmittable,
        },
        as_json=as_json,
        empty="No refusal matches.",
    )
    if found and not as_json:
        print_to_stderr(f"The cause of one: casebell refused why {found[0]['id']}")


@app.command("why")
def why_refused(number: Number, as_json: AsJson = False, config: Config = None) -> None:
    """Why a delivery was refused, found by trying the usual mistakes over what is kept."""
    client = ServiceClient(config)
    one = client.read("why_refused", refused_id=number)
    print_answer(one, _explanation(one, client.timezone), as_json=as_json)


def _explanation(one: Mapping[str, Any], zone: str) -> Iterator[str]:
    yield (
        f"Refused delivery {one['id']} of source {one['source']}: {one['error']}, "
        f"{local_time(one['at'], zone)}, from {one['address']}, {counted(one['size'], 'byte')}."
    )
    sure = "Cause" if one["certain"] else "Likely cause"
    yield f"{sure}: {one['because']}"
    yield f"What to do: {one['next']}"
    if one["headers"]:
        yield f"Headers that came: {', '.join(one['headers'])}."
    if one["readmitted_at"] is not None:
        yield f"It was readmitted {local_time(one['readmitted_at'], zone)}."


@app.command("readmit")
def readmit(
    numbers: Numbers = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that can be checked again.")
    ] = False,
    source: OfSource = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Check refused deliveries again with today's secrets; take in those that authenticate."""
    chosen = chosen_or_all(numbers, everything=everything, narrowed=source is not None)
    answer = ServiceClient(config).do("readmit_refused", by=by, ids=chosen, source=source)
    for one in answer["refused"]:
        print_answer(one, [refused_checked(one)], as_json=as_json)
    if not (answer["refused"] or as_json):
        print_line("Nothing that was refused can be checked again.")
    if answer["refused"] and not answer["readmitted"]:
        raise typer.Exit(1)


def _readmittable(one: Mapping[str, Any]) -> str:
    if one["readmitted_at"] is not None:
        return "is readmitted"
    return "yes" if one["readmittable"] else "no"
