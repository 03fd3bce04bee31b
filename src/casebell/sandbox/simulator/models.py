"""The bodies that the simulator takes and gives, as both pages have them."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.sandbox.simulator.vocabulary import EVENT_TYPES
from casebell.settings.values import nearest

_RECEIPT = re.compile("[A-Za-z]{3}[0-9]{10}")
#: Of one registration.
MAX_RECEIPTS = 1_000
#: Of one request that moves cases.
MAX_MOVES = 20_000
#: Characters of an official text.
MAX_TEXT = 20_000

Word: TypeAlias = Literal[
    "received",
    "rfe_issued",
    "rfe_received",
    "approved",
    "denied",
    "interview_scheduled",
    "other",
]


def as_receipt(value: str) -> str:
    """A receipt number in capitals; other spellings of one are not taken, as a strict API may.

    Raises:
        ValueError: it is none.
    """
    if not _RECEIPT.fullmatch(value):
        raise ValueError("This is not three letters and ten digits")
    return value.upper()


def _event_type(value: str) -> str:
    if value not in EVENT_TYPES:
        raise ValueError(f"There is no such event type. {nearest(value, EVENT_TYPES)}")
    return value


def _no_surrogate(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("This is not Unicode text") from None
    return value


Text: TypeAlias = Annotated[str, AfterValidator(_no_surrogate)]
RECEIPT_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": "^[A-Za-z]{3}[0-9]{10}$",
    "examples": ["IOE0912345678"],
}
#: Of a webhook; `check_url` says more.
Address: TypeAlias = Annotated[
    Text, Field(max_length=2_000, json_schema_extra={"pattern": "^https?://[^ ]+$"})
]
Receipt: TypeAlias = Annotated[
    str, AfterValidator(as_receipt), Field(json_schema_extra=RECEIPT_SCHEMA)
]
EventType: TypeAlias = Annotated[
    str, AfterValidator(_event_type), Field(json_schema_extra={"enum": list(EVENT_TYPES)})
]


class Asked(BaseModel):
    """A body of an API: what is not known in it is ignored, as such APIs do."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Told(BaseModel):
    """A body of a control endpoint: a name that is not known is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """What is answered."""

    model_config = ConfigDict(extra="forbid")


class ReceiptIn(Asked):
    """One to be tracked."""

    receipt_number: Receipt
    label: Annotated[Text, Field(max_length=200)] | None = None


class Receipts(Asked):
    """`POST /v1/receipts`."""

    receipts: list[ReceiptIn] = Field(min_length=1, max_length=MAX_RECEIPTS)


class SubscriptionIn(Asked):
    """`POST /v1/subscriptions`."""

    url: Address
    events: list[EventType] = Field(min_length=1, max_length=100)
    secret: Annotated[Text, Field(min_length=1, max_length=1_000)] | None = None


class Move(Told):
    """Where a case goes."""

    status: Word
    text: Annotated[Text, Field(max_length=MAX_TEXT)] | None = Field(
        default=None, description="the official text; null is the usual one of the status"
    )
    at: Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})] | None = (
        Field(default=None, description="when it happened; null is now, by the simulated clock")
    )
    category: Annotated[Text, Field(max_length=200)] | None = Field(
        default=None, description="Torch's word; null is the usual one of the status"
    )
    quiet: bool = Field(default=False, description="no webhook tells of it")


class MoveOf(Move):
    """The same of a named case."""

    receipt: Receipt


class Moves(Told):
    """`POST /control/cases`: many movements, in order."""

    moves: list[MoveOf] = Field(default_factory=list, max_length=MAX_MOVES)
    series: "Series | None" = Field(
        default=None, description="as many receipt numbers in a row, each moved alike"
    )


class Series(Move):
    """Receipt numbers in a row."""

    first: Receipt
    count: int = Field(ge=1, le=MAX_MOVES)


class ScenarioIn(Told):
    """`POST /control/scenario`."""

    name: Annotated[str, Field(json_schema_extra={"enum": list(SCENARIOS)})]


class ClockIn(Told):
    """`POST /control/clock`."""

    speed: Annotated[float, Field(ge=0.01, le=100_000)] | None = Field(
        default=None, description="how many simulated seconds a second has"
    )
    advance: float = Field(
        default=0.0, ge=0, le=31_536_000, description="seconds to jump forward, once"
    )


class LimitsIn(Told):
    """`POST /control/limits`."""

    api: Literal["parley", "torch"]
    per_minute: int = Field(ge=0, le=1_000_000)
    per_day: int = Field(ge=0, le=100_000_000)


class SecretsIn(Told):
    """`POST /control/secrets`."""

    parley: Annotated[Text, Field(min_length=1, max_length=1_000)] | None = None
    torch: Annotated[str, Field(min_length=1, max_length=1_000, pattern="^[!-~]+$")] | None = None
    overlap: bool = Field(
        default=False, description="the old secret of Parley's goes on signing beside the new one"
    )


class TorchWebhookIn(Told):
    """`POST /control/torch-webhook`."""

    url: Address | None = Field(description="null ends the webhook")
    header: Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9-]{0,63}$")] = "X-Torch-Secret"
    secret: Annotated[str, Field(min_length=1, max_length=1_000, pattern="^[!-~]+$")] | None = (
        Field(default=None, description="null is the tenant's")
    )


class Registered(Answer):
    """The answer of `POST /v1/receipts`."""

    registered: list[str]
    already_registered: list[str]


class Subscribed(Answer):
    """The Subscription schema."""

    id: str
    url: str
    events: list[str]
    created_at: str = Field(json_schema_extra={"format": "date-time"})


class Health(Answer):
    """The answer of `GET /health`."""

    status: Literal["ok"]


class Error(Answer):
    """The Error schema."""

    error: str
    message: str
    request_id: str


#: Any object: its keys are those of the page, unless a fault says otherwise.
ANY_OBJECT: dict[str, Any] = {"type": "object"}
