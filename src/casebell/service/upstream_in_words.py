"""How an API of the provider stands, and what was done with it, as sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

from casebell.times import counted, local_time

Answer = Mapping[str, Any]


def standing(one: Answer, zone: str) -> Iterator[str]:
    """Of an API: the first sentence says whether it answers."""
    where = f"{one['name']} ({one['kind']}, {one['host']})"
    if one["reachable"] is None:
        yield f"{where}: not asked."
    else:
        yield f"{where}: {'answers.' if one['reachable'] else one['trouble']}"
    requests = one["requests"]
    yield (
        f"{requests['left_today']:,} of {requests['per_day']:,} requests are left until 00:00 GMT, "
        f"at most {requests['per_minute']:,} a minute."
    )
    if one["unregistered"] is not None:
        yield unregistered(one)
    yield from failing(one)
    yield last_reconciliation(one, zone)
    if one["registers"]:
        yield from _subscriptions(one, zone)


def unregistered(one: Answer) -> str:
    """How many cases are not registered, and what to do."""
    number = one["unregistered"]
    if not number:
        return "Every case is registered."
    verb = "is" if number == 1 else "are"
    return (
        f"{counted(number, 'case')} {verb} not registered: `casebell upstream register "
        f"{one['name']}`."
    )


def failing(one: Answer) -> Iterator[str]:
    """Which cases fail, and why."""
    found = one["failing"]
    if not found["count"]:
        return
    yield f"{counted(found['count'], 'case')} could not be asked about:"
    for case in found["cases"]:
        yield f"  {case['receipt']}: {case['problem']}"
    if (more := found["count"] - len(found["cases"])) > 0:
        yield f"  and {more:,} more"


def last_reconciliation(one: Answer, zone: str) -> str:
    """When its cases were last compared, and what that came to."""
    last = one["reconciliation"]
    if last is None:
        return f"No case was compared yet: `casebell upstream reconcile {one['name']}`."
    found = f"{compared(last)}, {missed(last['found'])}"
    if last["ended_at"] is not None:
        return f"Last reconciliation {local_time(last['ended_at'], zone)}: {found}."
    began = f"Reconciliation since {local_time(last['began_at'], zone)}: {found}"
    left = f"{began}; {counted(last['remaining'], 'case')} left."
    return f"{left} It waits. {last['waits']}" if last["waits"] else left


def compared(one: Answer) -> str:
    """How many cases the API told of; those that failed are told beside."""
    return f"{counted(max(one['checked'] - one['failed'], 0), 'case')} compared"


def missed(number: int) -> str:
    """How many changes only the API told of."""
    return f"{counted(number, 'change')} found that no webhook had delivered"


def _subscriptions(one: Answer, zone: str) -> Iterator[str]:
    if not one["subscriptions"]:
        yield f"No subscription was made here: `casebell upstream subscribe {one['name']}`."
    for made in one["subscriptions"]:
        yield subscription(made, zone)


def subscription(made: Answer, zone: str) -> str:
    """Of a subscription."""
    types = counted(len(made["events"]), "type")
    if made["id"] is None:
        return (
            f"A subscription to {types} of events at {made['url']} was begun "
            f"{local_time(made['begun_at'], zone)}, and not answered: subscribe again."
        )
    at = made["created_at"] or made["begun_at"]
    return (
        f"Subscription {made['id']} was made {local_time(at, zone)}: {types} of events, to "
        f"{made['url']}."
    )


def registered(answer: Answer) -> Iterator[str]:
    """Of cases that were registered; of those that were not, each with its reason."""
    name, remaining = answer["upstream"], answer["remaining"]
    if answer["dry_run"]:
        would = f"{counted(remaining, 'case')} would be registered with {name}"
        yield f"Nothing was registered. {would}."
        return
    known = f"; it knew {counted(answer['already'], 'other')}" if answer["already"] else ""
    yield f"{counted(answer['registered'], 'case')} registered with {name}{known}."
    for problem in answer["problems"]:
        yield f"{problem['receipt']} is not registered: {problem['problem']}"
    if remaining:
        yield f"{counted(remaining, 'case')} remain: register again."


def reconciled(answer: Answer) -> Iterator[str]:
    """Of cases that were compared with what the API says."""
    name, left = answer["upstream"], answer["remaining"]
    yield f"{name}: {compared(answer)}, {missed(answer['found'])}."
    if number := answer["first_looks"]:
        verb = "was" if number == 1 else "were"
        yield (
            f"{counted(number, 'case')} {verb} looked at for the first time: what was there "
            "alerted nobody."
        )
    if number := answer["failed"]:
        yield (
            f"{counted(number, 'case')} could not be asked about: `casebell upstream status "
            f"{name}` says why."
        )
    if answer["waits"]:
        yield answer["waits"]
    if left:
        yield (
            f"{counted(left, 'case')} {'is' if left == 1 else 'are'} left; the next try begins "
            "with the longest unchecked."
        )


def subscribed(answer: Answer) -> Iterator[str]:
    """Of a subscription that was made."""
    yield (
        f"{answer['upstream']} delivers {counted(len(answer['events']), 'type')} of events to "
        f"{answer['url']}: subscription {answer['id']}."
    )
    if not answer["running"]:
        yield "No server runs here: `casebell serve` receives what comes."
    if answer["secrets"] > 1:
        yield (
            f"Its secret_file has {answer['secrets']} secrets, the oldest first: each stays valid "
            "until you remove its line. Have the provider end the subscription of before first."
        )
