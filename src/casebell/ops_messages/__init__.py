"""What Casebell tells operations: one type for each topic, with named fields.

Each knows what makes it the same message, how often it may be told, and whether it is urgent. How
it reads is `notify.render_ops`'s matter; whom it reaches is `ops_targets`'s.
"""

import json
from typing import Any, Union

import msgspec

from casebell.json_text import encode
from casebell.ops_messages.base import Frequency, OfCase, OpsMessage
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
from casebell.ops_messages.server import (
    CertificateEnds,
    CertificateNotUsed,
    ConfigRejected,
    StorageFails,
    StorageWorks,
    StoreAltered,
    StoreCreated,
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


__all__ = [
    "TOPICS",
    "CaseListMissing",
    "CaseListProblems",
    "CaseListUnusable",
    "CertificateEnds",
    "CertificateNotUsed",
    "ChannelFailed",
    "ChannelGone",
    "ChannelTest",
    "ConfigRejected",
    "ConflictingDelivery",
    "ContradictoryStatus",
    "DeliveriesAuthentic",
    "DeliveriesHeld",
    "DeliveriesRefused",
    "EventUndecided",
    "Frequency",
    "NewWording",
    "NewWordings",
    "OfCase",
    "OpsMessage",
    "ProviderTested",
    "RefusalsPushedOut",
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
    "UrgentAlertFailed",
    "from_json",
    "to_json",
]
