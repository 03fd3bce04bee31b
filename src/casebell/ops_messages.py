"""What Casebell tells operations: one type for each topic, with named fields.

Each knows what makes it the same message, how often it may be told, and whether it is urgent. How
it reads is `notify.render_ops`'s matter; whom it reaches is `ops_targets`'s.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any, ClassVar, Self, Union

import msgspec

from casebell.json_text import encode

#: In the place of what a confidential case says.
_NOT_SAID = "not said of a confidential case"


class Frequency(StrEnum):
    """How often operations may hear the same message."""

    ONCE = "once"
    HOURLY = "hourly"


class OpsMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic"):
    """Something that operations must know."""

    frequency: ClassVar[Frequency] = Frequency.ONCE

    @property
    def topic(self) -> str:
        """The name of its type, as it is stored."""
        return str(self.__struct_config__.tag)

    @property
    def key(self) -> str:
        """What tells it from other messages of its topic."""
        return ""

    @property
    def urgent(self) -> bool:
        """Whether it is sent before ordinary alerts."""
        return False


class OfCase(OpsMessage, frozen=True, kw_only=True):
    """Something that operations must know, and that tells of an event of a case."""

    #: What is told in the place of fields once the case is confidential.
    unsaid: ClassVar[Mapping[str, str]]

    event: int

    def hushed(self) -> Self:
        """The message without what it says of the case."""
        return msgspec.structs.replace(self, **self.unsaid)


class DeliveriesHeld(OpsMessage, frozen=True, kw_only=True, tag="held"):
    """Deliveries are authentic but were not understood."""

    frequency = Frequency.HOURLY

    source: str
    reason: str
    #: Of the first of them.
    detail: str
    count: int
    first_held: int

    @property
    def key(self) -> str:
        """A source and a reason."""
        return f"{self.source}:{self.reason}"


class ProviderTested(OpsMessage, frozen=True, kw_only=True, tag="provider_test"):
    """A provider's own test arrived."""

    source: str
    first_held: int

    @property
    def key(self) -> str:
        """A source."""
        return self.source


class DeliveriesRefused(OpsMessage, frozen=True, kw_only=True, tag="refused"):
    """Deliveries of a source were refused, in a row or again and again."""

    source: str
    count: int
    #: Since when, and whether others were authentic meanwhile.
    how: str = "of late"
    #: Each error and how often.
    errors: str = "see below"
    #: From how many addresses they came.
    origin: str = ""
    #: The likely cause, and the next step.
    cause: str = "a secret was mistyped or changed, or somebody is forging."
    then: str = "see below."
    #: The command that tells more of one.
    look: str = "casebell refused list"
    #: How many messages on this source there were before.
    telling: int = 0

    @property
    def key(self) -> str:
        """A source and its message: `store.streaks` says how often one is due."""
        return f"{self.source}:{self.telling}"


class RequestsRefused(OpsMessage, frozen=True, kw_only=True, tag="requests_refused"):
    """Requests that may have been deliveries were refused, and no source can be told from them."""

    count: int
    since: str
    errors: str
    origin: str
    cause: str
    then: str
    look: str
    telling: int

    @property
    def key(self) -> str:
        """The message: `store.streaks` says how often one is due."""
        return str(self.telling)


class DeliveriesAuthentic(OpsMessage, frozen=True, kw_only=True, tag="authentic"):
    """A source's deliveries authenticate again, after operations heard that they did not."""

    source: str
    #: How many were refused in a row.
    count: int
    telling: int

    @property
    def key(self) -> str:
        """A source and the number of the message before."""
        return f"{self.source}:{self.telling}"


class RefusalsPushedOut(OpsMessage, frozen=True, kw_only=True, tag="pushed_out"):
    """Refused deliveries that could have been readmitted are gone, for others took their place."""

    frequency = Frequency.HOURLY

    source: str
    count: int

    @property
    def key(self) -> str:
        """A source."""
        return self.source


class ConflictingDelivery(OpsMessage, frozen=True, kw_only=True, tag="conflict"):
    """A source sent other content under keys that it had used before."""

    frequency = Frequency.HOURLY

    source: str
    #: Since the last message.
    count: int = 1
    #: The paths of the fields that differ.
    fields: str = "not recorded"
    #: Of the latest of them.
    first_event: int
    event: int

    @property
    def key(self) -> str:
        """A source."""
        return self.source


