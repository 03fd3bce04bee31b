"""What is wrong with a server and its database, in words: `casebell doctor` and the pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casebell.clock import MINUTE, iso
from casebell.events import Micros
from casebell.times import counted

#: After this an automatic test that is due was sent, or something is wrong.
TEST_TAKES: Micros = 10 * MINUTE

#: What a verb answers.
Answer = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Something that is wrong."""

    #: Without a full stop.
    what: str
    #: The command, or the thing, to do next.
    then: str


def of_checks(checks: Answer) -> Iterator[Trouble]:
    """Of the checks of `/ready`."""
    failing = [name for name, state in checks.items() if state == "failing"]
    if failing:
        yield Trouble(what=f"not ready: {', '.join(failing)}", then="look at its log")
    if checks.get("settings") == "differs":
        yield Trouble(
            what="another server on this database works by other settings",
            then="give each the same sources, channels and rules; casebell reload",
        )


def of_storage(state: Answer) -> Iterator[Trouble]:
    """Of the storage, while nothing can be stored."""
    if state["failing"]:
        lasts = f"nothing could be stored for {counted(state['seconds'], 'second')}"
        yield Trouble(what=f"{lasts}. {state['reason']}".rstrip(". "), then=state["hint"])


def of_tables(sound: Answer) -> Iterator[Trouble]:
    """Of tables that are not as Casebell made them."""
    if sound["differences"]:
        yield Trouble(
            what=f"its tables are not as Casebell made them: {'; '.join(sound['differences'])}",
            then="remove what is not Casebell's, or restore a backup",
        )


def of_outbox(sound: Answer) -> Iterator[Trouble]:
    """Of changes that were decided and never told."""
    if untold := sound["untold_changes"]:
        yield Trouble(
            what=f"{counted(len(untold), 'change')} decided, and no alert was ever made of it",
            then=f"tell them yourself; change {untold[0]} is the first",
        )


def of_proxy(doubts: Answer) -> Iterator[Trouble]:
    """Of a proxy that is not believed."""
    if proxy := doubts.get("untrusted_proxy"):
        yield Trouble(
            what=f"X-Forwarded-For from {proxy} is not believed, so every sender behind it has its "
            "address",
            then=f'if that is your proxy: server.trusted_proxies = ["{proxy}"], casebell reload',
        )


def of_lost(lost: Mapping[str, int]) -> Iterator[Trouble]:
    """Of refused deliveries that can no longer be readmitted, by source."""
    for source, number in lost.items():
        yield Trouble(
            what=f"{number} deliveries of source {source} that could have been readmitted were "
            "pushed out by others",
            then=f"casebell refused list --source {source}",
        )


def of_silence(completeness: Answer) -> Iterator[Trouble]:
    """Of sources from which nothing came for too long."""
    for one in completeness["sources"]:
        if one.get("silent_since"):
            yield Trouble(
                what=f"nothing authentic came from source {one['name']} for longer than its "
                "expect_every",
                then=f"casebell refused list --source {one['name']}; ask the source whether it "
                "still delivers here",
            )


def of_self_tests(channels: Sequence[Answer], *, now: Micros) -> Iterator[Trouble]:
    """Of targets whose self-test failed, or was not sent although it was due."""
    for channel in channels:
        for one in channel["targets"]:
            due_at = one.get("self_test_due_at")
            if due_at is None or due_at > iso(now - TEST_TAKES):
                continue
            failure = one["last_failure"]
            failed = failure is not None and failure["at"] > due_at
            happened = f"failed ({failure['reason']})" if failed else "is due, and was not sent"
            yield Trouble(
                what=f"the self-test of {one['target']} over channel {channel['name']} {happened}",
                then=f"casebell channels test {channel['name']}",
            )


