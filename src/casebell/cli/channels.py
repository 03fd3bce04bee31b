"""`casebell channels`: do the channels reach people?"""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from casebell.cli.options import AsJson, By, Config, command_group, text_argument
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_json, print_rows
from casebell.clock import SystemClock
from casebell.events import Micros
from casebell.service.attempts_in_words import failure_in_words
from casebell.service.done_in_words import channel_tested
from casebell.times import ago, local_time

app = command_group()


@app.command("list")
def list_channels(as_json: AsJson = False, config: Config = None) -> None:
    """The channels in the order of the configuration, and how each of their targets stands."""
    client = ServiceClient(config)
    found = client.read("list_channels")
    zone, now = client.timezone, SystemClock().now()
    if as_json:
        for channel in found:
            print_json(channel)
        return
    # A channel whose targets are not known here has a row, too.
    none = {
        **dict.fromkeys(("target", "last_sent_at", "last_failure", "paused_until")),
        "waiting": 0,
    }
    print_rows(
        [
            {"channel": channel["name"], **target}
            for channel in found
            for target in channel["targets"] or [none]
        ],
        {
            "CHANNEL": "channel",
            "TARGET": "target",
            "LAST SENT": lambda one: ago(one["last_sent_at"], now=now),
            "WAITING": "waiting",
            "PAUSED UNTIL": lambda one: local_time(one["paused_until"], zone),
            "LAST FAILURE": lambda one: _failure(one["last_failure"], now=now),
        },
        as_json=False,
        empty="No channel is configured.",
    )


@app.command("test")
def test(
    name: Annotated[str, text_argument(metavar="NAME", help="A channel of the configuration.")],
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Send a marked test message to each target that a channel has whatever the case."""
    answer = ServiceClient(config).do("test_channel", by=by, name=name)
    print_answer(answer, channel_tested(answer), as_json=as_json)
    if not all(one["delivered"] for one in answer["targets"]):
        raise typer.Exit(1)


def _failure(failure: Mapping[str, Any] | None, *, now: Micros) -> str:
    """The last failure in words."""
    if failure is None:
        return "none"
    return f"{ago(failure['at'], now=now)}: {failure_in_words(failure)}"
