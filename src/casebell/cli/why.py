"""`casebell why KEY`: everything that became of an event, as sentences."""

from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

from casebell.cli.options import AsJson, Config, Key
from casebell.cli.service_client import ServiceClient
from casebell.cli.terminal import local_time, print_answer, reported_time
from casebell.events import Flag, KeyBasis

_BASIS = {
    KeyBasis.ID: "the source's event id",
    KeyBasis.RECEIPT_TIME: "receipt number and time of the status, for want of an id",
    KeyBasis.DIGEST: "a digest of its content, for want of an id and a time",
    KeyBasis.REVISION: "a key in use already, with other content",
}

_FLAGS = {
    Flag.STALE_SIGNATURE: "it was signed longer ago than the source's tolerance",
    Flag.CONFLICT: "the source sent differing content under this key",
    Flag.REPEAT: "the same state came again, at a later time",
    Flag.NAIVE_TIME: "its time had no zone and was read in the source's",
    Flag.UNPARSED_TIME: "its time could not be read",
    Flag.FUTURE_TIME: "its time lies more than two days after it came, and orders nothing",
    Flag.STATUS_CONFLICT: "its type and its status disagree; the more urgent one counts",
    Flag.TEXT_CONFLICT: (
        "its status and its text disagree; the status counts, unless the text goes against the case"
    ),
    Flag.LATE: "a later status was known already when it came",
    Flag.UNKNOWN_WORDING: "its wording is new to Casebell, which does not know what it means",
}
#: A later release's word, which an earlier one may meet after a step back.
_UNKNOWN = "a word that this release does not know"


def why(key: Key, as_json: AsJson = False, config: Config = None) -> None:
    """What became of an event: verification, change, rules, alerts and attempts."""
    client = ServiceClient(config)
    for story in client.read("why", key=key):
        print_answer(story, _sentences(story, client.timezone), as_json=as_json)


def _sentences(story: Mapping[str, Any], zone: str) -> Iterator[str]:
    event = story["event"]
    yield f"Event {event['id']} from {event['source']}, key {event['key']}"
    yield f"  Its key is {_BASIS.get(event['key_basis'], _UNKNOWN)}."
    yield "Verified"
    for one in story["delivered"]:
        more = "" if one["times"] == 1 else f"and {one['times'] - 1:,} times before, "
        yield (
            f"  {local_time(one['at'], zone)}: {more}{one['outcome']}, authenticated by secret "
            f"“{one['secret']}”, from {one['address'] or 'an unknown address'}."
        )
    yield "Understood"
    delivered = event["delivered_status"]
    as_delivered = f"delivered as “{delivered}”" if delivered else "no status was delivered"
    tags = f", tagged {', '.join(event['tags'])}" if event["tags"] else ""
    status = event["status"] or "not decided yet"
    yield f"  Receipt {event['receipt']}: {status} ({as_delivered}){tags}."
    yield f"  Text: “{event['text']}”" if event["text"] else "  It came without a text."
    if event["occurred_at"]:
        yield f"  As reported, it happened at {reported_time(event, zone)}."
    for flag in event["flags"]:
        yield f"  Note: {_FLAGS.get(flag, f'“{flag}”, {_UNKNOWN}')}."
    yield from _conflicts(story)
    yield from _decision(story, zone)
    yield from _alerts(story, zone)


def _conflicts(story: Mapping[str, Any]) -> Iterator[str]:
    event = story["event"]
    for one in story["conflicts"]:
        other = one["event"] if one["first"] == event["id"] else one["first"]
        yield f"  It differs from event {other} in: {', '.join(one['fields'])}."
    if story["conflicts"]:
        yield "  Fields that say nothing of the case belong in `volatile` of the source."


def _decision(story: Mapping[str, Any], zone: str) -> Iterator[str]:
    event, change = story["event"], story["change"]
    yield "Decided"
    if change is None:
        yield "  Not yet: it waits for its decision."
        return
    decision = change["decision"]
    if change["event"] == event["id"]:
        yield f"  It began change {change['id']}."
    else:
        yield f"  It reports change {change['id']}, which event {change['event']} began."
        yield f"  Why: {event['decision']['because']}. Nobody is alerted of a change twice."
    others = [str(number) for number in change["events"] if number != event["id"]]
    if others:
        yield f"  Also reported by event {', '.join(others)}."
    yield f"  {local_time(change['decided_at'], zone)}: {_whom(decision)}."
    for rule in decision["rules"]:
        verdict = "matched" if rule["matched"] else "did not match"
        yield f"  Rule “{rule['name']}” {verdict}: {rule['why']}."


def _whom(decision: Mapping[str, Any]) -> str:
    if not decision["notify"]:
        return f"nobody is alerted, because {decision['because']}"
    whom = ", ".join(f"{one['channel']} → {one['target']}" for one in decision["notify"])
    return f"alert {whom} ({decision['because']})"


def _alerts(story: Mapping[str, Any], zone: str) -> Iterator[str]:
    yield "Told"
    if not story["alerts"]:
        yield "  No alert."
    for alert in story["alerts"]:
        reason = f" ({alert['reason']})" if alert["reason"] else ""
        repeat = "; it may have arrived twice" if alert["may_repeat"] else ""
        closed = alert["dismissed_at"]
        closed = f"; dismissed {local_time(closed, zone)}" if closed else ""
        yield (
            f"  Alert {alert['id']} to {alert['target']} over {alert['channel']}: "
            f"{alert['state']}{reason}{repeat}{closed}."
        )
        happened = [(one["finished_at"], _attempt(one, zone)) for one in alert["tried"]]
        happened += [(one["at"], _by_hand(one, zone)) for one in alert["by_hand"]]
        yield from (sentence for _, sentence in sorted(happened, key=itemgetter(0)))
    yield ""


def _attempt(one: Mapping[str, Any], zone: str) -> str:
    detail = ", ".join(filter(None, (one["reason"], one["detail"])))
    return (
        f"    Attempt {one['number']}, {local_time(one['finished_at'], zone)}: "
        f"{one['outcome']}{f' ({detail})' if detail else ''}."
    )


def _by_hand(one: Mapping[str, Any], zone: str) -> str:
    claimed = f", as “{one['by']}”" if one["by"] else ""
    note = f": “{one['note']}”" if one["note"] else ""
    by = f"{one['did']} by {one['actor']}{claimed}{note}"
    return f"    By hand, {local_time(one['at'], zone)}: {by}."
