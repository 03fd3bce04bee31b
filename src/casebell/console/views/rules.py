"""The page of the rules: who hears of what, and what the file would have decided otherwise."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from casebell.actors import Right
from casebell.api.parameters import NotGiven, Parameters
from casebell.console.visit import Visit
from casebell.errors import ConfigError
from casebell.service.done_in_words import changed
from casebell.service.rules_in_words import heard, recipients, sums

#: What the form is filled with.
OVER = "30d"


class Over(Parameters):
    """Which changes to decide again."""

    over: Annotated[str, Field(min_length=1, max_length=40)] | NotGiven = None
    """Those of so long; without it none are."""
    cursor: Annotated[str, Field(pattern="^[0-9]{1,18}$")] | NotGiven = None
    """Where an answer before ended."""


async def rules(visit: Visit) -> Mapping[str, Any]:
    """Who hears of what in force; and the comparison with the file where it is asked for."""
    found = await visit.ask("rules")
    shown: dict[str, Any] = {
        "rows": list(map(heard, found["coverage"])),
        "gaps": found["gaps"],
        "file_differs": found["file_differs"],
        "acts": visit.may(Right.OPERATE),
        "over": visit.arguments.get("over", OVER),
        "answer": None,
        "problems": (),
    }
    if "over" in visit.arguments:
        try:
            answer = await visit.ask("decided_otherwise", **visit.arguments)
        except ConfigError as error:
            # The file cannot be used: that is the answer.
            shown["problems"] = error.problems
        else:
            shown |= {
                "answer": answer,
                "sums": list(sums(answer)),
                "changed": list(changed(answer["changed"] or {})),
                "items": [_item(one) for one in answer["items"]],
            }
    return shown


def _item(one: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        **one,
        "made": {
            when: {**one[when], "recipients": list(recipients(one[when]))}
            for when in ("then", "now")
        },
    }
