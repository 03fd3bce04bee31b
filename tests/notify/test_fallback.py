"""Who is told when an alert could not be delivered."""

from typing import Any

from casebell.alerts import Alert, AlertKind, FailureReason, Message, NewAlert, Outcome, SendResult
from casebell.events import Absence, Case
from casebell.notify.fallback import FallbackPolicy, fall_back
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import ChannelFailed, UrgentAlertFailed
from casebell.ops_targets import OpsTargets
from casebell.people.roster import Recipients, Roster
from casebell.settings.models import PersonSettings
from contracts.rosters import roster_of

HOUR = 3_600_000_000
NOW = 489_019 * HOUR + 1
TARGETS = {
    "slack": ("general",),
    "email": ("rfe@example-firm.com", "it@example-firm.com"),
    "ops-mail": ("it@example-firm.com",),
    "ops-chat": ("alarms",),
}
POLICY = FallbackPolicy(
    roster=roster_of(TARGETS),
    fallbacks={"slack": "email"},
    ops=OpsTargets.on(("ops-mail", "ops-chat"), targets=TARGETS),
)
REFUSED = SendResult(
    outcome=Outcome.AUTH, reason=FailureReason.AUTH_FAILED, detail="HTTP 403: invalid_auth"
)


def alert(**fields: Any) -> Alert:
    """An urgent alert of a change on Slack."""
    return Alert(
        **{
            "id": 7,
            "kind": AlertKind.CASE,
            "subject": "change:3",
            "channel": "slack",
            "target": "general",
            "rules": ("RFE issued",),
            "urgent": True,
            "attempts": 1,
            "created_at": NOW,
            "may_repeat": False,
            "event_id": 12,
            "change_id": 3,
            **fields,
        }
    )


def follow(failed: Alert, *, now: int = NOW, policy: FallbackPolicy = POLICY) -> list[NewAlert]:
    """What follows from its failure."""
    return fall_back(
        policy,
        failed,
        result=REFUSED,
        reason="auth_failed",
        about="Request for Evidence issued",
        now=now,
    )


def ops(new: list[NewAlert]) -> list[NewAlert]:
    """Those for operations."""
    return [one for one in new if one.kind is AlertKind.OPS]


def as_claimed(new: NewAlert) -> Alert:
    """What the dispatcher will have in hand."""
    return alert(
        kind=new.kind,
        subject=new.subject,
        channel=new.channel,
        target=new.target,
        rules=new.rules,
        urgent=new.urgent,
        note=new.note,
        event_id=new.event_id,
        change_id=new.change_id,
    )


def rendered(new: NewAlert) -> Message:
    """How it will read."""
    assert new.note is not None
    return render_ops(new.note)


def test_each_target_of_the_fallback_stands_in() -> None:
    """The fallback's targets get the same change under the same subject, as urgent as it was."""
    new = [one for one in follow(alert()) if one.kind is AlertKind.CASE]
    assert new == [
        NewAlert(
            kind=AlertKind.CASE,
            subject="change:3",
            channel="email",
            target=target,
            urgent=True,
            rules=("RFE issued",),
            change_id=3,
            event_id=12,
            stands_in_for="slack",
        )
        for target in ("rfe@example-firm.com", "it@example-firm.com")
    ]


def test_who_stands_in_on_the_fallback() -> None:
    """Hears for whom is away there, too, and is not taken for the owner."""
    people = {name: PersonSettings(id=name, name=name) for name in ("jchan", "kim")}
    addresses = {name: f"{name}@example-firm.com" for name in people}
    channels = {
        "slack": Recipients(to=("general",)),
        "email": Recipients(to=("@owner",), addresses=addresses),
    }
    roster = Roster(people=people, channels=channels)
    new = fall_back(
        FallbackPolicy(roster=roster, fallbacks={"slack": "email"}, ops=OpsTargets(targets=())),
        alert(),
        result=REFUSED,
        reason="auth_failed",
        about="",
        now=NOW,
        case=Case(receipt="IOE0912345678", owner="jchan"),
        away={"jchan": Absence(NOW + 1, "kim")},
    )
    assert [(one.person, one.addressed_as, one.for_absent) for one in new] == [
        ("jchan", "@owner", None),
        ("kim", "@owner", "jchan"),
    ]


