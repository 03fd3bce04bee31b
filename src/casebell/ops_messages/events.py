"""Messages to operations on what events say, and on deciding about them."""

import json
from hashlib import sha256
from types import MappingProxyType

from casebell.ops_messages.base import NOT_SAID, Frequency, OfCase, OpsMessage


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
        dict.fromkeys(("delivered_status", "event_type", "taken_as"), NOT_SAID)
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

    unsaid = MappingProxyType({"text": NOT_SAID, "says": "part of the text"})

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
    unsaid = MappingProxyType({"text": NOT_SAID})

    count: int
    text: str
