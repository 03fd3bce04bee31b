"""`casebell ack`: somebody says that they have seen a change."""

from typing import Annotated

from casebell.cli.options import AsJson, By, Change, Config, text_argument, text_option
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import print_answer
from casebell.service.done_in_words import acknowledged


def ack(
    receipt: Annotated[str, text_argument(metavar="RECEIPT", help="A receipt number.")],
    change: Change = None,
    note: Annotated[
        str | None, text_option(metavar="TEXT", help="For those who may see the case.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say that you have seen every open change of a case, and end its escalations."""
    answer = ServiceClient(config).do(
        "acknowledge", by=by, receipt=receipt, change=change, note=note or ""
    )
    print_answer(answer, acknowledged(answer), as_json=as_json)