def test_operations_hear_of_the_channel() -> None:
    """Where somebody stands in, operations hear of the failing channel: who, why, what to do."""
    told = ops(follow(alert()))
    assert [(one.channel, one.target) for one in told] == [
        ("ops-mail", "it@example-firm.com"),
        ("ops-chat", "alarms"),
    ]
    message = rendered(told[0])
    assert message.title == "Casebell operations: Channel slack fails"
    assert message.body == (
        "Channel slack could not deliver to general: auth_failed.\n"
        "HTTP 403: invalid_auth\n"
        "See what was not sent: casebell alerts list --outstanding --channel slack\n"
        "After a fix: casebell channels test slack\n"
        "Then: casebell alerts retry --all --channel slack"
    )


def test_the_channel_is_told_of_once_an_hour() -> None:
    """However many alerts fail alike, their messages share a subject until the hour is over."""
    first, second = (ops(follow(alert(id=number)))[0].subject for number in (7, 8))
    later = ops(follow(alert(), now=NOW + HOUR))[0].subject
    other = ops(follow(alert(target="random")))[0].subject
    assert first == second
    assert len({first, later, other}) == 3


def test_an_ordinary_message_hides_no_urgent_one() -> None:
    """It may wait until Monday for the hours of its channel; the urgent one goes now."""
    ordinary, urgent = (ops(follow(alert(id=7 + one, urgent=bool(one))))[0] for one in (0, 1))
    assert (ordinary.urgent, urgent.urgent) == (False, True)
    assert ordinary.subject != urgent.subject


def test_an_urgent_alert_that_nobody_takes_over_is_told_by_itself() -> None:
    """Operations hear of each one, and of what it was about, so that they can tell the people."""
    told = ops(follow(alert(channel="email", target="rfe@example-firm.com")))
    assert [one.subject for one in told] == ["urgent_failed:7"] * 2
    assert all(one.urgent for one in told)
    message = rendered(told[0])
    assert message.title == "Casebell operations: URGENT: an alert was not delivered"
    assert "It spoke of event 12: Request for Evidence issued." in message.body
    assert "casebell alerts retry 7" in message.body


def test_an_ordinary_alert_that_nobody_takes_over_counts_with_its_channel() -> None:
    """What is not urgent is told as a failure of its channel."""
    (first, _) = ops(follow(alert(channel="email", urgent=False)))
    assert isinstance(first.note, ChannelFailed)
    assert not first.urgent


def test_who_failed_is_not_asked_to_tell_of_it() -> None:
    """A message about a target's failure does not go to that target."""
    told = follow(alert(channel="ops-mail", target="it@example-firm.com", kind=AlertKind.OPS))
    assert [(one.channel, one.target) for one in told] == [("ops-chat", "alarms")]


def test_operations_messages_have_no_stand_in() -> None:
    """A failed message to operations goes to no fallback: other operations channels hear of it."""
    told = follow(alert(kind=AlertKind.OPS, event_id=None, change_id=None))
    assert {one.kind for one in told} == {AlertKind.OPS}
    assert isinstance(told[0].note, ChannelFailed)


def test_failing_operations_channels_do_not_feed_each_other() -> None:
    """Two failing operations channels tell of each other once an hour, and no more."""
    subjects: set[tuple[str, str, str]] = set()
    waiting = [alert(channel="ops-mail", target="it@example-firm.com", kind=AlertKind.OPS)]
    while waiting:
        failed = waiting.pop()
        for new in follow(failed):
            key = (new.subject, new.channel, new.target)
            if key not in subjects:
                subjects.add(key)
                waiting.append(as_claimed(new))
    assert len(subjects) == 2


def test_a_failed_test_is_nobody_elses_matter() -> None:
    """Whoever asked for a test has the answer; nothing else follows."""
    assert follow(alert(kind=AlertKind.TEST, urgent=False)) == []


def test_without_operations_only_the_fallback_hears() -> None:
    """Where no channel is for operations, the stand-ins are all there is."""
    lonely = FallbackPolicy(
        roster=POLICY.roster, fallbacks=POLICY.fallbacks, ops=OpsTargets(targets=())
    )
    assert {one.kind for one in follow(alert(), policy=lonely)} == {AlertKind.CASE}


def test_a_channel_that_is_gone_is_told_of_once() -> None:
    """Alerts for a channel outside the configuration are told as that, not target by target."""
    told = [
        ops(follow(alert(channel="pager", target=target, urgent=False)))[0] for target in ("a", "b")
    ]
    assert told[0].subject == told[1].subject
    message = rendered(told[0])
    assert message.title == "Casebell operations: Channel pager is gone"
    assert "no longer in the configuration" in message.body


def test_an_urgent_alert_of_a_channel_that_is_gone_is_told_by_itself() -> None:
    """That the channel is gone does not hide that an urgent matter reached nobody."""
    (told, _) = ops(follow(alert(channel="pager", target="a")))
    assert isinstance(told.note, UrgentAlertFailed)
