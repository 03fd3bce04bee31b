"""`casebell channels`: does a channel reach people?"""

from typing import Annotated

import typer

from casebell.cli.options import AsJson, Config, command_group, utf8
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_json, print_line

app = command_group("Ways to reach people: test.")


@app.callback()
def channels() -> None:
    """Ways to reach people."""


@app.command("test")
def test(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", callback=utf8, help="A channel of the configuration.")
    ],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Send a marked test message to each target of a channel, and say what came of it."""
    answer = ServiceClient(context, config).do("test_channel", name=name)
    if as_json:
        print_json(answer)
    else:
        for one in answer["targets"]:
            became = "delivered" if one["delivered"] else "not delivered"
            why = ", ".join(filter(None, (one["outcome"], one["reason"], one["detail"])))
            print_line(f"{name} → {one['target']}: {became} ({why})")
    if not all(one["delivered"] for one in answer["targets"]):
        raise typer.Exit(1)
