"""What a change is called, and what that means: a title and a sentence of our own words."""

from collections.abc import Set
from dataclasses import dataclass

from casebell.events import Flag, Status, Tag
from casebell.uscis.classify import classify_text


@dataclass(frozen=True, slots=True)
class Headline:
    """What changes of a kind are called, and what that means."""

    #: Also the id of a row of `statuses.toml`, for what only the text tells.
    when: Status | Tag | Flag | str
    title: str
    sentence: str
    #: That somebody must answer; "" where nothing is owed.
    owed: str = ""
    #: The title where a message needs a shorter one: a locked phone shows some 40 characters, and
    #: the receipt must be among them.
    short: str = ""

    @property
    def subject(self) -> str:
        """What the title of a message says."""
        return self.short or self.title


#: Most urgent first. A tag may say more than the status: a notice of intent to deny is `other`.
HEADLINES: tuple[Headline, ...] = (
    Headline(
        Status.RFE_ISSUED,
        "Request for Evidence issued",
        "USCIS issued a Request for Evidence.",
        owed="A response is owed within the time its notice sets.",
        short="RFE issued",
    ),
    Headline(
        Tag.DEADLINE,
        "USCIS notice with a deadline",
        "USCIS sent a notice that may have to be answered in time, such as an intent to deny or "
        "revoke.",
        owed="The notice says whether a response is owed, and within which time.",
        short="Notice with deadline",
    ),
    Headline(Status.DENIED, "Case denied", "USCIS denied the case."),
    Headline(
        Tag.REJECTED,
        "Filing rejected",
        "USCIS rejected the filing. Its notice says why, and whether it can be filed again.",
    ),
    Headline(
        Tag.ADVERSE,
        "Case took an adverse turn",
        "USCIS reports a step against the case, such as a revocation, termination or dismissal.",
        short="Adverse turn",
    ),
    Headline(Status.INTERVIEW_SCHEDULED, "Interview scheduled", "USCIS scheduled an interview."),
    Headline(Status.APPROVED, "Case approved", "USCIS approved the case."),
    Headline(
        Status.RFE_RECEIVED,
        "RFE response received",
        "USCIS confirmed that it received the response to its Request for Evidence.",
        short="RFE answer received",
    ),
    # Before appointments: a missed or cancelled one carries both tags.
    Headline(Tag.ACTION, "Action needed", "USCIS reports something that somebody must act upon."),
    Headline(
        Tag.APPOINTMENT,
        "USCIS appointment",
        "USCIS reports on an appointment: biometrics, an interview or an oath ceremony.",
    ),
    Headline(
        Tag.DECISION,
        "USCIS decision reported",
        "USCIS reports a decision. Only its notice says for certain which way it went.",
        short="Decision reported",
    ),
    Headline(
        Tag.CARD,
        "Card or document update",
        "USCIS reports on a card or document.",
        short="Card or document",
    ),
    Headline(Status.RECEIVED, "Case received", "USCIS confirmed receipt of the case."),
    Headline(Status.OTHER, "Case status changed", "USCIS changed the status text of the case."),
)
#: The headline of a change of which nothing is known but its text.
NEW_WORDING = Headline(
    Flag.UNKNOWN_WORDING,
    "New USCIS wording: read it",
    "USCIS reports something in words that are new to Casebell. They may ask for an answer in time "
    "or tell of a decision: read them.",
    short="New wording: read it",
)
#: The headline of an unknown change.
ANY_CHANGE = HEADLINES[-1]


#: All that is said of a confidential case.
CONFIDENTIAL = Headline(
    "confidential",
    "A confidential case has news",
    "A confidential case has news: only Casebell's own pages say what.",
)
#: The same of a reminder: that nobody has acknowledged its news, or that it is time to look at it.
CONFIDENTIAL_UNSEEN = Headline(
    "confidential",
    "Unseen news of a confidential case",
    "A confidential case has news that nobody has acknowledged: only Casebell's own pages say "
    "what.",
    short="Unseen: a confidential case",
)
CONFIDENTIAL_DUE = Headline(
    "confidential",
    "A confidential case needs a look",
    "A confidential case needs a look: only Casebell's own pages say why.",
    short="Look at a confidential case",
)
#: What only the text tells, by the row of `statuses.toml` that reads it.
OF_TEXTS: tuple[Headline, ...] = (
    Headline("reopened", "Case reopened", "USCIS reopened the case, to consider it again."),
    Headline(
        "withdrawn",
        "Case withdrawal",
        "USCIS reports that the case was withdrawn, or that somebody asked to withdraw it.",
    ),
    Headline(
        "closed",
        "Case closed",
        "USCIS closed the case. That may be a step against it: only its notice says why.",
    ),
    Headline(
        "closed-by-other-means",
        "Case closed",
        "USCIS closed the case, since what it asked for was received through other means.",
    ),
    Headline("transferred", "Case transferred", "USCIS transferred the case to another office."),
    Headline("on-hold", "Case on hold", "USCIS reports that the case is on hold."),
)
#: What a text may speak in place of: none that denies, revokes or rejects is among them.
_LEFT_TO_TEXTS = frozenset({Status.OTHER, Tag.ADVERSE})
#: Tags that change no words.
_SILENT = frozenset({Tag.TEST, Tag.NO_INFO})


def headline_of(
    status: Status, tags: Set[Tag], flags: Set[Flag] = frozenset(), text: str = ""
) -> Headline:
    """The first headline whose status or tag the change has; of a few texts, their own.

    No Request for Evidence is claimed where the text says something else, such as an intent to
    deny, whose time to answer is shorter.

    Args:
        text: the official one; "" where it is not known.
    """
    said: set[Status | Tag] = {status, *tags}
    if status is Status.RFE_ISSUED and Flag.TEXT_CONFLICT in flags:
        said = {*tags, Tag.DEADLINE}
    found = next(row for row in HEADLINES if row.when in said)
    if found is ANY_CHANGE and Flag.UNKNOWN_WORDING in flags:
        return NEW_WORDING
    return _of_text(text, tags, found) if found.when in _LEFT_TO_TEXTS else found


def _of_text(text: str, tags: Set[Tag], otherwise: Headline) -> Headline:
    """The text's own headline, if the table reads all of it and the change has no other tags."""
    reading = classify_text(text)
    same = reading.status is Status.OTHER and reading.tags == tags - _SILENT
    if not (same and reading.complete):
        return otherwise
    return next((row for row in OF_TEXTS if row.when == reading.row), otherwise)