class ContradictoryStatus(OfCase, frozen=True, kw_only=True, tag="status_conflict"):
    """The parts of one delivery contradict each other."""

    frequency = Frequency.HOURLY
    unsaid = MappingProxyType(
        dict.fromkeys(("delivered_status", "event_type", "taken_as"), _NOT_SAID)
    )

    source: str
    delivered_status: str
    event_type: str
    taken_as: str

    @property
    def key(self) -> str:
        """A source and a contradiction; a digest, for its words come from outside."""
        words = json.dumps([self.delivered_status, self.event_type])
        return f"{self.source}:{sha256(words.encode()).hexdigest()[:16]}"


class EventUndecided(OpsMessage, frozen=True, kw_only=True, tag="event_undecided"):
    """Deciding about a stored event failed."""

    event: int

    @property
    def key(self) -> str:
        """The event."""
        return str(self.event)

    @property
    def urgent(self) -> bool:
        """Yes: the people whom it concerns have not been told."""
        return True


class RuleUndecided(OpsMessage, frozen=True, kw_only=True, tag="rule_undecided"):
    """A rule's expression gave no answer, so the rule counted as matching."""

    frequency = Frequency.HOURLY

    rule: str
    event: int

    @property
    def key(self) -> str:
        """The rule: one text may come again and again."""
        return self.rule


class NewWording(OfCase, frozen=True, kw_only=True, tag="new_wording"):
    """An official text is worded in a way that Casebell does not know."""

    unsaid = MappingProxyType({"text": _NOT_SAID, "says": "part of the text"})

    wording: str
    #: As it came.
    text: str
    #: What to look for in texts with this wording.
    says: str
    source: str
    #: With this wording, so far.
    changes: int

    @property
    def key(self) -> str:
        """The wording, whatever the case."""
        return self.wording


class NewWordings(OfCase, frozen=True, kw_only=True, tag="new_wordings"):
    """More wordings are new than operations are told of one by one."""

    frequency = Frequency.HOURLY
    unsaid = MappingProxyType({"text": _NOT_SAID})

    count: int
    text: str


class ConfigRejected(OpsMessage, frozen=True, kw_only=True, tag="config_rejected"):
    """A new configuration cannot be used."""

    config_sha256: str
    #: A digest of the file and of everything that is wrong, some of which may lie elsewhere.
    state: str
    problems: int
    first_problem: str

    @property
    def key(self) -> str:
        """The state of the file and its surroundings."""
        return self.state


class ChannelFailed(OpsMessage, frozen=True, kw_only=True, tag="channel_failed"):
    """A channel could not deliver an alert that another takes over, or that is not urgent."""

    frequency = Frequency.HOURLY

    channel: str
    target: str
    reason: str
    detail: str
    alert: int
    alert_is_urgent: bool

    @property
    def key(self) -> str:
        """A target and a reason, however many alerts fail."""
        return f"{self.channel}:{self.target}:{self.reason}"

    @property
    def urgent(self) -> bool:
        """As the alert is."""
        return self.alert_is_urgent


class ChannelGone(OpsMessage, frozen=True, kw_only=True, tag="channel_gone"):
    """Alerts waited for a channel that the configuration no longer has."""

    frequency = Frequency.HOURLY

    channel: str
    alert: int
    alert_is_urgent: bool

    @property
    def key(self) -> str:
        """The channel."""
        return self.channel

    @property
    def urgent(self) -> bool:
        """As the alert is."""
        return self.alert_is_urgent


class UrgentAlertFailed(OfCase, frozen=True, kw_only=True, tag="urgent_failed"):
    """An urgent alert could not be delivered, and no other channel takes it over."""

    unsaid = MappingProxyType({"about": "A confidential case has news"})

    channel: str
    target: str
    reason: str
    detail: str
    alert: int
    #: What the alert was about, in words that may go to operations.
    about: str

    @property
    def key(self) -> str:
        """The alert."""
        return str(self.alert)

    @property
    def urgent(self) -> bool:
        """Yes: operations must tell the people themselves."""
        return True


class StorageFails(OpsMessage, frozen=True, kw_only=True, tag="storage_fails"):
    """Nothing can be stored. Sent past the outbox, which cannot be written either."""

    seconds: int
    reason: str
    hint: str

    @property
    def urgent(self) -> bool:
        """Yes: deliveries are answered 503."""
        return True


class StorageWorks(OpsMessage, frozen=True, kw_only=True, tag="storage_works"):
    """The storage can be written again."""

    seconds: int


