"""The JSON values of docs/contract.md: the keys of each, and a function that makes it of a row.

A value is a dict that JSON can be made of as it is. Times are RFC 3339 in UTC. The description of
the API is made of these types, so a key is named here once.
"""

from casebell.shapes.alerts import (
    Alert,
    AlertExplained,
    Attempt,
    ByHand,
    Escalation,
    Explanation,
    alert,
    attempt,
    by_hand,
    escalation,
)
from casebell.shapes.deliveries import (
    Held,
    HeldInShort,
    Refused,
    held,
    held_in_short,
    refused,
)
from casebell.shapes.described import described
from casebell.shapes.events import (
    Change,
    Conflict,
    DecisionInShort,
    DeliveryOfEvent,
    Event,
    EventWithBody,
    EventWithDeliveries,
    ToBeNotified,
    body,
    change,
    conflict,
    delivered,
    event,
    event_with_body,
)
from casebell.shapes.followed import Acknowledgement, Owed
from casebell.shapes.journal import JournalEntry, entry

__all__ = [
    "Acknowledgement",
    "Alert",
    "AlertExplained",
    "Attempt",
    "ByHand",
    "Change",
    "Conflict",
    "DecisionInShort",
    "DeliveryOfEvent",
    "Escalation",
    "Event",
    "EventWithBody",
    "EventWithDeliveries",
    "Explanation",
    "Held",
    "HeldInShort",
    "JournalEntry",
    "Owed",
    "Refused",
    "ToBeNotified",
    "alert",
    "attempt",
    "body",
    "by_hand",
    "change",
    "conflict",
    "delivered",
    "described",
    "entry",
    "escalation",
    "event",
    "event_with_body",
    "held",
    "held_in_short",
    "refused",
]
