"""What is wrong, in our own words: pydantic's errors can carry the very values we must not show."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from casebell.settings.layout import Loc, at, keys_of
from casebell.settings.models import Document
from casebell.settings.values import COMPLAINT, nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something wrong at a place of the configuration."""

    loc: Loc
    #: A sentence; never the value.
    message: str
    hint: str = ""

    def concerns(self, loc: Loc) -> bool:
        """Whether it stands at this place, around it or in it."""
        shorter = min(len(loc), len(self.loc))
        return loc[:shorter] == self.loc[:shorter]


#: Sentences per pydantic error type. What they quote of the context is written in our models.
MESSAGES: dict[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda _: "This key is required.",
    "string_type": lambda _: "This must be text, in quotes.",
    "path_type": lambda _: "This must be a path, in quotes.",
    "int_type": lambda _: "This must be a whole number.",
    "int_parsing": lambda _: "This must be a whole number.",
    "int_from_float": lambda _: "This must be a whole number.",
    "bool_type": lambda _: "This must be true or false.",
    "bool_parsing": lambda _: "This must be true or false.",
    "tuple_type": lambda _: "This must be a list.",
    "dict_type": lambda _: "This must be a table.",
    "model_type": lambda _: "This must be a table.",
    "literal_error": lambda ctx: f"This must be {ctx['expected']}.",
    "greater_than": lambda ctx: f"This must be more than {ctx['gt']:g}.",
    "greater_than_equal": lambda ctx: f"This must be at least {ctx['ge']:g}.",
    "less_than_equal": lambda ctx: f"This must be at most {ctx['le']:g}.",
    "too_short": lambda _: "This must not be empty.",
    "too_long": lambda ctx: f"This may have {ctx['max_length']} entries at most.",
}

#: What to write where a required key is missing.
MISSING = {
    "kind": 'Write kind = "parley" or kind = "torch": the shape of the bodies it sends.',
    "value": 'Write { label = "2026", value = "${VARIABLE}" }.',
    "name": "Every rule needs a name: alerts and `casebell why` speak of it.",
    "when": "Write `when = {}` for a rule that every change meets.",
    "notify": "Write `notify = []` for a rule that tells nobody on purpose.",
}


def understood(error: ErrorDetails) -> Finding:
    """One of pydantic's errors as a finding."""
    loc, kind = error["loc"], error["type"]
    if loc and loc[-1] == "[key]":
        loc = loc[:-1]
    context = error.get("ctx", {})
    if kind == COMPLAINT:
        return Finding(loc=loc, message=context["message"], hint=context["hint"])
    if kind == "extra_forbidden":
        return unknown_key(loc)
    sentence = MESSAGES.get(kind)
    # Nothing of an error we have not met is shown: its message may quote the value.
    message = "This value cannot be used." if sentence is None else sentence(context)
    hint = MISSING.get(str(loc[-1]), "") if kind == "missing" else ""
    return Finding(loc=loc, message=message, hint=hint)


def unknown_key(loc: Loc) -> Finding:
    """A key that no table of its kind has."""
    return Finding(
        loc=loc,
        message="There is no such key.",
        hint=nearest(loc[-1], keys_of(at(Document, loc[:-1]))),
    )
