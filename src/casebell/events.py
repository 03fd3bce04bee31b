"""The vocabulary: what every other module talks about.

Times are UTC microseconds since the epoch (`Micros`); durations are seconds as floats. Every class
here is a frozen value: stages pass them on and never change them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, dataclass_transform

import msgspec

from casebell.ops_messages import OpsMessage

#: UTC microseconds since 1970-01-01T00:00:00Z.
Micros: TypeAlias = int


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
    #: The filing was sent back unprocessed; this is not a denial.
    REJECTED = "rejected"
    #: A placeholder: USCIS shows nothing for the case.
    NO_INFO = "no_info"
    #: A staging receipt; goes to operations only.
    TEST = "test"


class Flag(StrEnum):
    """Something about a stored event that a reader should know.

    What each is for: docs/decisions/upstream.md, A4, B7, B8, C3, C5, C6 and D4.
    """

    #: Validly signed, but the signed time was older than the source's tolerance.
    STALE_SIGNATURE = "stale_signature"
    #: The same key came with other content.
    CONFLICT = "conflict"
    #: The same state with a new observation time.
    REPEAT = "repeat"
    #: The provider's time had no zone and was read as UTC.
    NAIVE_TIME = "naive_time"
    #: The provider's time could not be read; kept as text.
    UNPARSED_TIME = "unparsed_time"
    #: Event type and delivered status disagree; the more urgent one counts.
    STATUS_CONFLICT = "status_conflict"
    #: The delivered status and the official text disagree.
    TEXT_CONFLICT = "text_conflict"
    #: A later status of the case was already known when this arrived.
    LATE = "late"


class KeyBasis(StrEnum):
    """What makes an event the same event."""

    #: The source's own event id, from the signed body.
    ID = "id"
    #: Canonical receipt and the UTC instant of the status.
    RECEIPT_TIME = "receipt+time"
    #: SHA-256 over source, receipt, text and body, where neither of the above exists.
    DIGEST = "digest"
    #: A conflicting body under a key that is taken: the key plus a digest of the body.
    REVISION = "revision"


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


class HeldReason(StrEnum):
    """Why an authentic delivery could not be understood (docs/decisions/upstream.md, D7 and D8)."""

    INVALID_JSON = "invalid_json"
    INVALID_ENCODING = "invalid_encoding"
    DUPLICATE_KEYS = "duplicate_keys"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_RECEIPT = "missing_receipt"
    INVALID_RECEIPT = "invalid_receipt"
    INVALID_FIELD = "invalid_field"
    #: No status, category or text stands under a known name, and the type implies nothing.
    MISSING_STATUS = "missing_status"
    #: Signed longer ago than the source's `max_age`.
    SIGNATURE_TOO_OLD = "signature_too_old"
    #: Signed further in the future than the source's `tolerance`.
    SIGNATURE_IN_FUTURE = "signature_in_future"


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
    """A delivery whose origin is proven. Only `casebell.receive.signatures` makes these."""

    delivery: Delivery
    #: Label of the secret that matched; several, joined by "+", where `require = "all"`.
    secret_label: str
    flags: frozenset[Flag] = frozenset()
    #: Set when the signature is valid but its time is out of bounds: hold, do not act.
    hold: HeldReason | None = None


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
    owner: str = ""
    team: str = ""
    confidential: bool = False


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


class DecisionOutcome(StrEnum):
    """What came of a routed event."""

    NOTIFIED = "notified"
    NOBODY = "nobody"
    #: It reports a change that was decided before.
    SAME_CHANGE = "same_change"


class Outcome(StrEnum):
    """The kinds of answer a channel can give to one attempt."""

    #: The service confirmed the message.
    SENT = "sent"
    #: The service queued it and will not say more (Teams workflows).
    ACCEPTED = "accepted"
    #: It did not arrive, and trying again is safe.
    RETRYABLE = "retryable"
    #: The service asked for a pause; the whole channel waits.
    RATE_LIMITED = "rate_limited"
    #: Credentials were refused; trying again will not help.
    AUTH = "auth"
    #: The service will never take this message.
    PERMANENT = "permanent"
    #: It may have arrived: the next attempt says "may repeat".
    AMBIGUOUS = "ambiguous"


class FailureReason(StrEnum):
    """The closed set of reasons shared by retry, metrics and texts."""

    CONNECTION_REFUSED = "connection_refused"
    NAME_NOT_RESOLVED = "name_not_resolved"
    #: No connection within the time allowed: nothing was sent.
    CONNECT_TIMEOUT = "connect_timeout"
    #: Connected, then no answer in time: the message may have arrived.
    TIMEOUT = "timeout"
    #: Connected, then cut off: the message may have arrived.
    CONNECTION_LOST = "connection_lost"
    TLS_FAILED = "tls_failed"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    AUTH_FAILED = "auth_failed"
    NOT_FOUND = "not_found"
    RECIPIENT_REFUSED = "recipient_refused"
    REJECTED = "rejected"
    #: The channel or target is no longer in the configuration.
    TARGET_GONE = "target_gone"
    #: Retried for longer than the channel's `max_age`.
    GAVE_UP = "gave_up"
    #: The process ended while sending.
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class SendResult:
    """What one attempt came to, in words that are safe to store and show."""

    outcome: Outcome
    reason: FailureReason | None = None
    #: Seconds the service asked us to wait.
    retry_after: float | None = None
    #: One line for operators; capped, without secrets, URLs or message text.
    detail: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the service took the message."""
        return self.outcome in (Outcome.SENT, Outcome.ACCEPTED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A rendered alert: plain text only; channels escape for their service."""

    #: Our own words and configured names only, never text from outside.
    title: str
    #: Lines of plain text; a link stands on its own line.
    body: str


class AlertState(StrEnum):
    """Where an alert is on its way; `sent` and `failed` are final."""

    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    #: Waits on purpose: the channel is paused or quiet.
    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class NextState:
    """Where an attempt leaves its alert."""

    state: AlertState
    not_before: Micros
    may_repeat: bool
    reason: FailureReason | None
    #: Seconds for which nothing goes to any target of the channel: the service asked for a pause.
    channel_pause: float = 0.0


class AlertKind(StrEnum):
    """What an alert tells, and to whom."""

    #: A change of a case, for the people a rule names.
    CASE = "case"
    #: Something operations must know: held, conflicts, failures.
    OPS = "ops"
    #: A marked test message (`casebell channels test`).
    TEST = "test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One message for one target of one channel, as the dispatcher claims it."""

    id: int
    kind: AlertKind
    #: What it tells, once per channel and target: "change:12", "held:parley:…".
    subject: str
    channel: str
    #: A safe label: an address or a service's name, never a URL.
    target: str
    #: Names of the rules that asked for it.
    rules: tuple[str, ...]
    urgent: bool
    #: Attempts begun so far, the claimed one included.
    attempts: int
    created_at: Micros
    #: An earlier attempt may have arrived.
    may_repeat: bool
    #: The event and the change a case alert speaks of.
    event_id: int | None
    change_id: int | None
    #: When an operator last asked to try again: `max_age` counts from then.
    retried_at: Micros | None = None
    #: The channel that failed, where this alert stands in for another.
    stands_in_for: str | None = None
    #: What an operations or test message tells; None for a case alert, or where it is unreadable.
    note: OpsMessage | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAlert:
    """An alert to be put into the outbox; one for each subject, channel and target, for ever."""

    kind: AlertKind
    subject: str
    channel: str
    target: str
    urgent: bool
    rules: tuple[str, ...] = ()
    change_id: int | None = None
    event_id: int | None = None
    #: What an operations or test message tells.
    note: OpsMessage | None = field(default=None, repr=False)
    #: The channel that failed, where this alert stands in for another.
    stands_in_for: str | None = None


class Decided(Value):
    """What was decided about an event, and what follows from it."""

    id: int
    #: With the flags that folding found.
    event: ClassifiedEvent
    outcome: DecisionOutcome
    #: The change that it founds or reports, as it is now.
    change: Change
    #: The decision as JSON values, where it founds a change.
    decision: Mapping[str, Any] | None
    #: Provider time of the event, or its time of receipt where the provider gave none.
    at: Micros
    #: A later status of the case was known already.
    late: bool
    #: The case's current status is this event's from now on.
    current: bool
    #: Why it founds or reports this change, as a sentence.
    reason: str
    alerts: tuple[NewAlert, ...]
