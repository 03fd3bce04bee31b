"""What a request may give beside its path: the parameters of each listing, the body of each POST.

A name that is not here is an error. The description of the API is made of these models.
"""

import re
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from casebell.alerts import AlertKind, AlertState
from casebell.events import MAX_NUMBER, Flag, HeldReason, HeldState, Status, Tag
from casebell.json_text import UNSTORABLE
from casebell.service.following_up import MAX_NOTE
from casebell.service.formats import Format

#: Rows of one page.
MAX_LIMIT = 500
#: Rows that one request may name.
MAX_IDS = 500

_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class Parameters(BaseModel):
    """The parameters of a request by name; none but these."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    def arguments(self) -> dict[str, Any]:
        """What they are to the verb; what was not given is its default."""
        return self.model_dump(exclude_none=True)


def _storable(given: Any) -> Any:
    """A text that every database can keep and compare."""
    if isinstance(given, str) and UNSTORABLE.search(given):
        raise PydanticCustomError("casebell", "This is no text that can be stored.")
    return given


def _whole_number(given: Any, info: ValidationInfo) -> Any:
    """A number; in an address as digits, and nothing that Python reads beside them."""
    if not info.context:
        return given
    if not _DIGITS.fullmatch(given):
        raise PydanticCustomError("casebell", "Write a whole number.")
    return int(given)


def _truth(given: Any, info: ValidationInfo) -> Any:
    if not info.context:
        return given
    if given not in ("true", "false"):
        raise PydanticCustomError("casebell", "Write `true` or `false`.")
    return given == "true"


Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_storable)]
#: What a firm says of a case, which may be nothing.
Fact: TypeAlias = Annotated[str, Field(max_length=254), BeforeValidator(_storable)]
Truth: TypeAlias = Annotated[StrictBool, BeforeValidator(_truth)]
When: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=40, examples=["2026-11-21T09:30:00Z", "24h"])
]
Receipt: TypeAlias = Annotated[Text, Field(examples=["IOE0912345678"])]
Month: TypeAlias = Annotated[
    str,
    Field(pattern="^(19|20)[0-9]{2}-[0-9]{2}(-[0-9]{2})?$", examples=["2026-11"]),
]
Number: TypeAlias = Annotated[StrictInt, Field(ge=1, le=MAX_NUMBER), BeforeValidator(_whole_number)]
#: What is not given is no condition; null is nothing that a request can say.
NotGiven: TypeAlias = SkipJsonSchema[None]


class Page(Parameters):
    """Which part of a listing, newest first."""

    limit: Annotated[StrictInt, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_whole_number)] = 50
    """How many at most; a page may have fewer, even none, and still another after it."""
    cursor: Annotated[str, Field(pattern="^[0-9]{1,18}(-[0-9]{1,18})?$")] | NotGiven = None
    """`next` of the page before, as it is."""


class Span(Parameters):
    """A span of time."""

    since: When | NotGiven = None
    """At or after: a date, a time, or a length of time ago. A time without an offset is in
    `server.timezone`."""
    until: When | NotGiven = None
    """Before; written alike."""


class OfCase(Span):
    """What concerns a case, in a span of time."""

    receipt: Receipt | NotGiven = None
    """Only of this receipt number, in any spelling."""


class EventFilters(OfCase):
    """Which events."""

    source: Text | NotGiven = None
    """Only from this source."""
    status: Status | NotGiven = None
    """Only with this status."""
    tag: Tag | NotGiven = None
    """Only with this tag."""
    flag: Flag | NotGiven = None
    """Only with this flag."""
    text: Text | NotGiven = None
    """The official text contains this, in any case."""


class AlertFilters(OfCase):
    """Which alerts."""

    state: AlertState | NotGiven = None
    """Only in this state."""
    kind: AlertKind | NotGiven = None
    """Only of cases, to operations, or tests."""
    channel: Text | NotGiven = None
    """Only over this channel."""
    target: Text | NotGiven = None
    """Only to this target, as listings show it."""
    person: Text | NotGiven = None
    """Only to this person, by id, name or e-mail address."""
    outstanding: Truth = False
    """Only what failed, is no test and was not dismissed."""


class Events(Page, EventFilters):
    """A page of events."""


class Alerts(Page, AlertFilters):
    """A page of alerts."""


class _Export(Parameters):
    """How an export is written."""

    format: Format = Format.JSONL
    """An object a line, or a table."""


class ExportEvents(_Export, EventFilters):
    """Which events to export, and how."""

    bodies: Truth = False
    """Each with the body of its first delivery."""


class ExportAlerts(_Export, AlertFilters):
    """Which alerts to export, and how."""


class Cases(Page):
    """A page of cases."""

    receipt: Receipt | NotGiven = None
    """Only this one, in any spelling."""
    status: Status | NotGiven = None
    """Only with this status."""
    owner: Text | NotGiven = None
    """Only of this owner, as the firm wrote it."""
    team: Text | NotGiven = None
    """Only of this team, as the firm wrote it."""
    confidential: Truth | NotGiven = None
    """Only confidential ones, or only others."""
    unlisted: Truth = False
    """Only those that are in no list of the firm's."""
    silent: Truth = False
    """Instead those of the firm's lists of which nothing was received, by receipt number."""

    def arguments(self) -> dict[str, Any]:
        """As words, as the command line has them."""
        found = super().arguments()
        for name in ("confidential", "unlisted", "silent"):
            if name in found:
                found[name] = str(found[name]).lower()
        return found


