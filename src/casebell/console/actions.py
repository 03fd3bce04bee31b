"""The console's buttons: what the API's POSTs do, and exact bytes as a file."""

from casebell.api.parameters import Parameters
from casebell.api.routes import ROUTES
from casebell.console.routing import Action

#: Of the API: the same paths, verbs and fields. What gives more than JSON is a file.
ACTIONS: tuple[Action, ...] = tuple(
    Action(
        method=route.method,
        path=route.path,
        verb=route.verb,
        form=route.body or Parameters,
        part=route.part,
        file=route.raw,
    )
    for route in ROUTES
    if route.verb and (route.method == "POST" or route.raw)
)
