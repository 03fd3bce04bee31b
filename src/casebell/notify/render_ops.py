"""Renders messages to operations and tests of channels: a title and lines for each topic."""

from casebell.alerts import Line, Message, Part
from casebell.notify.inert_text import quoted, without_markup
from casebell.notify.render import MAY_REPEAT
from casebell.notify.upstream_texts import FOR_OWNERS, UPSTREAM_TEXTS
from casebell.ops_messages import (
    CaseListMissing,
    CaseListProblems,
    CaseListUnusable,
    CertificateEnds,
    CertificateNotUsed,
    ChannelFailed,
    ChannelGone,
    ChannelTest,
    ConfigRejected,
    ConflictingDelivery,
    ContradictoryStatus,
    DeliveriesAuthentic,
    DeliveriesHeld,
    DeliveriesRefused,
    EscalationRemoved,
    EventUndecided,
    NewWording,
    NewWordings,
    Note,
    OpsMessage,
    ProviderTested,
    RefusalsPushedOut,
    ReminderFailed,
    RequestsRefused,
    RuleUndecided,
    SelfTest,
    SelfTestFailed,
    SourceHeard,
    SourceSilent,
    StorageFails,
    StorageWorks,
    StoreAltered,
    StoreCreated,
    Unacknowledged,
    UrgentAlertFailed,
)

#: Characters of a field in an operations message.
_MAX_FIELD = 800

