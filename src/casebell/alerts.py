"""The vocabulary of alerts: the decision that asks for them, and what becomes of each.

As in `casebell.events`, times are UTC microseconds, and every class is a frozen value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Self

from casebell.events import Change, ClassifiedEvent, Micros, Value
from casebell.ops_messages import Note, SelfTest


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
    #: The proxy that leads out wants other credentials: nothing was sent.
    PROXY_AUTH_FAILED = "proxy_auth_failed"
    #: It cannot be reached, or did not connect: nothing was sent.
    PROXY_FAILED = "proxy_failed"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    AUTH_FAILED = "auth_failed"
    NOT_FOUND = "not_found"
    RECIPIENT_REFUSED = "recipient_refused"
    REJECTED = "rejected"
    #: The channel or target is no longer in the configuration.
    TARGET_GONE = "target_gone"
    #: The case is confidential, and this target is not one person.
    CONFIDENTIAL = "confidential"
    #: Retried for longer than the channel's `max_age`.
    GAVE_UP = "gave_up"
    #: No failure: it waits, to go in one message with others.
    GROUPED = "grouped"
    #: No failure: it waits until the channel's calendar opens.
    QUIET_HOURS = "quiet_hours"
    #: No failure: it waits, to go in the channel's digest.
    DIGEST = "digest"
    #: No failure: it was not sent, for somebody acknowledged or answered the change before.
    ACKNOWLEDGED = "acknowledged"
    #: No failure: it was sent, to the channel of `alerts.pilot` alone.
    PILOT = "pilot"
    #: The process ended while sending.
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


class Wait(NamedTuple):
    """What an alert waits for."""

    until: Micros
    reason: FailureReason


@dataclass(frozen=True, kw_only=True, slots=True)
class SendResult:
    """What one attempt came to, in words that are safe to store and show."""

    outcome: Outcome
    reason: FailureReason | None = None
    #: Seconds the service asked us to wait.
    retry_after: float | None = None
    #: One line for operators; capped, without secrets, URLs or message text.
    detail: str = ""
    #: It went to the pilot, and says nothing of the alert's own target.
    diverted: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the service took the message."""
        return self.outcome in (Outcome.SENT, Outcome.ACCEPTED)


class Part(StrEnum):
    """What a line is to its reader: a channel that can set a page shows each as such."""

    #: What happened.
    SENTENCE = "sentence"
    #: What the reader must know before acting on the others.
    WARNING = "warning"
    #: About the case.
    FACT = "fact"
    #: An address alone on its line; the line before says what it opens.
    LINK = "link"
    #: The same of one that says that it was seen: beside the first, and plainer.
    ACKNOWLEDGE = "acknowledge"
    #: One of several things that a message tells; its link and what else is of it follow.
    ITEM = "item"
    #: For whoever runs Casebell.
    DETAIL = "detail"
    FOOTER = "footer"
    #: An empty line, or one that parts the reader's lines from those of IT.
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a message, and what becomes of it on a service that takes less."""

    text: str
    #: The lines with the highest number are the first to be left out; 0 is kept.
    spare: int = 0
    #: What stands for it where that does not suffice; "" leaves it out.
    short: str | None = None
    part: Part = Part.FACT


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """An alert for a program: what a channel posts beside the message for people."""

    #: The same at each attempt, and of no other alert.
    id: str
    kind: "AlertKind"
    created_at: Micros
    #: JSON values of docs/contract.md; without an event where the alert tells of none.
    alert: Mapping[str, Any] = field(repr=False)
    event: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A rendered alert: plain text only; channels escape for their service."""

    #: Our own words, the receipt and configured names; the firm's own words for a case, inert.
    title: str
    #: Lines of plain text; a link stands on its own line. One may have a secret in its address.
    body: str = field(repr=False)
    #: The same lines, where they may be left out or shortened.
    lines: tuple[Line, ...] = field(default=(), compare=False, repr=False)
    #: The title where a service takes less of it: without the firm's own words. "" for `title`.
    short_title: str = field(default="", compare=False)
    #: Whether it goes before others, and is marked so where a service can.
    urgent: bool = field(default=False, compare=False)
    #: The same at each attempt, and of no other message of any database; "" where nothing has it.
    id: str = field(default="", compare=False)
    #: The same for all messages of one case, and tells nothing of it; "" where there is no case.
    thread: str = field(default="", compare=False)
    #: For a channel that hands it to a program.
    payload: Payload | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, title: str, lines: Iterable[Line], *, urgent: bool, short_title: str = "") -> Self:
        """A message whose lines say what a service that takes less may leave out."""
        given = tuple(lines)
        return cls(
            title=title,
            body="\n".join(line.text for line in given),
            lines=given,
            short_title=short_title,
            urgent=urgent,
        )


