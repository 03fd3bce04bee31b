"""`casebell tokens`: what programs ask the API with."""

from typing import Annotated

import typer

from casebell.actors import Role
from casebell.cli.options import AsJson, By, Config, command_group, text_argument, text_option
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer, print_rows, print_to_stderr
from casebell.service.done_in_words import token_revoked
from casebell.times import local_time

app = command_group()

Name = Annotated[str, text_argument(metavar="NAME", help="Its name, for lists and the journal.")]


@app.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What it may see and do.")],
    person: Annotated[
        str | None, text_option(metavar="ID", help="Whose cases are its own.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make a token, and print it this once."""
    answer = ServiceClient(config).do("add_token", by=by, name=name, role=role, person=person)
    # Alone on standard output, so that it can go into a file.
    print_answer(answer, [answer["token"]], as_json=as_json)
    if not as_json:
        for warning in answer["warnings"]:
            print_to_stderr(f"Warning: {warning}")
        print_to_stderr(
            "This is the only time that it is shown.",
            f"`casebell tokens revoke {answer['name']}` ends it.",
        )


@app.command("list")
def list_tokens(as_json: AsJson = False, config: Config = None) -> None:
    """All tokens by name; none is shown."""
    client = ServiceClient(config)
    found = client.read("list_tokens")
    zone = client.timezone
    print_rows(
        found,
        {
            "NAME": "name",
            "ROLE": "role",
            "PERSON": "person",
            "STATE": lambda one: "revoked" if one["revoked_at"] else "active",
            "LAST USED": lambda one: local_time(one["last_used_at"], zone),
            "ADDED": lambda one: local_time(one["created_at"], zone),
            "BY": "created_by",
        },
        as_json=as_json,
        empty="There is no token.",
    )


@app.command("revoke")
def revoke(name: Name, by: By = None, as_json: AsJson = False, config: Config = None) -> None:
    """Refuse a token from now on, for good."""
    answer = ServiceClient(config).do("revoke_token", by=by, name=name)
    print_answer(answer, [token_revoked(answer)], as_json=as_json)