class Queue(Page):
    """A page of the queue."""

    mine: Truth = False
    """Only of cases whose owner, or whose team's, the bearer is."""
    receipt: Receipt | NotGiven = None
    """Only of this case, in any spelling."""
    owner: Text | NotGiven = None
    """Only of this owner, as the firm wrote it."""
    team: Text | NotGiven = None
    """Only of this team, as the firm wrote it."""


class Acknowledge(Parameters):
    """What somebody has seen."""

    note: Annotated[str, Field(max_length=MAX_NOTE), BeforeValidator(_storable)] | NotGiven = None
    """For those who may see the case; it is in no message."""
    change: Number | NotGiven = None
    """This change alone; by default every open one of the case."""


class Due(Parameters):
    """When something is due."""

    date: Annotated[str, Field(max_length=40, examples=["2026-12-24", "none"])]
    """The date in the notice; `none` where there is none."""
    change: Number | NotGiven = None
    """Which change it is of; by default the latest open one that owes an answer."""
    was: Annotated[str, Field(max_length=40)] | NotGiven = None
    """The date that stood there, or `none`. Where it is another by now, the answer is 409."""

    def arguments(self) -> dict[str, Any]:
        """The verb has null for none."""
        found = {**super().arguments(), "date": None if self.date == "none" else self.date}
        if self.was == "none":
            found["was"] = ""
        return found


class Answered(Parameters):
    """What is answered."""

    change: Number | NotGiven = None
    """Which change; by default the open one, if the case has only one."""
    undo: Truth = False
    """Take it back: the change is in the queue again."""


class ImportCases(Parameters):
    """How a list of cases is imported."""

    dry_run: Truth = False
    """Say what it would come to, and change nothing."""


class SetCase(Parameters):
    """What the firm says of a case: what is named is changed; an empty text clears."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    label: Fact | NotGiven = None
    matter: Fact | NotGiven = None
    owner: Fact | NotGiven = None
    """A person's id, name or e-mail address, or another text."""
    owner_email: Fact | NotGiven = None
    """Where an owner who is no person of the configuration reads mail."""
    team: Fact | NotGiven = None
    form: Fact | NotGiven = None
    confidential: Truth | NotGiven = None

    def arguments(self) -> dict[str, Any]:
        """The verb has them as one."""
        return {"facts": super().arguments()}


class Journal(Page, Span):
    """A page of the journal."""

    kind: Annotated[Text, Field(examples=["export.started"])] | NotGiven = None
    """Only of this kind."""
    actor: Annotated[Text, Field(examples=["token:practice"])] | NotGiven = None
    """Only by this actor."""
    subject: Annotated[Text, Field(examples=["event:12"])] | NotGiven = None
    """Only about this."""

    def arguments(self) -> dict[str, Any]:
        """The verb's own `actor` is who asks."""
        found = super().arguments()
        if "actor" in found:
            found["actor_name"] = found.pop("actor")
        return found


