"""Messages to operations on what nobody acknowledged, and on what no longer reminds of it."""

from types import MappingProxyType

from casebell.ops_messages.base import NOT_SAID, OfCase

_HUSHED = MappingProxyType({"about": "A confidential case has news", "escalation": NOT_SAID})


class _OfEscalation(OfCase, frozen=True, kw_only=True):
    """Something about an escalation of a change."""

    unsaid = _HUSHED

    change: int
    escalation: str
    #: What the change is called, in words that may go to operations.
    about: str

    @property
    def key(self) -> str:
        """The change and the escalation."""
        return f"{self.change}:{self.escalation}"


class Unacknowledged(_OfEscalation, frozen=True, kw_only=True, tag="unacknowledged"):
    """Nobody acknowledged a change until its escalation stopped."""

    #: When it was decided whom to tell, as people read it.
    since: str
    #: How many reminders there were.
    reminders: int

    @property
    def urgent(self) -> bool:
        """Yes: nobody else is told any more."""
        return True


class EscalationRemoved(_OfEscalation, frozen=True, kw_only=True, tag="escalation_removed"):
    """The configuration no longer has an escalation, or its step, that ran."""

    change_is_urgent: bool

    @property
    def urgent(self) -> bool:
        """As the change is: nobody acknowledged it."""
        return self.change_is_urgent


class ReminderFailed(OfCase, frozen=True, kw_only=True, tag="reminder_failed"):
    """Reminding of a change failed, by a defect of ours; it is tried again."""

    unsaid = MappingProxyType({"about": "A confidential case has news"})

    change: int
    about: str

    @property
    def key(self) -> str:
        """The change."""
        return str(self.change)

    @property
    def urgent(self) -> bool:
        """Yes: those who were to be reminded were not."""
        return True