def of_heartbeat(state: Answer) -> Iterator[Trouble]:
    """Of whoever watches Casebell, and hears nothing of it."""
    if state["failing"]:
        seconds = state["seconds"]
        lasts = counted(seconds // 60, "minute") if seconds >= 60 else counted(seconds, "second")
        yield Trouble(
            what=f"whoever watches Casebell hears nothing of it for {lasts}: ops.heartbeat could "
            f"not be fetched ({state['detail']})",
            then="see that the address is right and can be reached from here; casebell reload",
        )


def of_upstreams(upstreams: Sequence[Answer]) -> Iterator[Trouble]:
    """Of the provider's APIs: what does not answer, is used up, missing or fails."""
    for one in upstreams:
        name = one["name"]
        status = f"casebell upstream status {name}"
        if one["trouble"]:
            yield Trouble(
                what=f"the API {name}: {one['trouble'].rstrip('.')}",
                then=f"are `base` and `token` right, and may this machine reach it? {status}",
            )
        if not one["requests"]["left_today"]:
            yield Trouble(
                what=f"all requests of this day to the API {name} are used up",
                then="wait until 00:00 GMT, or raise per_day if the provider allows it",
            )
        if one["unregistered"]:
            number = counted(one["unregistered"], "case")
            verb = "is" if one["unregistered"] == 1 else "are"
            yield Trouble(
                what=f"{number} {verb} not registered with {name}: it delivers nothing of them",
                then=f"casebell upstream register {name}",
            )
        if one["failing"]["count"]:
            number = counted(one["failing"]["count"], "case")
            yield Trouble(what=f"{number} could not be asked about at {name}", then=status)
        last = one["reconciliation"]
        if last and last["waits"]:
            left = counted(last["remaining"], "case")
            yield Trouble(
                what=f"{left} wait to be compared with {name}: {last['waits'].rstrip('.')}",
                then=status,
            )
        if any(made["id"] is None for made in one["subscriptions"]):
            yield Trouble(
                what=f"a subscription to {name} was begun, and the API has not answered",
                then=f"casebell upstream subscribe {name}",
            )


def of_people(people: Sequence[Answer]) -> Iterator[Trouble]:
    """Of people whom nothing reaches, and of whoever stands in for somebody."""
    names = {one["id"]: one["name"] for one in people}
    unreached = [one["id"] for one in people if one["channels"] and not _reached(one)]
    for person in unreached:
        yield Trouble(
            what=f"{names[person]} can be reached on no channel",
            then=f"an address in [people.{person}], casebell reload",
        )
    for one in people:
        stand_in = one["stand_in"]
        if stand_in is None or (stand_in in names and stand_in not in unreached):
            continue
        why = "can be reached on no channel" if stand_in in names else "is in no [people] any more"
        yield Trouble(
            what=f"{one['name']} is away, and {stand_in}, who stands in, {why}",
            then=f"casebell people away {one['id']} --until DATE --to OTHER",
        )


def of_owners(found: Answer) -> Iterator[Trouble]:
    """Of open changes to which nobody may see."""
    command = "casebell queue; casebell cases set RECEIPT owner=NAME"
    for kind, form in {
        "missing": "without an owner",
        "unknown": "with an owner who is nobody in the configuration",
        "gone": "told to somebody who is no longer in the configuration, and not to the owner",
    }.items():
        if found[kind]["count"]:
            yield Trouble(what=_changes(found, kind, form), then=command)


def of_absent_owners(found: Answer) -> Iterator[Trouble]:
    """Of open changes whose owner is away: whoever stands in hears, too."""
    if found["away"]["count"]:
        form = "with an owner who is away"
        yield Trouble(what=_changes(found, "away", form), then="casebell people list")


def _changes(found: Answer, kind: str, form: str) -> str:
    """How many changes, whose, and some receipts."""
    of_kind = found[kind]
    shown = [*of_kind["receipts"]]
    if (more := of_kind["count"] - len(shown)) > 0:
        shown.append(f"{more:,} more")
    whose = f": {', '.join(of_kind['who'])}" if of_kind["who"] else ""
    newest = f", of the newest {found['looked']:,}" if found["more"] else ""
    number = counted(of_kind["count"], "open change")
    return f"{number} {form}{whose} ({', '.join(shown)}){newest}"


def _reached(person: Answer) -> bool:
    return any(one["target"] is not None for one in person["channels"])
