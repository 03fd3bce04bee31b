"""Validates the data against the models, and reports all errors at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from casebell.kinds import KINDS
from casebell.settings import checks
from casebell.settings.checks import Names
from casebell.settings.models import Document
from casebell.settings.places import Finding, Loc, at, keys_of, spelled, way
from casebell.settings.values import COMPLAINT, nearest
from casebell.times import lasting

#: By pydantic error type: a sentence. It quotes only values of our own models.
MESSAGES = {
    "missing": "This key is required.",
    "string_type": "This must be text, in quotes.",
    "path_type": "This must be a path, in quotes.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "tuple_type": "This must be a list.",
    "dict_type": "This must be a table.",
    "model_type": "This must be a table.",
    "literal_error": "This must be {expected}.",
    "greater_than": "This must be more than {gt:g}.",
    "greater_than_equal": "This must be at least {ge:g}.",
    "less_than_equal": "This must be at most {le:g}.",
    "too_short": "This must not be empty.",
    "too_long": "This may have {max_length} entries at most.",
}

#: Hints by required key that is missing.
MISSING = {
    "kind": "Write "
    + " or ".join(f'kind = "{kind}"' for kind in KINDS)
    + ": the shape of the bodies it sends.",
    "value": 'Write { label = "2026", value = "${VARIABLE}" }.',
    "name": "Every rule and every person needs a name: alerts and `casebell why` speak of it.",
    "when": "Write `when = {}` for a rule that every change meets.",
    "says": 'Write a part of the official text: says = "Case Was Reassigned".',
    "status": 'Write status = "other" for a wording that is neither good nor bad.',
    "notify": "Write `notify = []` for a rule that tells nobody on purpose.",
    "open": 'Write when it is open: open = ["mon-fri 08:00-18:00"].',
    "steps": 'Write steps = [{ after = "2h", notify = ["email-people"] }].',
    "after": 'Write after how long: after = "2h".',
    "at": 'Write a time of day: at = "08:00".',
    "calendar": "Name the calendar whose days these are: [calendars.office].",
    "source": "Name the source to which belongs what this API says: [sources.parley].",
    "base": "Write the address from the onboarding pack, without a version at its end.",
    "token": 'Write token = "${PARLEY_API_TOKEN}" and keep the value in `.env`.',
}

#: Sections whose tables have names that the operator chooses, with the field that takes them.
NAMED = {
    "sources": "name",
    "channels": "name",
    "people": "id",
    "calendars": "name",
    "upstream": "name",
}

#: Values for required keys of a rule that are wrong or missing and were reported, so that the
#: rule's other keys are still checked.
PLACEHOLDERS: dict[str, Any] = {"name": "?", "when": {}, "notify": []}

#: Pydantic's error type for a default that depends on a wrong key.
DEPENDENT_DEFAULT = "default_factory_not_called"


def validate(
    data: dict[str, Any], *, base_dir: Path, known: list[Finding]
) -> tuple[Document | None, list[Finding]]:
    """The configuration without its errors, and all findings, `known` ones included.

    Pydantic does not compare a table with a wrong key with the other tables. So wrong parts are
    removed and the rest is validated again, until it is valid and can be checked as a whole. A
    consequence of an earlier finding is not reported.
    """
    findings = [*known, *_names_given(data)]
    rest = Rest(data)
    for finding in findings:
        rest.take_out(finding.loc)
    while True:
        try:
            document = Document.model_validate(rest.data(), context={"base_dir": base_dir})
        except ValidationError as error:
            details = _causes(error.errors(include_url=False, include_input=False))
        else:
            channels = _tables(data, "channels")
            names = Names(
                sources=tuple(_tables(data, "sources")),
                channels=tuple(channels),
                people=tuple(_tables(data, "people")),
                calendars=tuple(_tables(data, "calendars")),
                webhooks=[
                    name
                    for name, table in channels.items()
                    if isinstance(table, dict) and "webhook" in table
                ],
            )
            return document, findings + _news(checks.check(document, names), findings, rest)
        found = [understood(detail) for detail in details]
        news = _news(found, findings, rest)
        findings += news
        places = [rest.origin(finding.loc) for finding in found]
        if not places or not all(rest.take_out(place) for place in places):
            return None, findings


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Pydantic's errors without those that only follow from another of them."""
    wrong_entries = {detail["loc"][:-1] for detail in details}
    return [
        detail
        for detail in details
        if detail["type"] != DEPENDENT_DEFAULT
        # Pydantic does not count wrong entries, so a list of nothing else is empty to it.
        and not (detail["type"] == "too_short" and detail["loc"] in wrong_entries)
    ]


