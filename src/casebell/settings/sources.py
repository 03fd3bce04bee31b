"""The models of sources: authentication and field maps."""

import base64
import binascii
import contextlib
import dataclasses
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from casebell.events import Status
from casebell.kinds import KINDS, Fields, Method
from casebell.settings.time_zones import TimeZone
from casebell.settings.values import (
    Duration,
    FieldPaths,
    HeaderName,
    KnownStatus,
    Label,
    Networks,
    Part,
    as_list,
    complaint,
    nearest,
)

DAY = 86_400.0
#: The path to which sources post, each with its name behind it.
WEBHOOKS = "/webhooks/"
#: What Svix and Standard Webhooks write before the base64 of a secret.
SIGNING_PREFIX = "whsec_"
#: Counters of attempts and times of sending, as senders of webhooks name them.
VOLATILE = (
    *("sent_at", "sentAt", "delivered_at", "deliveredAt", "last_checked_at", "lastCheckedAt"),
    *("attempt", "attempts", "attempt_number", "attemptNumber", "retry_count", "retryCount"),
)


def decoded(text: str) -> bytes:
    """The bytes of base64, of either alphabet, with or without padding, `v1,` and `whsec_`.

    Raises:
        ValueError: it is none.
    """
    bare = text.strip().removeprefix("v1,").removeprefix(SIGNING_PREFIX)
    plain = bare.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        raise ValueError("This is no base64.") from None


class SourceSecret(Part):
    """One secret of a source; several allow rotation."""

    #: Its name in logs. Recorded with each delivery, so that IT knows when it is no longer in use.
    label: Label
    value: SecretStr
    #: The only method that it is for; None: for every method of the source.
    use: Method | None = None
    #: How `value` stands for the key that signs; None is "text", and `check` may ask.
    encoding: Literal["text", "base64"] | None = None

    @property
    def signing_key(self) -> bytes:
        """The key of signatures.

        Raises:
            ValueError: it is no base64, which `checks` finds.
        """
        text = self.value.get_secret_value()
        return decoded(text) if self.encoding == "base64" else text.encode()

    def bytes_for(self, method: str) -> bytes:
        """The key of signatures, or the text that a header carries; none for what is no base64."""
        if method == "hmac":
            with contextlib.suppress(ValueError):
                return self.signing_key
            return b""
        return self.value.get_secret_value().encode()


#: The field names of both providers' documentation.
_USUAL = Fields()


class FieldMap(Part):
    """The paths of fields in a body; see `casebell.kinds.Fields`."""

    id: FieldPaths = _USUAL.id
    type: FieldPaths = _USUAL.type
    receipt: Annotated[FieldPaths, Field(min_length=1)] = _USUAL.receipt
    status: FieldPaths = _USUAL.status
    category: FieldPaths = _USUAL.category
    text: FieldPaths = _USUAL.text
    occurred_at: FieldPaths = _USUAL.occurred_at
    observed_at: FieldPaths = _USUAL.observed_at


def _known_kind(value: str) -> str:
    if value not in KINDS:
        known = " or ".join(map(repr, KINDS))
        raise complaint(f"This must be {known}.", hint=nearest(value, KINDS))
    return value


def _usual_auth(fields: dict[str, Any]) -> tuple[Method, ...]:
    return (KINDS[fields["kind"]].auth,)


def _usual_fields(fields: dict[str, Any]) -> FieldMap:
    return FieldMap(**dataclasses.asdict(KINDS[fields["kind"]].fields))


def _signature_header(fields: dict[str, Any]) -> str | None:
    """`header` if the signature is the only method, else the kind's default."""
    if "hmac" not in fields["auth"]:
        return None
    if fields["auth"] == ("hmac",) and fields["header"]:
        return str(fields["header"])
    return KINDS[fields["kind"]].signature.header


def _secret_header(fields: dict[str, Any]) -> str | None:
    """`header` if the shared secret is the only method; there is no default."""
    return fields["header"] if fields["auth"] == ("shared-secret",) else None


class SourceSettings(Part):
    """A configured sender of deliveries."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    kind: Annotated[str, AfterValidator(_known_kind)]
    #: By default the kind's method. Any kind may use either method, or both.
    auth: Annotated[tuple[Method, ...], as_list] = Field(
        default_factory=_usual_auth, min_length=1, max_length=2
    )
    #: With both methods: whether one suffices.
    require: Literal["any", "all"] = "any"
    #: Least bytes of a secret, in UTF-8.
    min_secret_bytes: int = Field(default=16, ge=1, le=4096)
    secrets: tuple[SourceSecret, ...] = ()
    #: The header of the only method; with two methods name both headers instead.
    header: HeaderName | None = None
    #: Filled in after loading wherever `hmac` is in use.
    signature_header: HeaderName | None = Field(default_factory=_signature_header)
    #: Filled in after loading wherever `shared-secret` is in use.
    secret_header: HeaderName | None = Field(default_factory=_secret_header)
    #: Text before the shared secret in its header, such as "Bearer ".
    prefix: str = ""
    #: The text that is signed: the bytes received, or their JSON without spaces.
    signed_body: Literal["raw", "compact-json"] = "raw"
    #: Age in seconds from which a signature is flagged as stale.
    tolerance: Duration = Field(default=300.0, gt=0)
    #: Age in seconds from which a delivery is held.
    max_age: Duration = Field(default=7 * DAY, gt=0)
    #: Refuse what `tolerance` and `max_age` would flag or hold.
    strict: bool = False
    #: Addresses deliveries may come from; () is anywhere.
    allow_from: Networks = ()
    #: Of times that come without one.
    timezone: TimeZone = "UTC"
    #: Seconds of silence after which operations are told; None: never.
    expect_every: Duration | None = Field(default=None, ge=60)
    #: Each field that is not given is the kind's own.
    fields: FieldMap = Field(default_factory=_usual_fields)
    #: Delivered category, in lower case, to status; overrides the vocabulary of the kinds.
    categories: dict[str, KnownStatus] = Field(default_factory=dict[str, Status])
    #: Paths of fields that may differ between two deliveries of one event. A name without a dot is
    #: meant at top level and in `data`.
    volatile: FieldPaths = VOLATILE

    @field_validator("fields", mode="before")
    @classmethod
    def _complete_fields(cls, value: object, info: ValidationInfo) -> object:
        kind = KINDS.get(info.data.get("kind", ""))
        if kind is None or not isinstance(value, dict):
            return value
        return dataclasses.asdict(kind.fields) | value

    @field_validator("secrets", mode="before")
    @classmethod
    def _label_by_position(cls, value: object) -> object:
        """A secret without a label is labelled by its position: `secret-1`."""
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
        """Categories are compared case-insensitively."""
        folded = {category.strip().casefold(): status for category, status in value.items()}
        if len(folded) < len(value):
            raise complaint("Two of these categories are the same but for upper and lower case.")
        return folded
