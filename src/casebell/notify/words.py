"""What an alert says of a change, as a table read from the top: the first row that fits speaks.

A title is shown on a locked phone; it is made of these words only, never of text from outside.
"""

from dataclasses import dataclass

from casebell.events import Status, Tag
from casebell.ops_messages import (
    ChannelFailed,
    ChannelGone,
    ChannelTest,
    ConfigRejected,
    ConflictingDelivery,
    ContradictoryStatus,
    DeliveriesHeld,
    DeliveriesRefused,
    EventUndecided,
    OpsMessage,
    RuleUndecided,
    StorageFails,
    StorageWorks,
    UrgentAlertFailed,
)


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

#: Operations messages: a title and lines, with the message's fields by name. Fields are configured
#: names, our own words and numbers; they are made inert all the same.
OPS_WORDS: dict[type[OpsMessage], tuple[str, tuple[str, ...]]] = {
    DeliveriesHeld: (
        "Deliveries held: {source}",
        (
            "Source {source} sent deliveries that are authentic but could not be understood.",
            "New ones: {count}. Reason of the first: {reason}. {detail}",
            "They are kept, and nobody was alerted of what they say.",
            "Look at them: casebell held list",
            "After a fix in the configuration: casebell held release {first_held}",
        ),
    ),
    DeliveriesRefused: (
        "Deliveries refused: {source}",
        (
            "Deliveries to source {source} carried a wrong signature or secret.",
            "New ones: {count}. A secret was mistyped or changed, or somebody is forging.",
            "They are kept for a week, and nobody was alerted of what they say.",
            "Look at them: casebell refused list --source {source}",
            "After a fix of the secret: casebell reload",
            "Then check them again: casebell refused readmit --all --source {source}",
        ),
    ),
    ConflictingDelivery: (
        "Conflicting delivery from {source}",
        (
            "Source {source} sent other content under a key it had used before.",
            "The first stays as event {first_event}; the other is event {event}, routed as well.",
            "Compare them: casebell why {first_event}",
        ),
    ),
    ContradictoryStatus: (
        "Contradictory status from {source}",
        (
            "Source {source} delivered event {event} with parts that contradict each other.",
            "Delivered status: “{delivered_status}”. Event type: “{event_type}”.",
            "Taken as: {taken_as}.",
            "See what was decided: casebell why {event}",
        ),
    ),
    EventUndecided: (
        "An event could not be decided about",
        (
            "Event {event} is stored, but deciding about it failed.",
            "It is tried again every minute.",
            "Look at it now: casebell events show {event}",
            "The log line event.defect says where it failed.",
        ),
    ),
    RuleUndecided: (
        "A rule could not be decided",
        (
            "Rule “{rule}” could not be decided for event {event}, so it counted as matching.",
            "Whoever it notifies was told. Other events may be concerned, too.",
            "See what was decided: casebell why {event}",
            "This is a defect of Casebell: please report the rule and the event's text.",
        ),
    ),
    ConfigRejected: (
        "A new configuration cannot be used",
        (
            "Casebell cannot use its configuration as it is now (SHA-256 {config_sha256:.12}…).",
            "Nothing changed: it goes on with the configuration it had.",
            "Problems: {problems}. The first:",
            "{first_problem}",
            "See them all: casebell check",
            "After a fix: casebell reload",
        ),
    ),
    ChannelFailed: (
        "Channel {channel} fails",
        (
            "Channel {channel} could not deliver to {target}: {reason}.",
            "{detail}",
            "See what was not sent: casebell alerts list --state failed",
            "After a fix: casebell channels test {channel}, then casebell alerts retry {alert}",
        ),
    ),
    StorageFails: (
        "Casebell cannot store deliveries",
        (
            "The storage has refused to be written for {seconds} seconds.",
            "Deliveries are answered 503, so that their sources send them again.",
            "Nothing that was acknowledged is lost. New alerts wait.",
            "Look at the disk and the database: casebell doctor",
            "There is no need to restart: Casebell goes on by itself.",
        ),
    ),
    StorageWorks: (
        "Casebell stores deliveries again",
        (
            "The storage can be written again, after {seconds} seconds.",
            "Sources send again what they were refused; casebell events list shows what came.",
        ),
    ),
    UrgentAlertFailed: (
        "URGENT: an alert was not delivered",
        (
            "An urgent alert could not be delivered to {target} over channel {channel}: {reason}.",
            "{detail}",
            "It spoke of event {event}: {about}. Please tell the people concerned yourself.",
            "See the event: casebell why {event}",
            "After a fix: casebell alerts retry {alert}",
        ),
    ),
    ChannelGone: (
        "Channel {channel} is gone",
        (
            "Alerts waited for channel {channel}, which is no longer in the configuration.",
            "They were given up; see them: casebell alerts list --state failed",
            "Once the channel is back: casebell alerts retry {alert}",
        ),
    ),
    ChannelTest: (
        "TEST: Casebell can reach you",
        (
            "This is a test message for channel {channel}.",
            "No case is concerned; nothing needs doing.",
        ),
    ),
}
