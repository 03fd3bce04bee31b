"""The vocabulary: what every other module talks about.

Times are UTC microseconds since the epoch (`Micros`); durations are seconds as floats. Every class
here is a frozen value: stages pass them on and never change them.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, dataclass_transform

import msgspec

#: UTC microseconds since 1970-01-01T00:00:00Z.
Micros: TypeAlias = int
#: As far as our numbers of rows go: 18 digits.
MAX_NUMBER = 10**18 - 1
#: Where a value stands in a body: names of fields, positions in lists.
Place: TypeAlias = tuple[str | int, ...]
#: What a body says: each value in one spelling, by its place. Equal contents say the same.
Content: TypeAlias = Mapping[Place, str]


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A value that nobody changes; a delivery makes several, at half the price of a dataclass."""


class Status(StrEnum):
    """Parley's seven-value taxonomy (API page, "Normalized status taxonomy")."""

    RECEIVED = "received"
    #: USCIS issued a Request for Evidence.
    RFE_ISSUED = "rfe_issued"
    #: USCIS confirmed receipt of the response to one.
    RFE_RECEIVED = "rfe_received"
    APPROVED = "approved"
    DENIED = "denied"
    INTERVIEW_SCHEDULED = "interview_scheduled"
    #: Anything that does not cleanly map to the above; the raw text says what.
    OTHER = "other"


class Tag(StrEnum):
    """Our own finer marks beside the status, computed from the text."""

    #: An answer is owed within a time that USCIS set: RFE, NOID, intent to revoke or terminate.
    DEADLINE = "deadline"
    #: Somebody must do something: an address, a missed appointment, a fee.
    ACTION = "action"
    #: The case took a turn against the client: denied, revoked, terminated, dismissed.
    ADVERSE = "adverse"
    #: USCIS decided, whichever way.
    DECISION = "decision"
    #: A date to appear: interview, biometrics, oath.
    APPOINTMENT = "appointment"
    #: A card or document is made, mailed, returned.
    CARD = "card"
    #: The filing was rejected: sent back, as a rule, without a decision.
    REJECTED = "rejected"
    #: A placeholder: USCIS shows nothing for the case.
    NO_INFO = "no_info"
    #: A staging receipt; goes to operations only.
    TEST = "test"


class Flag(StrEnum):
    """Something about a stored event that a reader should know.

    What each is for: docs/decisions/upstream.md, A4, B7, B8, C3, C5, C6, D4 and D13.
    """

    #: Validly signed, but the signed time was older than the source's tolerance.
    STALE_SIGNATURE = "stale_signature"
    #: The same key came with other content.
    CONFLICT = "conflict"
    #: The same state with a new observation time, or again without any time.
    REPEAT = "repeat"
    #: The provider's time had no zone and was read in the source's.
    NAIVE_TIME = "naive_time"
    #: The provider's time could not be read; kept as text.
    UNPARSED_TIME = "unparsed_time"
    #: The provider's time lies more than two days after receipt; kept as text, and orders nothing.
    FUTURE_TIME = "future_time"
    #: Event type and delivered status disagree; the more urgent one counts.
    STATUS_CONFLICT = "status_conflict"
    #: The delivered status and the official text disagree.
    TEXT_CONFLICT = "text_conflict"
    #: A later status of the case was already known when this arrived.
    LATE = "late"
    #: No row of the table of official texts reads this one: what it means is not known.
    UNKNOWN_WORDING = "unknown_wording"
    #: The state in which a case was found when it was looked at for the first time.
    BASELINE = "baseline"
    #: What had become of the case before that state.
    HISTORY = "history"


def is_first_look(flags: Collection[str]) -> bool:
    """Whether this was there before the case was looked at for the first time.

    It alerts nobody: somebody hears of all that was found so in one summary.
    """
    return Flag.BASELINE in flags or Flag.HISTORY in flags


class Origin(StrEnum):
    """How an event came."""

    WEBHOOK = "webhook"
    #: The provider's API told of it, and no webhook had.
    RECONCILED = "reconciled"


class KeyBasis(StrEnum):
    """What makes an event the same event."""

    #: The source's own event id, from the signed body.
    ID = "id"
    #: Canonical receipt and the UTC instant of the status.
    RECEIPT_TIME = "receipt+time"
    #: SHA-256 over source, receipt, text and body, where neither of the above exists.
    DIGEST = "digest"
    #: A conflicting body under a key that is taken: the key plus a digest of the content.
    REVISION = "revision"
    #: Receipt, time and a digest of status and text, of what the provider's API told.
    RECONCILED = "reconciled"


class TimeBasis(StrEnum):
    """What the provider's time means."""

    #: When the change occurred, as reported.
    OCCURRED = "occurred"
    #: When the provider last observed this state: it may move at every poll.
    OBSERVED = "observed"