class AlertState(StrEnum):
    """Where an alert is on its way; `sent` and `failed` are final."""

    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    #: Waits on purpose: the channel is paused or quiet.
    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"


#: What a recipient that is looked up begins with; the rest says whom it means.
PERSONAL = "@"
OWNER, TEAM, OF_TEAM = "@owner", "@team", "@team:"
#: `addressed_as` of whom a case without an owner, or a team without people, reaches.
UNASSIGNED = "unassigned"
#: The same of operations, where no rule tells anybody.
OPERATIONS = "operations"


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
    #: A change that nobody has acknowledged, or a date that draws near.
    REMINDER = "reminder"
    #: What waited for it, or that nothing happened.
    DIGEST = "digest"
    #: Something operations must know: held, conflicts, failures.
    OPS = "ops"
    #: A marked test message (`casebell channels test`).
    TEST = "test"


#: What tells of cases, and may be told in a digest.
OF_CASES = frozenset({AlertKind.CASE, AlertKind.REMINDER})


class Waits(NamedTuple):
    """What ordinary alerts of a channel wait for at some moment; None where they may go."""

    cases: Wait | None = None
    #: Those that tell operations something.
    messages: Wait | None = None

    def of(self, kind: str) -> Wait | None:
        """What one of a kind waits for; a test and a digest never do."""
        if kind in OF_CASES:
            return self.cases
        return self.messages if kind == AlertKind.OPS else None


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
    #: The same of when it was due, where it waited for its hours.
    due_at: Micros | None = None
    #: The channel that failed, where this alert stands in for another.
    stands_in_for: str | None = None
    #: The id of who is told by name.
    person: str | None = None
    #: Why this target: "@owner", "@team:rfe", `UNASSIGNED`, `OPERATIONS`; "" for an address that
    #: the configuration has by itself.
    addressed_as: str = ""
    #: What a message to operations, a test or a reminder tells; None for a case alert, or where
    #: this release cannot read it.
    note: Note | None = field(default=None, repr=False)
    #: The number of the first of those with which it went in one message before.
    together: int | None = None
    #: Those that go in one message with it, for the same target.
    others: "tuple[Alert, ...]" = ()

    @property
    def is_test_by_hand(self) -> bool:
        """Whether somebody asked for this test, and waits for its result."""
        return self.kind is AlertKind.TEST and not isinstance(self.note, SelfTest)

    @property
    def due_since(self) -> Micros:
        """Since when it might have been sent; `max_age` counts from then."""
        return self.retried_at or self.due_at or self.created_at


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
    #: What a message to operations, a test or a reminder tells.
    note: Note | None = field(default=None, repr=False)
    #: The channel that failed, where this alert stands in for another.
    stands_in_for: str | None = None
    #: The id of who is told by name.
    person: str | None = None
    #: Why this target: "@owner", "@team:rfe", `UNASSIGNED`, `OPERATIONS`; "" for an address that
    #: the configuration has by itself.
    addressed_as: str = ""
    #: The id of who is away, and for whom this person hears.
    for_absent: str | None = None


class Asked(Value):
    """What a change asks for."""

    #: An answer is owed in time; USCIS reports that it received one.
    deadline: bool
    #: It is told urgently.
    urgent: bool


class Escalating(Value):
    """An escalation that a change begins."""

    name: str
    #: When its first step is due.
    due_at: Micros
    #: Whether its reminders are urgent: the change is.
    urgent: bool


class Answers(StrEnum):
    """What of the queue a change answers."""

    NOTHING = "nothing"
    #: What has a deadline, where that is one change: USCIS does not say which of several.
    DEADLINES = "deadlines"
    EVERYTHING = "everything"


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
    confidential: bool = False
    #: What its change asks for, where it waits in the queue for an answer.
    asked: Asked | None = None
    #: Who hears of it again while nobody acknowledges it.
    escalations: tuple[Escalating, ...] = ()
    #: What in the queue it answers, of what its case was asked before.
    answers: Answers = Answers.NOTHING

    @property
    def status_in_log(self) -> str | None:
        """The status; None of a confidential case: whoever reads logs may not read of it."""
        return None if self.confidential else self.event.status.value
