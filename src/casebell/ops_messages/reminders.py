"""What a reminder tells beside the change of which it reminds."""

from casebell.ops_messages.base import Note

#: How the subjects of alerts begin that remind of what nobody acknowledged, and of a typed date.
UNSEEN, DUE = "reminder:", "due:"


class Unseen(Note, frozen=True, kw_only=True, tag="unseen"):
    """Nobody has acknowledged a change."""

    change: int
    #: Of the configuration.
    escalation: str
    #: From 1.
    step: int
    #: How often this step was taken before.
    repetition: int
    #: Which reminder of the change it is, from 1; and how many there are: 0 where the last one
    #: comes again.
    number: int
    of: int
    #: When it was decided whom to tell of the change: UTC microseconds.
    began_at: int
    #: When reminders end, whoever has seen it: UTC microseconds.
    stops_at: int
    #: Who hears next, and when: "email-partners, Mon 10:00 AM EST".
    then: str

    @property
    def subject(self) -> str:
        """What its alerts are about, once for each target."""
        return f"{UNSEEN}{self.change}:{self.escalation}:{self.step}:{self.repetition}"


class DateNear(Note, frozen=True, kw_only=True, tag="date_near"):
    """A date draws near that a person typed from the notice."""

    change: int
    #: ISO 8601.
    due: str
    #: Days before it at which this reminds.
    days: int
    #: Who typed it, as people read it.
    entered_by: str
    #: A second person confirmed it.
    confirmed: bool

    @property
    def subject(self) -> str:
        """What its alerts are about, once for each target."""
        return f"{DUE}{self.change}:{self.due}:{self.days}"
