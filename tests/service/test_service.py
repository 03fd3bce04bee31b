"""The one way in: which verbs there are, and who has the right to each."""

from collections.abc import Mapping
from typing import Any

import pytest

from casebell.actors import Actor, Right, Role
from casebell.errors import Forbidden
from casebell.service import NotJson, Service, UnknownCommand
from casebell.service.access import Access
from casebell.service.accounts import Accounts
from casebell.service.case_directory import CaseDirectory
from casebell.service.cases import CaseReading
from casebell.service.feeds import Feeds
from casebell.service.following_up import FollowingUp
from casebell.service.outcomes import OutcomeReport
from casebell.service.own_account import OwnAccount
from casebell.service.owners import OwnerReading
from casebell.service.passwords import Passwords
from casebell.service.people_directory import PeopleDirectory
from casebell.service.queue_reading import QueueReading
from casebell.service.reading import Reading
from casebell.service.rights import NOT_JSON, RIGHTS
from casebell.service.second_factor import SecondFactor
from casebell.service.standing import Standing
from casebell.service.tokens import Tokens
from casebell.store.schema import journal
from contracts.actors import ADMIN, an_actor
from contracts.clock_and_log import RecordingLog
from contracts.exports import exporting
from contracts.stores import read_table
from service.harness import OperationsHarness

#: What a running server answers beside its parts: see `casebell.app`.
OF_A_SERVER = {
    *("reload", "checks", "doubts", "warnings", "storage", "heartbeat", "address", "certificate"),
    *("reconcile", "register_cases", "subscribe", "list_upstreams"),
    *("list_servers", "list_arrivals", "completeness", "rules", "decided_otherwise"),
}


async def add(*, one: int, other: int = 0, actor: Actor) -> Mapping[str, Any]:
    """A verb."""
    return {"sum": one + other, "actor": actor.name}


def service_with(right: Right | None) -> Service:
    """A service of that verb."""
    return Service({"add": add}, rights={} if right is None else {"add": right})


@pytest.fixture
def service(harness: OperationsHarness) -> Service:
    """All that there is without a server."""
    store, clock = harness.store, harness.clock
    reading = Reading(store=store, settings=lambda: harness.settings, clock=clock)
    passwords = Passwords()
    access = Access(
        store=store,
        passwords=passwords,
        settings=lambda: harness.settings.console,
        clock=clock,
        log=RecordingLog().log,
    )
    given: Any = {"store": store, "settings": lambda: harness.settings, "clock": clock}
    return Service(
        reading.verbs(),
        harness.operations.verbs(),
        Tokens(store=store, clock=clock).verbs(),
        Accounts(passwords=passwords, **given).verbs(),
        SecondFactor(access=access, **given).verbs(),
        OwnAccount(access=access, passwords=passwords, **given).verbs(),
        Feeds(**given).verbs(),
        exporting(store).verbs(),
        CaseReading(store=store).verbs(),
        CaseDirectory(store=store, clock=harness.clock).verbs(),
        QueueReading(store=store, people=dict).verbs(),
        FollowingUp(**given).verbs(),
        OutcomeReport(**given).verbs(),
        PeopleDirectory(roster=lambda: None, **given).verbs(),
        OwnerReading(store=store, people=dict, clock=clock).verbs(),
        Standing(store=store, settings=lambda: harness.settings, targets=dict).verbs(),
    )


async def test_a_verb_is_told_who_asks() -> None:
    """By whom it was asked for, and the values by name."""
    found = await service_with(Right.CASES).ask("add", {"one": 1, "other": 2}, actor=ADMIN)
    assert found == {"sum": 3, "actor": ADMIN.name}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("subtract", {"one": 1}),
        ("__class__", {}),
        ("add", {}),
        ("add", {"one": 1, "two": 2}),
        # Who asks is no argument.
        ("add", {"one": 1, "actor": ADMIN}),
    ],
)
async def test_what_is_no_command(name: str, arguments: dict[str, Any]) -> None:
    """A verb that is not there, and one that does not take this, are of another release."""
    with pytest.raises(UnknownCommand, match="does not know this command"):
        await service_with(Right.CASES).ask(name, arguments, actor=ADMIN)


async def test_a_verb_without_a_right_is_nobodys() -> None:
    """Whoever adds one and forgets its right has shown it to nobody."""
    with pytest.raises(Forbidden) as caught:
        await service_with(None).ask("add", {"one": 1}, actor=ADMIN)
    assert (caught.value.http_status, caught.value.exit_code) == (403, 1)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("role", Role)
async def test_each_role_and_each_right(role: Role, right: Right) -> None:
    """A verb is answered to whom its right belongs, and to nobody else."""
    actor = an_actor("account:ana", role=role)
    asked = service_with(right).ask("add", {"one": 1}, actor=actor)
    if actor.may(right):
        assert (await asked)["actor"] == "account:ana"
    else:
        with pytest.raises(Forbidden):
            await asked


def test_every_verb_has_a_right(service: Service) -> None:
    """And every right that is written down is that of a verb."""
    assert set(service.verbs) | OF_A_SERVER == set(RIGHTS)


async def test_what_is_no_json_is_for_who_takes_it(
    service: Service, harness: OperationsHarness
) -> None:
    """The socket's answer is one line of JSON: such a verb is refused there, and not begun."""
    for verb in NOT_JSON:
        given = {"number": 1} if verb == "event_body" else {}
        with pytest.raises(NotJson, match="not as one JSON value"):
            await service.ask(verb, given, actor=ADMIN)
    assert await read_table(harness.store, journal) == []
    lines = await service.ask("export_events", {}, actor=ADMIN, raw=True)
    assert len([line async for line in lines]) == 1


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("retry_alerts", {}),
        ("dismiss_alerts", {}),
        ("release_held", {}),
        ("discard_held", {"held_id": 1}),
        ("readmit_refused", {}),
        ("test_channel", {"name": "slack"}),
        ("record_backup", {"events": 1, "entries": 1}),
    ],
)
async def test_who_only_looks_changes_nothing(
    service: Service, harness: OperationsHarness, verb: str, arguments: dict[str, Any]
) -> None:
    """Neither a viewer nor an auditor; nothing is done and nothing is written."""
    await harness.held()
    await harness.failed_alert()
    before = await read_table(harness.store, journal)
    for role in (Role.VIEWER, Role.AUDITOR):
        with pytest.raises(Forbidden):
            await service.ask(verb, arguments, actor=an_actor("account:ana", role=role))
    assert await read_table(harness.store, journal) == before
    await service.ask(verb, arguments, actor=an_actor("account:jo", role=Role.OPERATOR))
    entries = (await read_table(harness.store, journal))[len(before) :]
    # Nothing was refused here, so nothing is there to readmit.
    assert {one.actor for one in entries} >= (
        {"account:jo"} if verb != "readmit_refused" else set()
    )


async def test_who_it_is_as_claimed_goes_on_record(
    service: Service, harness: OperationsHarness
) -> None:
    """Beside the actor, never in its place."""
    await harness.failed_alert()
    actor = an_actor("cli:jchan", by="Jia Chan")
    await service.ask("dismiss_alerts", {"ids": [1], "note": "told"}, actor=actor)
    last = (await read_table(harness.store, journal))[-1]
    assert (last.actor, last.data) == ("cli:jchan", '{"by":"Jia Chan","note":"told"}')