class HeldState(StrEnum):
    """What became of a held delivery."""

    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"
    #: There was nothing to do about it.
    CLOSED = "closed"


class HeldReason(StrEnum):
    """Why an authentic delivery could not be understood (docs/decisions/upstream.md, D7 and D8)."""

    INVALID_JSON = "invalid_json"
    INVALID_ENCODING = "invalid_encoding"
    DUPLICATE_KEYS = "duplicate_keys"
    #: `payload=…`, as an HTML form is sent.
    FORM_ENCODED = "form_encoded"
    NOT_AN_OBJECT = "not_an_object"
    #: An array of more events than one body may hold.
    TOO_MANY_EVENTS = "too_many_events"
    MISSING_RECEIPT = "missing_receipt"
    INVALID_RECEIPT = "invalid_receipt"
    INVALID_FIELD = "invalid_field"
    #: No status, category or text stands under a known name, and the type implies nothing.
    MISSING_STATUS = "missing_status"
    #: Signed longer ago than the source's `max_age`.
    SIGNATURE_TOO_OLD = "signature_too_old"
    #: Signed further in the future than the source's `tolerance`.
    SIGNATURE_IN_FUTURE = "signature_in_future"
    #: A provider's own test, without a receipt: kept, and closed at once.
    PROVIDER_TEST = "provider_test"


class Delivery(Value):
    """One HTTP POST from somebody who says to be a source. Nothing in it is trusted yet."""

    source: str
    #: The exact bytes received.
    body: bytes
    #: Header names in lower case, in the order received, repeats included.
    headers: tuple[tuple[bytes, bytes], ...]
    #: The peer's address, after trusted proxies; "" when unknown.
    address: str
    received_at: Micros
    request_id: str


class VerifiedDelivery(Value):
    """A delivery whose sender is proven.

    Only `casebell.receive.signatures` makes these, and what asks the provider itself.
    """

    delivery: Delivery
    #: Label of the secret that matched; several, joined by "+", where `require = "all"`.
    secret_label: str
    flags: frozenset[Flag] = frozenset()
    #: Set when the signature is valid but its time is out of bounds: hold, do not act.
    hold: HeldReason | None = None
    origin: Origin = Origin.WEBHOOK


class CaseEvent(Value):
    """One distinct thing a source told us, unique per (source, key) for ever."""

    source: str
    key: str
    key_basis: KeyBasis
    #: The source's event type, "" when it sent none; unknown types are data.
    type: str
    #: Canonical: three ASCII letters, ten digits.
    receipt: str
    receipt_raw: str
    #: The status or category exactly as delivered; None when absent.
    delivered_status: str | None
    #: The category exactly as delivered, where a status stands beside it.
    delivered_category: str | None
    #: The official text, verbatim.
    text: str
    #: The provider's time of the status; None when absent or unreadable.
    occurred_at: Micros | None
    #: The provider's time as delivered.
    occurred_raw: str | None
    time_basis: TimeBasis | None
    received_at: Micros
    #: What receiving found.
    flags: frozenset[Flag]
    body: bytes
    #: Lower-case hex.
    body_sha256: str
    secret_label: str
    address: str
    idempotency_key: str | None
    request_id: str
    origin: Origin


class ClassifiedEvent(CaseEvent):
    """An event with the status that counts; its flags include those of its classification."""

    status: Status
    #: Our own finer marks.
    tags: frozenset[Tag]


class AppendOutcome(StrEnum):
    """What the event log did with an event; the `status` of a 200 answer."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Case(Value):
    """What the firm knows of a receipt beside its status; empty where it told us nothing."""

    receipt: str
    label: str = ""
    matter: str = ""
    #: A person's id, name or e-mail address, or another text.
    owner: str = ""
    team: str = ""
    confidential: bool = False
    #: Where an owner who is no person of the configuration reads mail.
    owner_email: str = ""
    form: str = ""


class Absence(NamedTuple):
    """Somebody is away."""

    until: Micros
    #: The id of who hears, too.
    stand_in: str


#: By the id of who is away.
Absences: TypeAlias = Mapping[str, Absence]
NOBODY_IS_AWAY: Absences = MappingProxyType({})


class Change(Value):
    """One real movement of a case; several events may report it."""

    id: int
    receipt: str
    status: Status
    tags: frozenset[Tag]
    #: Normalised official text; tells changes of status `other` apart.
    text_key: str
    #: Provider time of the first event, or its time of receipt where the provider gave none.
    at: Micros
    #: The latest provider time any of its events carried; repeats move it on.
    seen_until: Micros


class Undecided(Value):
    """A stored event without a decision: just now, or since its decision failed."""

    id: int
    event: CaseEvent
    #: The event under whose key this conflicting body came.
    revision_of: int | None
