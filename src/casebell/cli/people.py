"""`casebell people`: who can be told by name, and who is away."""

from collections.abc import Mapping
from typing import Annotated, Any

from casebell.cli.options import AsJson, By, Config, command_group, text_argument, text_option
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_rows
from casebell.service.done_in_words import person_away, person_back
from casebell.times import last_of

app = command_group()

Name = Annotated[str, text_argument(metavar="NAME", help="An id, a name or an e-mail address.")]


@app.command("list")
def list_people(as_json: AsJson = False, config: Config = None) -> None:
    """Everybody in the configuration: teams, where each hears, and who is away."""
    client = ServiceClient(config)
    found = client.read("list_people")
    zone = client.timezone
    print_rows(
        found,
        {
            "ID": "id",
            "NAME": "name",
            "TEAMS": "teams",
            "AWAY UNTIL": lambda one: one["away_until"] and last_of(one["away_until"], zone),
            "STANDS IN": "stand_in",
            "HEARS AT": lambda one: "; ".join(map(_address, one["channels"])),
        },
        as_json=as_json,
        empty="Nobody is in the configuration: `[people.ID]` names somebody.",
    )


@app.command("away")
def away(
    name: Name,
    until: Annotated[
        str,
        text_option(metavar="DATE", help="The last day, or a time; in server.timezone."),
    ],
    to: Annotated[str, text_option(metavar="OTHER", help="Who hears, too.")],
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say that somebody is away from now on, and who hears beside them."""
    client = ServiceClient(config)
    answer = client.do("set_away", by=by, name=name, until=until, to=to)
    until = last_of(answer["away_until"], client.timezone)
    print_answer(answer, [*person_away(answer), f"It ends with {until}."], as_json=as_json)


@app.command("back")
def back(name: Name, by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Say that somebody is back before the time."""
    answer = ServiceClient(config).do("set_back", by=by, name=name)
    print_answer(answer, person_back(answer), as_json=as_json)


def _address(one: Mapping[str, Any]) -> str:
    if one["target"] is None:
        return f"cannot be reached on {one['channel']}"
    return f"{one['channel']} {one['target']}"
