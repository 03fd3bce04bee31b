"""What Casebell tells operations, and what reminders tell: a type for each, with named fields.

Each knows what makes it the same message, how often it may be told, and whether it is urgent. How
it reads is `notify.render_ops`'s matter; whom it reaches is `ops_targets`'s. `reminders` has what
is stored with an alert for the people of a case.
"""

import json
from typing import Any, Union

import msgspec

from casebell.json_text import encode
from casebell.ops_messages.base import Frequency, Note, OfCase, OpsMessage
from casebell.ops_messages.case_list import CaseListMissing, CaseListProblems, CaseListUnusable
from casebell.ops_messages.channels import (
    ChannelFailed,
    ChannelGone,
    ChannelTest,
    SelfTest,
    SelfTestFailed,
    UrgentAlertFailed,
)
from casebell.ops_messages.deliveries import (
    DeliveriesAuthentic,
    DeliveriesHeld,
    DeliveriesRefused,
    ProviderTested,
    RefusalsPushedOut,
    RequestsRefused,
    SourceHeard,
    SourceSilent,
)
from casebell.ops_messages.events import (
    ConflictingDelivery,
    ContradictoryStatus,
    EventUndecided,
    NewWording,
    NewWordings,
    RuleUndecided,
)
from casebell.ops_messages.follow_up import EscalationRemoved, ReminderFailed, Unacknowledged
from casebell.ops_messages.reminders import DUE, UNSEEN, DateNear, Unseen
from casebell.ops_messages.server import (
    CertificateEnds,
    CertificateNotUsed,
    ConfigRejected,
    StorageFails,
    StorageWorks,
    StoreAltered,
    StoreCreated,
)
from casebell.ops_messages.upstream import (
    CasesNotLookedAt,
    ChangesMissed,
    FirstLooks,
    FirstLooksOfOwner,
    ReconciliationWaits,
    UpstreamFails,
    UpstreamWorks,
)

TOPICS: tuple[type[OpsMessage], ...] = (
    DeliveriesHeld,
    ProviderTested,
    DeliveriesRefused,
    RequestsRefused,
    DeliveriesAuthentic,
    RefusalsPushedOut,
    SourceSilent,
    SourceHeard,
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
    SelfTest,
    SelfTestFailed,
    Unacknowledged,
    EscalationRemoved,
    ReminderFailed,
    FirstLooks,
    FirstLooksOfOwner,
    ChangesMissed,
    CasesNotLookedAt,
    ReconciliationWaits,
    UpstreamFails,
    UpstreamWorks,
    ChannelTest,
)
#: What is stored with a reminder.
REMINDERS: tuple[type[Note], ...] = (Unseen, DateNear)
_ANY: Any = Union[(*TOPICS, *REMINDERS)]


def to_json(message: Note) -> str:
    """A JSON object with the topic's name; lone surrogates, which no UTF-8 holds, are kept."""
    return encode(msgspec.to_builtins(message))


def from_json(stored: object) -> Note | None:
    """The message that was stored; None where it is of an unknown topic or lacks a field.

    Never an error: an alert that cannot be read would hold up all of its channel.
    """
    try:
        message: Note = msgspec.convert(json.loads(str(stored)), _ANY)
    except (ValueError, RecursionError):
        return None
    return message


__all__ = [
    "DUE",
    "REMINDERS",
    "TOPICS",
    "UNSEEN",
    "CaseListMissing",
    "CaseListProblems",
    "CaseListUnusable",
    "CasesNotLookedAt",
    "CertificateEnds",
    "CertificateNotUsed",
    "ChangesMissed",
    "ChannelFailed",
    "ChannelGone",
    "ChannelTest",
    "ConfigRejected",
    "ConflictingDelivery",
    "ContradictoryStatus",
    "DateNear",
    "DeliveriesAuthentic",
    "DeliveriesHeld",
    "DeliveriesRefused",
    "EscalationRemoved",
    "EventUndecided",
    "FirstLooks",
    "FirstLooksOfOwner",
    "Frequency",
    "NewWording",
    "NewWordings",
    "Note",
    "OfCase",
    "OpsMessage",
    "ProviderTested",
    "ReconciliationWaits",
    "RefusalsPushedOut",
    "ReminderFailed",
    "RequestsRefused",
    "RuleUndecided",
    "SelfTest",
    "SelfTestFailed",
    "SourceHeard",
    "SourceSilent",
    "StorageFails",
    "StorageWorks",
    "StoreAltered",
    "StoreCreated",
    "Unacknowledged",
    "Unseen",
    "UpstreamFails",
    "UpstreamWorks",
    "UrgentAlertFailed",
    "from_json",
    "to_json",
]
