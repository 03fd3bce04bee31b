"""`casebell feeds`: private calendars of due dates, for calendar programs."""

from typing import Annotated

import typer

from casebell.cli.options import AsJson, By, Config, command_group, text_option
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_rows, print_to_stderr
from casebell.service.done_in_words import feed_revoked
from casebell.times import local_time

app = command_group()

Person = Annotated[
    str, text_option(metavar="ID", help="Whose cases it shows: an id, a name or an address.")
]


@app.command("add")
def add(person: Person, by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Make a calendar of a person's dates, and print its address this once."""
    answer = ServiceClient(config).do("add_feed", by=by, person=person)
    # Alone on standard output, so that it can go into a file.
    print_answer(answer, [answer["address"]], as_json=as_json)
    if not as_json:
        if answer["address"].startswith("/"):
            print_to_stderr(
                "Put before it where people reach Casebell; with server.public_url it is said."
            )
        print_to_stderr(
            "This is the only time that it is shown. Whoever has it can read these dates.",
            f"`casebell feeds revoke {answer['id']}` ends it.",
        )


@app.command("list")
def list_feeds(as_json: AsJson = False, config: Config = None) -> None:
    """All calendars by number; no address is shown."""
    client = ServiceClient(config)
    found = client.read("list_feeds")
    zone = client.timezone
    print_rows(
        found,
        {
            "ID": "id",
            "PERSON": "person",
            "STATE": lambda one: "revoked" if one["revoked_at"] else "active",
            "LAST READ": lambda one: local_time(one["last_read_at"], zone),
            "ADDED": lambda one: local_time(one["created_at"], zone),
            "BY": "created_by",
        },
        as_json=as_json,
        empty="There is no calendar feed.",
    )


@app.command("revoke")
def revoke(
    number: Annotated[int, typer.Argument(metavar="ID", help="Its number, as the list has it.")],
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Have a calendar say nothing more from now on, for good."""
    answer = ServiceClient(config).do("revoke_feed", by=by, number=number)
    print_answer(answer, [feed_revoked(answer)], as_json=as_json)