#: By topic: a title and lines, with the message's fields by name. Fields are configured names, our
#: own words and numbers; they are made inert nevertheless.
OPS_TEXTS: dict[type[OpsMessage], tuple[str, tuple[str, ...]]] = {
    **UPSTREAM_TEXTS,
    DeliveriesHeld: (
        "Deliveries held: {source}",
        (
            "Source {source} sent deliveries that are authentic but could not be understood.",
            "New ones: {count}. Reason of the first: {reason}. {detail}",
            "They are kept, and nobody was alerted of what they say.",
            "Look at them: casebell held list. The first is {first_held}.",
            "After a fix in the configuration: casebell held release --all --reason {reason}",
        ),
    ),
    ProviderTested: (
        "Test from {source} arrived",
        (
            "Source {source} sent a test of its own. It is authentic, so the secret is right.",
            "It is held delivery {first_held}, and closed. There is nothing to do.",
            "Later tests are not told: casebell held list --state closed",
        ),
    ),
    DeliveriesRefused: (
        "Deliveries refused: {source}",
        (
            "{count} deliveries to source {source} were refused {how}.",
            "Errors: {errors}. {origin}",
            "Likely cause: {cause}",
            "What to do: {then}",
            "Nobody was alerted of what they say. What carried a proof is kept for a week.",
            "Look at one: {look}",
            "After a fix: casebell reload, then casebell refused readmit --all --source {source}",
            "What carried no proof, the provider must send again.",
        ),
    ),
    RequestsRefused: (
        "Requests to addresses of no source",
        (
            "{count} requests that may have been deliveries were refused since {since}.",
            "Errors: {errors}. {origin}",
            "Likely cause of the latest: {cause}",
            "What to do: {then}",
            "If no provider of yours is meant, a stranger is trying, and nothing needs doing.",
            "Look at one: {look}",
        ),
    ),
    DeliveriesAuthentic: (
        "Deliveries are authentic again: {source}",
        (
            "An authentic delivery of source {source} came.",
            "Before it {count} were refused in a row, of which you were told.",
            "Take in what carried a proof: casebell refused readmit --all --source {source}",
            "What carried none, the provider must send again.",
        ),
    ),
    RefusalsPushedOut: (
        "Refused deliveries are lost: {source}",
        (
            "So many deliveries to source {source} are refused that the oldest are forgotten.",
            "{count} are gone already that could have been readmitted, and more may follow.",
            "If they were genuine, the provider must send them again.",
            "Look at what is left, and at where it comes from: casebell refused list",
        ),
    ),
    ConflictingDelivery: (
        "Conflicting delivery from {source}",
        (
            "Source {source} sent other content under a key it had used before.",
            "New ones: {count}. The fields that differ: {fields}.",
            "The latest is event {event}, routed as well; the first stays as event {first_event}.",
            "Compare them: casebell why {first_event}",
            "Fields that say nothing of the case, as counters, belong in `volatile` of the source.",
        ),
    ),
    SourceSilent: (
        "Nothing comes from {source}",
        (
            "{last}. One is expected in every {expected}.",
            "A request for evidence that is not delivered looks just like this.",
            "Until deliveries come again, look your cases up at USCIS yourself.",
            "{started}",
            "See whether what it sends is refused: casebell refused list --source {source}",
            "See whether it can reach this server: casebell doctor, and your proxy's log.",
            "Ask the source whether it still has the address and the subscription.",
            "If so long a silence is usual: `expect_every` of the source, casebell reload.",
        ),
    ),
    SourceHeard: (
        "Deliveries come again: {source}",
        (
            "An authentic delivery of source {source} came {came}; there was none {last}.",
            "What it did not deliver meanwhile, it must send again: ask it whether it does.",
            "See what came: casebell events list --source {source}",
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
    NewWording: (
        "New wording from {source}",
        (
            "An official text is worded in a way that this release of Casebell does not know:",
            "“{text}”",
            "Changes with it so far: {changes}. The first is event {event}, from {source}.",
            "Whoever the rules name was alerted, and read that the wording is new.",
            "Say in the configuration what it means. For an answer that is owed:",
            "[[wordings]]",
            'says = "{says}"',
            'status = "other"',
            'tags = ["deadline"]',
            "Then: casebell reload. Without tags it is neither good nor bad.",
            'A step against the case, such as a revocation, has tags = ["adverse"].',
            "See who was alerted: casebell why {event}",
        ),
    ),
    NewWordings: (
        "Many new wordings",
        (
            "{count} more official texts are worded in ways that Casebell does not know.",
            "They are too many to be told one by one. The first of them is event {event}:",
            "“{text}”",
            "See them all: casebell events list --flag unknown_wording",
            "If they are no texts of USCIS, mend the source's `fields`: casebell why {event}",
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
            "See what was not sent: casebell alerts list --outstanding --channel {channel}",
            "After a fix: casebell channels test {channel}",
            "Then: casebell alerts retry --all --channel {channel}",
        ),
    ),
    StorageFails: (
        "Casebell cannot store deliveries",
        (
            "Nothing could be stored for {seconds} seconds. {reason}",
            "{hint}",
            "Deliveries are answered 503, so that their sources send them again.",
            "Nothing that was acknowledged is lost. New alerts wait.",
            "See how it stands: casebell doctor",
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
    StoreAltered: (
        "Somebody altered Casebell's database",
        (
            "The tables at {place} are not as Casebell made them: {differences}.",
            "Such things can swallow alerts, and no error shows it. Casebell goes on.",
            "See what was not told: casebell doctor",
            "Remove what is not Casebell's, or restore a backup (casebell restore FILE).",
        ),
    ),
    StoreCreated: (
        "Casebell began with a new, empty database",
        (
            "There was none at {place}, so a new one was made.",
            "On a first start that is as it should be, and nothing needs doing.",
            "If Casebell had run here before, its database is missing. Stop it, put the file back,",
            "or a backup in its place (casebell restore FILE), and start it again.",
            "Until then old deliveries count as new, and what waited is not sent.",
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
            "They were given up; see them: casebell alerts list --outstanding --channel {channel}",
            "Once the channel is back: casebell alerts retry --all --channel {channel}",
            "If it stays away: casebell alerts dismiss --all --channel {channel}",
        ),
    ),
    CertificateEnds: (
        "The certificate {state}",
        (
            "The certificate of Casebell's own TLS {state} ({ends_at}).",
            "No source can deliver with one that has ended.",
            "Renew it: Casebell uses the new files by itself within seconds, without a restart.",
            "See the one in use: casebell doctor",
        ),
    ),
    CertificateNotUsed: (
        "A renewed certificate cannot be used",
        (
            "The certificate or its key was changed on disk, and cannot be used: {reason}.",
            "Casebell goes on with the one it has, which ends at {ends_at}.",
            "See what is wrong: casebell check",
            "There is no need to restart: a pair that belongs together is used within seconds.",
        ),
    ),
    CaseListProblems: (
        "Lines of the list of cases were left out: {left_out}",
        (
            "The list of cases {file} was imported. Cases: {taken}. Lines left out: {left_out}.",
            "What these cases were, they are still; an alert may reach a former owner.",
            "See which lines, and why: casebell cases import {file} --dry-run",
        ),
    ),
    CaseListUnusable: (
        "The list of cases cannot be imported",
        (
            "The list of cases {file} was left there anew, and cannot be imported: {reason}",
            "The cases are as they were; an alert may reach a former owner.",
            "Try it: casebell cases import {file} --dry-run",
        ),
    ),
    CaseListMissing: (
        "The list of cases is missing",
        (
            "There is no list of cases at {file}, for longer than two looks at it.",
            "The cases are as they were; an alert may reach a former owner.",
            "See that the practice software still exports it there, or change [cases] file.",
        ),
    ),
    SelfTest: (
        "TEST: Casebell can reach you",
        (
            "This is a test message for channel {channel}, which Casebell sends by itself.",
            "Nothing was sent here for {silent_for}, and a way that is not used may have broken.",
            "No case is concerned; nothing needs doing.",
        ),
    ),
    SelfTestFailed: (
        "A self-test of channel {channel} failed",
        (
            "A test message to {target} over channel {channel} did not arrive: {reason}.",
            "{detail}",
            "Casebell sent it by itself, since nothing else was sent there for long.",
            "An alert would not arrive either. After a fix: casebell channels test {channel}",
            "See how its targets stand: casebell channels list",
        ),
    ),
    Unacknowledged: (
        "URGENT: nobody acknowledged a change",
        (
            "Nobody has acknowledged event {event}: {about}.",
            "It came {since}. Reminders since then: {reminders}. There are no more.",
            "Its escalation ({escalation}) ends with this.",
            "Please tell the people concerned yourself.",
            "See who was told, and when: casebell why {event}",
        ),
    ),
    EscalationRemoved: (
        "Nobody is reminded any more",
        (
            "Nobody has acknowledged event {event}: {about}.",
            "The configuration no longer has what its escalation ({escalation}) was to do next:",
            "nobody is reminded of it any more. Please see that somebody looks at it.",
            "See who was told, and when: casebell why {event}",
        ),
    ),
    ReminderFailed: (
        "Reminding people failed",
        (
            "People were to be reminded of event {event}: {about}. That failed.",
            "It is tried again. Please tell the people concerned yourself.",
            "See who was told, and when: casebell why {event}",
            "The log line followup.defect says where it failed.",
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


def render_ops(message: Note | None, *, may_repeat: bool = False) -> Message:
    """The message of an operations or test alert.

    Raises:
        LookupError: the stored message could not be read.
    """
    if not isinstance(message, OpsMessage):
        raise LookupError  # noqa: TRY004 - it is what is stored that is wrong
    title, lines = OPS_TEXTS[type(message)]
    safe = {
        name: quoted(without_markup(str(getattr(message, name))), limit=_MAX_FIELD)
        for name in message.__struct_fields__
    }
    told = [line.format_map(safe) for line in lines]
    sentence, *rest = [line for line in told if line]
    warnings = [Line(MAY_REPEAT, part=Part.WARNING)] if may_repeat else []
    body = [*warnings, Line(sentence, part=Part.SENTENCE), *map(Line, rest)]
    own_prefix = isinstance(message, ChannelTest | SelfTest)
    prefix = "" if own_prefix else "Casebell operations: "
    if isinstance(message, FOR_OWNERS):
        prefix = "Casebell: "
    return Message.of(prefix + title.format_map(safe), body, urgent=message.urgent)
