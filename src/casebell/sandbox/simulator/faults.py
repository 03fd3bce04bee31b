"""What goes wrong, by name: each a switch of `POST /control/faults`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from casebell.sandbox.simulator.problems import Problem
from casebell.settings.values import nearest

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


#: How an API answers in the place of what it should.
Answering: TypeAlias = Literal[
    # The Error schema, with `status`; an error of another shape, as a gateway before the API has.
    "error",
    "other_error",
    # A page of HTML.
    "html",
    # Half of the right JSON, with a length that fits; half of it, and then the connection ends.
    "truncated",
    "cut",
    # 302 to another address.
    "redirect",
    # Nothing for `seconds`, then 504.
    "silence",
    # The right answer, about another receipt.
    "wrong_receipt",
    # JSON of another shape: a list for an object, an object for a list.
    "wrong_shape",
    # A 200 without a byte.
    "empty",
]
RetryAfter: TypeAlias = (
    Annotated[int, Field(ge=0, le=86_400)]
    | Annotated[str, Field(max_length=64, pattern="^[ -~]*$")]
)


class ApiFault(BaseModel):
    """One way in which the APIs answer badly."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    answer: Answering = Field(
        default="error", description="what comes in the place of the right answer"
    )
    status: int | None = Field(
        default=None, ge=200, le=599, description="the status; 503 of an error, else that of it"
    )
    times: int | None = Field(
        default=None, ge=1, le=1_000_000, description="requests that it meets; null is all"
    )
    share: Share = Field(default=1.0, description="of the requests, by chance")
    retry_after: RetryAfter | None = Field(
        default=None, description="Retry-After: seconds, or an HTTP date as text"
    )
    seconds: float = Field(
        default=30.0, ge=0, le=600, description="how long a silence lasts, or an answer takes"
    )
    api: Literal["parley", "torch"] | None = Field(default=None, description="null is both")
    path: str = Field(
        default="", max_length=200, description="what the path begins with, as in `/v1/events`"
    )
    after: bool = Field(
        default=False, description="what was asked for is done first, so that only its answer fails"
    )

    def meets(self, api: str, path: str) -> bool:
        """Whether a request is one of those."""
        return self.api in {None, api} and path.startswith(self.path)


def _share(of: str) -> Any:
    return Field(default=0.0, ge=0, le=1, description=f"share of deliveries {of}")


class Faults(BaseModel):
    """Every switch, with what it is when nothing goes wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    # On its way.
    drop: float = _share("that are never sent")
    duplicate: float = _share("that come a second time, with the same id and Idempotency-Key")
    unsigned: float = _share("without signature and secret, at the first try")
    forged: float = _share("signed with another secret, at the first try")
    cut_short: float = _share("that lose half of their body, at the first try")
    reorder: bool = Field(default=False, description="deliveries come in any order")
    late: float = Field(
        default=0.0, ge=0, le=31_536_000, description="seconds before a delivery is first tried"
    )
    signed_once: bool = Field(
        default=False, description="retries carry the first signature; else each is signed again"
    )
    signature_age: float = Field(
        default=0.0, ge=0, le=315_360_000, description="seconds that a signature is old"
    )
    sign_compact: bool = Field(
        default=False,
        description="signs JSON.stringify of the body, and sends it with spaces, as the sample on "
        "Parley's page verifies it",
    )
    no_idempotency_key: bool = Field(default=False, description="deliveries have none")
    # What it says.
    no_id: bool = Field(default=False, description="bodies have no id")
    moving_times: bool = Field(
        default=False,
        description="Torch's last_status_at moves at each look, and each status is told twice",
    )
    unknown_words: bool = Field(
        default=False, description="statuses and categories are words that no page has"
    )
    unknown_types: bool = Field(default=False, description="event types are none of the six")
    renamed_fields: bool = Field(
        default=False, description="webhooks have other field names than the pages"
    )
    renamed_api_fields: bool = Field(
        default=False, description="answers of the APIs have other field names than the pages"
    )
    dateless: bool = Field(default=False, description="no time of a change is told")
    spanish: bool = Field(default=False, description="official texts are Spanish")
    # What the APIs know.
    partial_history: bool = Field(
        default=False, description="events has only the newer half of a history"
    )
    knows_all: bool = Field(
        default=False, description="a receipt that nobody has moved is a case that was received"
    )
    batch_whole: bool = Field(
        default=False,
        description="one unknown receipt makes a whole batch 404; else it is left out",
    )
    batch_shuffled: bool = Field(
        default=False, description="a batch answers in another order than asked"
    )
    api: ApiFault | list[ApiFault] | None = Field(
        default=None, description="the APIs answer badly; the first that meets a request counts"
    )

    def with_(self, changes: Mapping[str, Any]) -> "Faults":
        """Some switches set, and those that are null as they are by default.

        Raises:
            Problem: a name or a value is wrong.
        """
        for name in changes:
            if name not in Faults.model_fields:
                raise Problem.invalid(
                    "There is no such switch.", nearest(name, Faults.model_fields)
                )
        kept = self.changed | {name: value for name, value in changes.items() if value is not None}
        for name, value in changes.items():
            if value is None:
                kept.pop(name, None)
        try:
            return Faults.model_validate(kept)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Problem.invalid(f"{where}: {first['msg']}.") from None

    @property
    def changed(self) -> dict[str, Any]:
        """The switches that are not as they are by default."""
        return self.model_dump(exclude_defaults=True)

    @property
    def api_faults(self) -> list[ApiFault]:
        """What is wrong with the APIs, one by one."""
        if self.api is None:
            return []
        return self.api if isinstance(self.api, list) else [self.api]


class Switches(Faults):
    """`POST /control/faults`, as it is described: a switch that is null is as by default."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Each switch may be null, too."""
        described = handler.resolve_ref_schema(handler(core_schema))
        described["properties"] = {
            name: {"anyOf": [one, {"type": "null"}]}
            for name, one in described["properties"].items()
        }
        return described
