"""`casebell queue`: what is owed, and who has seen it."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from casebell.cli.options import AsJson, Config, Limit, Receipt, text_option
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_looked_back, print_rows
from casebell.files import user_name
from casebell.times import local_time


def queue(
    mine: Annotated[
        bool, typer.Option("--mine", help="Only of cases that are yours, or your team's.")
    ] = False,
    by: Annotated[
        str | None,
        text_option(metavar="NAME", help="Who you are, for --mine; else the system's user."),
    ] = None,
    owner: Annotated[str | None, text_option(metavar="NAME", help="Only of this owner.")] = None,
    team: Annotated[str | None, text_option(metavar="NAME", help="Only of this team.")] = None,
    receipt: Receipt = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """The changes that ask for something and are not answered, newest first."""
    if by is not None and not mine:
        raise typer.BadParameter("--by says whose cases --mine means.")
    client = ServiceClient(config)
    person = (by or user_name(os.geteuid())) if mine else None
    try:
        found, last = client.listing(
            "list_queue", person=person, owner=owner, team=team, receipt=receipt, limit=limit
        )
    except typer.BadParameter as error:
        if person is None or by is not None:
            raise
        raise typer.BadParameter(f"{error.message} --by NAME says who you are.") from None
    back, zone = last["looked_back_to"], client.timezone
    print_rows(
        found,
        {
            "RECEIPT": "receipt",
            "CHANGE": "change",
            "STATUS": "status",
            "SINCE": lambda row: local_time(row["since"], zone),
            "DUE": _due,
            "OWNER": "owner",
            "TEAM": "team",
            "SEEN BY": "acknowledged_by",
            "REMINDED": lambda row: row["escalated"] and local_time(row["escalated"], zone),
            "LABEL": "label",
        },
        as_json=as_json,
        empty="Nothing is in the queue." if back is None else "None of these matches.",
    )
    if back is not None:
        print_looked_back(back, zone)


def _due(row: Mapping[str, Any]) -> str | None:
    """The date, and that it rests on one person where it does."""
    if row["due"] is None:
        return None
    return str(row["due"]) if row["due_confirmed"] else f"{row['due']} unconfirmed"