class StoreCreated(OpsMessage, frozen=True, kw_only=True, tag="store_created"):
    """There was no database, and a new one was made."""

    place: str
    #: Whether a server had run there before: then a file is missing.
    had_server: bool
    created_at: int

    @property
    def key(self) -> str:
        """The new database."""
        return str(self.created_at)

    @property
    def urgent(self) -> bool:
        """Where a server had run: what it stored is missing."""
        return self.had_server


class CertificateEnds(OpsMessage, frozen=True, kw_only=True, tag="certificate_ends"):
    """The server's certificate ends soon, or has ended."""

    ends_at: str
    #: "ends in 13 days", "has ended".
    state: str
    #: Days before the end at which this is told.
    stage: int

    @property
    def key(self) -> str:
        """The certificate, and how near its end is."""
        return f"{self.ends_at}:{self.stage}"

    @property
    def urgent(self) -> bool:
        """Where only days are left."""
        return self.stage <= 3


class CertificateNotUsed(OpsMessage, frozen=True, kw_only=True, tag="certificate_not_used"):
    """A renewed certificate lies on disk that cannot be used."""

    reason: str
    #: Of the one in use.
    ends_at: str

    @property
    def key(self) -> str:
        """The certificate that should have been replaced."""
        return self.ends_at


class CaseListProblems(OpsMessage, frozen=True, kw_only=True, tag="case_list_problems"):
    """The firm's list of cases was imported, but for some lines; once for each state of it."""

    file: str
    #: What identifies this state of the file.
    sha256: str
    taken: int
    left_out: int

    @property
    def key(self) -> str:
        """The file, as it is."""
        return self.sha256


class CaseListUnusable(OpsMessage, frozen=True, kw_only=True, tag="case_list_unusable"):
    """The firm's list of cases cannot be imported at all; once for each state of it."""

    file: str
    #: What identifies this state of the file; where it cannot be read, the reason and the day.
    state: str
    reason: str

    @property
    def key(self) -> str:
        """The file, as it is."""
        return self.state


class CaseListMissing(OpsMessage, frozen=True, kw_only=True, tag="case_list_missing"):
    """The firm's list of cases has not been there for long; once a day."""

    file: str
    #: The list that was imported last; "" where none was.
    last: str
    #: Since 1970: the same file may go a second time.
    day: int

    @property
    def key(self) -> str:
        """The file, since the last list, on this day."""
        return f"{self.last}:{self.day}"


class StoreAltered(OpsMessage, frozen=True, kw_only=True, tag="store_altered"):
    """Something in the database is not ours. Sent past the outbox, which it may swallow."""

    place: str
    differences: str

    @property
    def urgent(self) -> bool:
        """Yes: alerts may never be sent."""
        return True


class ChannelTest(OpsMessage, frozen=True, kw_only=True, tag="test"):
    """A marked test message that an operator asked for."""

    channel: str
    #: What makes this test one of its own.
    id: str

    @property
    def key(self) -> str:
        """The test."""
        return self.id


TOPICS: tuple[type[OpsMessage], ...] = (
    DeliveriesHeld,
    ProviderTested,
    DeliveriesRefused,
    RequestsRefused,
    DeliveriesAuthentic,
    RefusalsPushedOut,
    ConflictingDelivery,
    ContradictoryStatus,
    EventUndecided,
    RuleUndecided,
    NewWording,
    NewWordings,
    ConfigRejected,
    ChannelFailed,
    ChannelGone,
    UrgentAlertFailed,
    StorageFails,
    StorageWorks,
    StoreCreated,
    CertificateEnds,
    CertificateNotUsed,
    CaseListProblems,
    CaseListUnusable,
    CaseListMissing,
    StoreAltered,
    ChannelTest,
)
_ANY: Any = Union[TOPICS]  # noqa: UP007 - of a tuple


def to_json(message: OpsMessage) -> str:
    """A JSON object with the topic's name; lone surrogates, which no UTF-8 holds, are kept."""
    return encode(msgspec.to_builtins(message))


def from_json(stored: object) -> OpsMessage | None:
    """The message that was stored; None where it is of an unknown topic or lacks a field.

    Never an error: an alert that cannot be read would hold up all of its channel.
    """
    try:
        message: OpsMessage = msgspec.convert(json.loads(str(stored)), _ANY)
    except (ValueError, RecursionError):
        return None
    return message
