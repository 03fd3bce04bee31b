"""Senders of deliveries: how each proves itself and where its fields stand."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, SecretStr, field_validator

from casebell.events import Status
from casebell.settings.values import (
    Duration,
    FieldPaths,
    HeaderName,
    KnownStatus,
    Label,
    Networks,
    Part,
    Texts,
    as_list,
    complaint,
)

Method: TypeAlias = Literal["hmac", "shared-secret"]
Kind: TypeAlias = Literal["parley", "torch"]

#: How a kind proves itself where `auth` is not given; either may use either (B1).
USUAL_METHOD: dict[Kind, Method] = {"parley": "hmac", "torch": "shared-secret"}

DAY = 86_400.0


class Secret(Part):
    """One of a source's secrets; several make rotation possible (A9)."""

    #: What the log shows of it: recorded with each delivery, so that IT knows when it can go.
    label: Label
    value: SecretStr
    #: The only method it serves; None serves every method of the source.
    use: Method | None = None


class FieldMap(Part):
    """Where a body keeps each thing: dotted paths, the first that is present counts (B5, B6)."""

    id: FieldPaths = ("id", "event_id", "eventId", "data.id", "data.event_id", "data.eventId")
    type: FieldPaths = ("type", "event_type", "data.type")
    receipt: Annotated[FieldPaths, Field(min_length=1)] = (
        "receipt_number",
        "data.receipt_number",
        "receipt",
        "data.receipt",
    )
    #: One of the seven statuses.
    status: FieldPaths = ("normalized_status", "data.normalized_status")
    #: A free category that the category map turns into a status (B10).
    category: FieldPaths = ("status_category", "data.status_category")
    #: The official text.
    text: FieldPaths = (
        "raw_status_text",
        "status_text",
        "data.raw_status_text",
        "data.status_text",
    )
    #: When the change happened.
    occurred_at: FieldPaths = ("occurred_at", "data.occurred_at")
    #: When the provider last saw this state (B7).
    observed_at: FieldPaths = (
        "last_status_at",
        "last_updated_at",
        "data.last_status_at",
        "data.last_updated_at",
    )


def _usual_auth(fields: dict[str, Any]) -> tuple[Method, ...]:
    return (USUAL_METHOD[fields["kind"]],)


def _signature_header(fields: dict[str, Any]) -> str | None:
    """`header` where the signature is all there is, else S0's `Authorization` (A3)."""
    if "hmac" not in fields["auth"]:
        return None
    if fields["auth"] == ("hmac",) and fields["header"]:
        return str(fields["header"])
    return "Authorization"


def _secret_header(fields: dict[str, Any]) -> str | None:
    """`header` where the shared secret is all there is; there is no usual name (B1)."""
    return fields["header"] if fields["auth"] == ("shared-secret",) else None


class Source(Part):
    """A configured sender of deliveries."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    kind: Kind
    #: Independent of the body's shape: either kind may use either, or both (B1).
    auth: Annotated[tuple[Method, ...], as_list] = Field(
        default_factory=_usual_auth, min_length=1, max_length=2
    )
    #: With both methods: is one enough?
    require: Literal["any", "all"] = "any"
    #: Shortest secret in bytes of UTF-8 (A14).
    min_secret_bytes: int = Field(default=16, ge=1, le=4096)
    secrets: tuple[Secret, ...] = ()
    #: The header of the only method; with two methods name both headers instead.
    header: HeaderName | None = None
    #: Filled in after loading wherever `hmac` is in use.
    signature_header: HeaderName | None = Field(default_factory=_signature_header)
    #: Filled in after loading wherever `shared-secret` is in use.
    secret_header: HeaderName | None = Field(default_factory=_secret_header)
    #: Stands before the shared secret in its header: "Bearer " (B3).
    prefix: str = ""
    #: What the signature covers: the bytes received, or their JSON without spaces (A2).
    signed_body: Literal["raw", "compact-json"] = "raw"
    #: Age in seconds from which a signature is flagged as stale (A4).
    tolerance: Duration = Field(default=300.0, gt=0)
    #: Age in seconds from which a delivery is held (A5).
    max_age: Duration = Field(default=7 * DAY, gt=0)
    #: Refuse what `tolerance` and `max_age` would flag or hold (A5).
    strict: bool = False
    #: Addresses deliveries may come from; () is anywhere (B2).
    allow_from: Networks = ()
    fields: FieldMap = FieldMap()
    #: Delivered category, in lower case, to status; added to the built-in map (B10).
    categories: dict[str, KnownStatus] = Field(default_factory=dict[str, Status])
    #: Top-level fields that may differ between two deliveries of one event.
    volatile: Texts = ("sent_at", "last_checked_at", "delivered_at", "attempt")

    @field_validator("secrets", mode="before")
    @classmethod
    def _label_by_position(cls, value: object) -> object:
        """A secret without a label is called after its place: `secret-1`."""
        entries = value if isinstance(value, list | tuple) else [value]
        return [
            {"label": f"secret-{place}", **entry}
            if isinstance(entry, dict)
            else {"label": f"secret-{place}", "value": entry}
            if isinstance(entry, str | SecretStr)
            else entry
            for place, entry in enumerate(entries, start=1)
        ]

    @field_validator("categories")
    @classmethod
    def _fold_categories(cls, value: dict[str, Status]) -> dict[str, Status]:
        """Categories are compared without regard to case."""
        folded = {category.strip().casefold(): status for category, status in value.items()}
        if len(folded) < len(value):
            raise complaint("Two of these categories are the same but for upper and lower case.")
        return folded
