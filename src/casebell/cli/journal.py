"""`casebell journal`: the record of everything that happened."""

from typing import Annotated, TypedDict, Unpack

from casebell.cli.options import (
    AsJson,
    Config,
    Limit,
    Since,
    Until,
    command_group,
    text_option,
    with_options,
)
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_rows
from casebell.json_text import printable
from casebell.times import local_time

app = command_group()


class Filters(TypedDict):
    """The options that narrow the list."""

    kind: Annotated[
        str | None, text_option(metavar="KIND", help="Only of this kind, as `export.started`.")
    ]
    actor: Annotated[
        str | None, text_option(metavar="ACTOR", help="Only by this actor, as `cli:jchan`.")
    ]
    subject: Annotated[
        str | None, text_option(metavar="SUBJECT", help="Only about this, as `event:12`.")
    ]
    since: Since
    until: Until


@app.command("list")
@with_options(Filters)
def list_journal(
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
    **filters: Unpack[Filters],
) -> None:
    """Entries, newest first; looks through all of them until it has so many."""
    client = ServiceClient(config)
    # The verb's own `actor` is who asks.
    given = {"actor_name" if name == "actor" else name: text for name, text in filters.items()}
    found, _ = client.listing("list_journal", limit=limit, whole=True, **given)
    zone = client.timezone
    print_rows(
        found,
        {
            "SEQ": "seq",
            "AT": lambda entry: local_time(entry["at"], zone),
            "KIND": "kind",
            "ACTOR": "actor",
            "BY": "by",
            "SUBJECT": "subject",
            "DATA": lambda entry: printable(entry["data"]),
        },
        as_json=as_json,
        empty="No entry matches.",
    )