def _news(found: Iterable[Finding], earlier: list[Finding], rest: "Rest") -> list[Finding]:
    """The findings at their places in the file, without consequences of earlier ones."""
    news: dict[Loc, Finding] = {}
    for finding in found:
        loc = rest.origin(finding.loc)
        if loc not in news and not any(old.concerns(loc) for old in earlier):
            news[loc] = msgspec.structs.replace(finding, loc=loc)
    return list(news.values())


def _tables(data: dict[str, Any], section: str) -> dict[str, Any]:
    tables = data.get(section)
    return tables if isinstance(tables, dict) else {}


def _names_given(data: dict[str, Any]) -> list[Finding]:
    """The findings for keys that would name a table which has a name of its own."""
    return [
        unknown_key((section, name, key))
        for section, key in NAMED.items()
        for name, table in _tables(data, section).items()
        if isinstance(table, dict) and key in table
    ]


class Rest:
    """The data without wrong places, and the original position of each of its entries."""

    def __init__(self, whole: dict[str, Any]) -> None:
        """Begins with all of `whole`, which is never changed."""
        self._whole = whole
        self._out: set[Loc] = set()
        self._placeholders: set[Loc] = set()
        self._kept: dict[Loc, list[int]] = {}

    def take_out(self, loc: Loc) -> bool:
        """Remove this place, or the part that requires it; False if nothing would be left."""
        while loc and (loc in self._out or not self._has(loc)):
            if loc[-1] in PLACEHOLDERS and loc not in self._placeholders:
                self._placeholders.add(loc)
                return True
            loc = loc[:-1]
        self._out.add(loc)
        return bool(loc)

    def data(self) -> dict[str, Any]:
        """The remaining data."""
        # The default URL is relative to the file as well, which validation makes absolute.
        return {"storage": {}, **self._copy(self._whole, ())}

    def origin(self, loc: Loc) -> Loc:
        """The place in the whole of a place in the rest."""
        found: Loc = ()
        for step in loc:
            kept = self._kept.get(found)
            found += (kept[step] if kept is not None and isinstance(step, int) else step,)
        return tuple(step for _, step in way(self._whole, found))

    def _has(self, loc: Loc) -> bool:
        steps = list(way(self._whole, loc))
        table, key = steps[-1]
        return len(steps) == len(loc) and (isinstance(key, int) or key in table)

    def _copy(self, node: Any, loc: Loc) -> Any:
        if isinstance(node, dict):
            left = {
                key: self._copy(value, (*loc, key))
                for key, value in node.items()
                if (*loc, key) not in self._out
            }
            filled = {key for key in PLACEHOLDERS if (*loc, key) in self._placeholders}
            return left | {key: PLACEHOLDERS[key] for key in filled}
        if isinstance(node, list):
            kept = [place for place in range(len(node)) if (*loc, place) not in self._out]
            self._kept[loc] = kept
            return [self._copy(node[place], (*loc, place)) for place in kept]
        return node


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
    template = MESSAGES.get(kind, "This value cannot be used.")
    if bounds := {key: lasting(context[key]) for key in ("ge", "le") if _is_seconds(context, key)}:
        template, context = template.replace(":g", ""), bounds
    # The message of an unknown error is not shown: it may quote the value.
    message = template.format_map(context)
    return Finding(loc=loc, message=message, hint=_hint(loc, kind))


def _is_seconds(context: Mapping[str, Any], bound: str) -> bool:
    """Whether a bound is of a duration: nothing else in the configuration is a fraction."""
    return isinstance(context.get(bound), float)


def _hint(loc: Loc, kind: str) -> str:
    """What to write instead, where the place and pydantic's type of error tell it."""
    if kind == "missing":
        return MISSING.get(str(loc[-1]), "")
    if kind == "tuple_type" and len(loc) == 1:
        return f"Begin each of them with `[[{spelled(loc)}]]`, in double brackets."
    if kind == "dict_type" and len(loc) == 1:
        return f"Begin each of them with `[{spelled(loc)}.NAME]`, in single brackets."
    if kind == "model_type" and all(isinstance(step, str) for step in loc):
        return f"Begin it with `[{spelled(loc)}]`, in single brackets."
    return ""


def unknown_key(loc: Loc) -> Finding:
    """The finding for a key that its table cannot have."""
    return Finding(
        loc=loc,
        message="There is no such key.",
        hint=nearest(loc[-1], keys_of(at(Document, loc[:-1]))),
    )
