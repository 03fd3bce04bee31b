"""`casebell channels`: does a channel reach people?"""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from casebell.cli.options import AsJson, By, Config, command_group, text_argument
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer

app = command_group()


@app.command("test")
def test(
    name: Annotated[str, text_argument(metavar="NAME", help="A channel of the configuration.")],
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Send a marked test message to each target of a channel, and say what came of it."""
    answer = ServiceClient(config).do("test_channel", by=by, name=name)
    targets = answer["targets"]
    print_answer(answer, [f"{name} → {_sentence(one)}" for one in targets], as_json=as_json)
    if not all(one["delivered"] for one in targets):
        raise typer.Exit(1)


def _sentence(one: Mapping[str, Any]) -> str:
    became = "delivered" if one["delivered"] else "not delivered"
    why = ", ".join(filter(None, (one["outcome"], one["reason"], one["detail"])))
    return f"{one['target']}: {became} ({why})"
