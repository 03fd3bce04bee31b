"""What an alert says of a change, as a table read from the top: the first row that fits speaks.

A title is shown on a locked phone; it is made of these words only, never of text from outside.
"""

from dataclasses import dataclass

from casebell.events import Status, Tag


@dataclass(frozen=True, slots=True)
class Saying:
    """One row: what must hold, and the words for it."""

    when: Status | Tag
    title: str
    sentence: str


#: Most pressing first. A tag may say more than the status: a notice of intent to deny is `other`.
SAYINGS: tuple[Saying, ...] = (
    Saying(
        Status.RFE_ISSUED,
        "Request for Evidence issued",
        "USCIS issued a Request for Evidence. A response is owed within the time its notice sets.",
    ),
    Saying(
        Tag.DEADLINE,
        "USCIS notice with a deadline",
        "USCIS sent a notice that must be answered in time, such as an intent to deny or revoke.",
    ),
    Saying(Status.DENIED, "Case denied", "USCIS denied the case."),
    Saying(
        Tag.REJECTED,
        "Filing rejected",
        "USCIS sent the filing back without deciding it. This is not a denial.",
    ),
    Saying(
        Tag.ADVERSE,
        "Case took an adverse turn",
        "USCIS reports a step against the case, such as a revocation, termination or dismissal.",
    ),
    Saying(Status.INTERVIEW_SCHEDULED, "Interview scheduled", "USCIS scheduled an interview."),
    Saying(Status.APPROVED, "Case approved", "USCIS approved the case."),
    Saying(
        Status.RFE_RECEIVED,
        "RFE response received",
        "USCIS confirmed that it received the response to its Request for Evidence.",
    ),
    # Before appointments: a missed or cancelled one carries both tags.
    Saying(Tag.ACTION, "Action needed", "USCIS reports something that somebody must act upon."),
    Saying(
        Tag.APPOINTMENT,
        "USCIS appointment",
        "USCIS reports on an appointment: biometrics, an interview or an oath ceremony.",
    ),
    Saying(
        Tag.DECISION,
        "USCIS decision reported",
        "USCIS reports a decision. Only its notice says for certain which way it went.",
    ),
    Saying(Tag.CARD, "Card or document update", "USCIS reports on a card or document."),
    Saying(Status.RECEIVED, "Case received", "USCIS confirmed receipt of the case."),
    Saying(Status.OTHER, "Case status changed", "USCIS changed the status text of the case."),
)


def say(status: Status, tags: frozenset[Tag]) -> Saying:
    """The first row that fits."""
    return next(row for row in SAYINGS if row.when is status or row.when in tags)


#: What can be said of any change.
ANY_CHANGE = SAYINGS[-1]

#: Operations messages: topic -> (title, lines). `{0}`, `{1}`, … are the note's details in order.
#: Details are configured names, our own words and numbers; they are made inert all the same.
NOTES: dict[str, tuple[str, tuple[str, ...]]] = {
    "held": (
        "Deliveries held: {0}",
        (
            "Source {0} sent deliveries that are authentic but could not be understood.",
            "New ones: {2}. Reason of the first: {1}",
            "They are kept, and nobody was alerted of what they say.",
            "Look at them: casebell held list",
            "After a fix in the configuration: casebell held release {3}",
        ),
    ),
    "refusals": (
        "Deliveries refused: {0}",
        (
            "Deliveries to source {0} carried a signature or a secret that is not the right one.",
            "New ones: {1}. A secret was mistyped or changed, or somebody is forging.",
            "They are kept for a week, and nobody was alerted of what they say.",
            "Look at them: casebell refused list --source {0}",
            "After a fix of the secret: casebell reload",
            "Then check them again: casebell refused readmit --all --source {0}",
        ),
    ),
    "conflict": (
        "Conflicting delivery from {0}",
        (
            "Source {0} sent other content under a key it had used before.",
            "The first stays as event {1}; the other is kept as event {2} and was routed as well.",
            "Compare them: casebell why {1}",
        ),
    ),
    "status_conflict": (
        "Contradictory status from {0}",
        (
            "Source {0} delivered event {1} with parts that contradict each other.",
            "Delivered status: “{2}”. Event type: “{3}”. Taken as: {4}.",
            "See what was decided: casebell why {1}",
        ),
    ),
    "unroutable": (
        "An event could not be routed",
        (
            "Event {0} is stored, but deciding about it failed. It is tried again every minute.",
            "Look at it now: casebell events show {0}",
            "The log line event.defect says where it failed.",
        ),
    ),
    "rule_undecided": (
        "A rule could not be decided",
        (
            "Rule “{0}” could not be decided for event {1}, so it counted as matching.",
            "Whoever it notifies was told. Other events may be concerned, too.",
            "See what was decided: casebell why {1}",
            "This is a defect of Casebell: please report the rule and the event's text.",
        ),
    ),
    "config_rejected": (
        "A new configuration cannot be used",
        (
            "Casebell was asked to use its configuration as it is now (SHA-256 {2}…), and cannot.",
            "Nothing changed: it goes on with the configuration it had. Problems: {0}. The first:",
            "{1}",
            "See them all: casebell check",
            "After a fix: casebell reload",
        ),
    ),
    "channel_failed": (
        "Channel {0} fails",
        (
            "Channel {0} could not deliver to {1}: {2}.",
            "{3}",
            "See what was not sent: casebell alerts list --state failed",
            "After a fix: casebell channels test {0}, then casebell alerts retry {4}",
        ),
    ),
    "storage_fails": (
        "Casebell cannot store deliveries",
        (
            "The storage has refused to be written for {0} seconds.",
            "Deliveries are answered 503, so that their sources send them again.",
            "Nothing that was acknowledged is lost. New alerts wait.",
            "Look at the disk and the database: casebell doctor",
            "There is no need to restart: Casebell goes on by itself.",
        ),
    ),
    "storage_works": (
        "Casebell stores deliveries again",
        (
            "The storage can be written again, after {0} seconds.",
            "Sources send again what they were refused; casebell events list shows what came.",
        ),
    ),
    "urgent_failed": (
        "URGENT: an alert was not delivered",
        (
            "An urgent alert could not be delivered to {1} over channel {0}: {2}.",
            "{3}",
            "It spoke of event {5}: {6}. Please tell the people concerned yourself.",
            "See the event: casebell why {5}",
            "After a fix: casebell alerts retry {4}",
        ),
    ),
    "channel_gone": (
        "Channel {0} is gone",
        (
            "Alerts waited for channel {0}, which is no longer in the configuration.",
            "They were given up; see them: casebell alerts list --state failed",
            "Once the channel is back: casebell alerts retry {1}",
        ),
    ),
    "test": (
        "TEST: Casebell can reach you",
        ("This is a test message for channel {0}. No case is concerned; nothing needs doing.",),
    ),
}
