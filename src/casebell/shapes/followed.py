"""The JSON of what people said of a change once it was told."""

from typing_extensions import TypedDict

from casebell.shapes.described import described


@described
class Acknowledgement(TypedDict):
    """Somebody said that they have seen a change."""

    at: str
    actor: str
    """As the journal has it: `link:jchan`, `account:ana`, `token:practice`, `cli:root`."""
    by: str | None
    """Who it was, as claimed on the command line."""
    person: str | None
    """The id of who it was; of a link that of to whom it was sent."""
    who: str
    """In words: `the link sent to jchan`."""
    note: str


@described
class Owed(TypedDict):
    """What a change asks for: the date that people typed, and whether it is answered."""

    deadline: bool
    """Whether an answer is owed in time, which USCIS then reports to have received."""
    due: str | None
    """The date that a person typed from the notice, as `2026-12-24`. Casebell computes none."""
    due_by: str | None
    """Who typed it, in words."""
    due_entered_at: str | None
    due_confirmed: bool
    """Whether a second person typed or confirmed the same."""
    due_confirmed_by: str | None
    due_confirmed_at: str | None
    answered_at: str | None
    answered_by: str | None
    """Who said so, in words; `change 12` where the source reported it."""