class Months(Parameters):
    """The months of a report."""

    since: Month | NotGiven = None
    """The first month, or a date in it; by default there are twelve months."""
    until: Month | NotGiven = None
    """The last month, which counts; by default the present one."""


class HeldOnes(Page):
    """A page of held deliveries."""

    state: HeldState = HeldState.HELD
    """Those in this state."""


class RefusedOnes(Page):
    """A page of refused deliveries."""

    source: Text | NotGiven = None
    """Only of this source."""
    error: Text | NotGiven = None
    """Only with this error."""


class Upstreams(Parameters):
    """How much is told of the provider's APIs."""

    ask: Truth = True
    """Ask each whether it is there, for three seconds at most."""


class Register(Parameters):
    """Which cases to register."""

    skip: Annotated[StrictInt, Field(ge=0, le=MAX_NUMBER), BeforeValidator(_whole_number)] = 0
    """How many problems the answers before had: these cases are not tried again."""
    dry_run: Truth = False
    """Say how many there are, and register none."""


class Reconcile(Parameters):
    """Which cases to compare."""

    receipt: Receipt | NotGiven = None
    """Only this case, at once, in any spelling."""
    since: When | NotGiven = None
    """A reconciliation that begins takes only cases that were last checked before."""


class Subscribe(Parameters):
    """Whether to make another subscription."""

    again: Truth = False
    """Also where there is one, with a new secret beside the earlier ones."""


class Named(Parameters):
    """Which one, by its name."""

    name: Text


class Note(Parameters):
    """Why something is done."""

    note: Text | NotGiven = None
    """For the record."""


class Away(Parameters):
    """Until when somebody is away, and who hears, too."""

    until: Annotated[Text, Field(examples=["2026-12-04", "2026-12-04T12:00:00Z"])]
    """The last day, or a time. Without an offset it is in `server.timezone`."""
    to: Text
    """Who stands in, by id, name or e-mail address."""


class SeveralAlerts(Note):
    """Which alerts, and why."""

    ids: Annotated[list[Number], Field(min_length=1, max_length=MAX_IDS)]
    """Those meant."""


class RetriedAlerts(Note, AlertFilters):
    """Which alerts to send again, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["ids"],
                    "properties": dict.fromkeys(AlertFilters.model_fields, False),
                },
                {"required": ["outstanding"], "properties": {"ids": False}},
            ]
        }
    )

    ids: Annotated[list[Number], Field(min_length=1, max_length=MAX_IDS)] | NotGiven = None
    """Those meant."""
    outstanding: Annotated[Literal[True], BeforeValidator(_truth)] | NotGiven = None  # type: ignore[assignment]
    """All that failed, are no test and were not dismissed; the filters narrow them."""

    @model_validator(mode="after")
    def _ids_or_all(self) -> Self:
        if (self.ids is None) is (self.outstanding is None):
            raise PydanticCustomError("casebell", "Give either `ids` or `outstanding`.")
        if self.ids and (self.model_fields_set & AlertFilters.model_fields.keys()):
            raise PydanticCustomError("casebell", "Leave the filters out where `ids` are given.")
        return self

    def arguments(self) -> dict[str, Any]:
        """The verb takes all that are outstanding where no ids are given."""
        found = super().arguments()
        found.pop("outstanding", None)
        return found


class _IdsOr(Parameters):
    """Rows by number, or all of a kind: one of the two must be given."""

    ids: Annotated[list[Number], Field(min_length=1, max_length=MAX_IDS)] | NotGiven = None
    """Those meant."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if len(self.model_fields_set) != 1:
            given = " or ".join(f"`{name}`" for name in type(self).model_fields)
            raise PydanticCustomError("casebell", "Give either {given}.", {"given": given})
        return self


def _one_of(*names: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


class Release(_IdsOr):
    """Which held deliveries to try again."""

    model_config = _one_of("ids", "reason")

    reason: HeldReason | NotGiven = None
    """All that are held for this reason."""


class Readmit(_IdsOr):
    """Which refused deliveries to check again."""

    model_config = _one_of("ids", "source")

    source: Text | NotGiven = None
    """All of this source that brought something that can be checked."""
