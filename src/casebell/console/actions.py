"""The console's buttons: what the API's POSTs do, what is a file, and accounts' own."""

from casebell.api.parameters import Months, Named, Parameters
from casebell.api.routes import ROUTES
from casebell.console.routing import Action
from casebell.service.formats import Format

#: Of the API: the same paths, verbs and fields. What gives more than JSON is a file. Lists of
#: cases, and the facts of one, have doors of their own.
_OF_THE_API: tuple[Action, ...] = tuple(
    Action(
        method=route.method,
        path=route.path,
        verb=route.verb,
        form=route.body or Parameters,
        part=route.part,
        file=route.raw,
    )
    for route in ROUTES
    if route.verb and ((route.method == "POST" and not route.takes_csv) or route.raw)
)

#: The API has nothing of accounts: whoever has an admin's token cannot make more of them.
_OF_ACCOUNTS: tuple[Action, ...] = tuple(
    Action(path=path, verb=verb, form=Named)
    for path, verb in {
        "accounts/disable": "disable_account",
        "accounts/enable": "enable_account",
        "accounts/sign-out": "end_sessions",
        "accounts/reset": "reset_second_factor",
        "tokens/revoke": "revoke_token",
    }.items()
)


class MonthsAsTable(Months):
    """Which months of a report to have as a file, and how."""

    format: Format = Format.CSV
    """An object a line, or a table."""


#: The API gives the report as JSON.
_REPORT = Action(path="reports/outcomes", verb="outcome_lines", form=MonthsAsTable, file=True)

ACTIONS: tuple[Action, ...] = (*_OF_THE_API, *_OF_ACCOUNTS, _REPORT)
