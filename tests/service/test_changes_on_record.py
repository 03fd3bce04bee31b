"""Whoever changes something is in the journal: one test for every verb that may."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyotp import TOTP

from casebell.actors import Right
from casebell.alerts import Asked
from casebell.clock import DAY, SECOND
from casebell.reload import Reloader
from casebell.sandbox.http_sink import HttpAnswer
from casebell.service import Service
from casebell.service.access import Access
from casebell.service.accounts import Accounts
from casebell.service.case_directory import CaseDirectory
from casebell.service.feeds import Feeds
from casebell.service.following_up import FollowingUp
from casebell.service.own_account import OwnAccount
from casebell.service.passwords import Passwords
from casebell.service.people_directory import PeopleDirectory
from casebell.service.reading import Reading
from casebell.service.reconciling import Reconciling
from casebell.service.registering import Registering
from casebell.service.rights import RIGHTS
from casebell.service.second_factor import SecondFactor
from casebell.service.subscribing import Subscribing
from casebell.service.tokens import Tokens
from casebell.store import refused, second_factor, sessions
from casebell.store.event_log import EventLog
from casebell.store.schema import journal
from casebell.telemetry import Metrics
from casebell.upstream.connections import Connections
from casebell.upstream.reconcile import Reconciler
from casebell.wiring import Wiring
from contracts.actors import an_actor
from contracts.case_events import RECEIVED_AT, classified_event, json_content
from contracts.cases import change_case
from contracts.clock_and_log import RecordingLog
from contracts.decisions import decide_nothing
from contracts.store_contract import refusal
from contracts.stores import read_table
from contracts.writing import writing
from receive.builders import HMAC_SECRET, NOW, SIGNED_AT, sign
from service.harness import GOOD, OperationsHarness
from service.hashers import cheap
from service.test_people_directory import PEOPLE, ROSTER
from upstream.harness import upstream_settings

WHO = an_actor("account:jo", by="Jo Public", person="jchan")
PASSWORD = "correct horse battery staple"
ANA = {"name": "ana", "role": "viewer", "password": PASSWORD}

#: A harness is made ready for a verb, which is then asked for with these arguments.
Ready = Callable[[OperationsHarness, Service], Awaitable[object]]


async def nothing(_harness: OperationsHarness, _service: Service) -> None:
    """It needs nothing."""


async def failed(harness: OperationsHarness, _service: Service) -> None:
    """An alert that failed."""
    await harness.failed_alert()


async def held(harness: OperationsHarness, _service: Service) -> None:
    """A held delivery."""
    await harness.held()


async def refused_one(harness: OperationsHarness, _service: Service) -> None:
    """A refused delivery whose signature is right by now."""
    signature = f"t={SIGNED_AT},v1={sign(GOOD, secret=HMAC_SECRET)}"
    async with writing(harness.store) as connection:
        await refused.refuse(connection, [refusal(at=NOW, body=GOOD, signature=signature)], now=NOW)


async def account(_harness: OperationsHarness, service: Service) -> None:
    """An account."""
    await service.ask("add_account", ANA, actor=WHO)


async def disabled(harness: OperationsHarness, service: Service) -> None:
    """One that is disabled."""
    await account(harness, service)
    await service.ask("disable_account", {"name": "ana"}, actor=WHO)


async def token(_harness: OperationsHarness, service: Service) -> None:
    """A token."""
    await service.ask("add_token", {"name": "practice", "role": "viewer"}, actor=WHO)


async def signed_in(harness: OperationsHarness, service: Service) -> None:
    """Who asks has an account, and is signed in."""
    await service.ask("add_account", ANA | {"name": "jo"}, actor=WHO)
    async with writing(harness.store) as connection:
        await sessions.add(
            connection,
            digest="of a cookie",
            account=1,
            asked="",
            ends_at=NOW + DAY,
            entries=[],
            replaces=None,
            now=NOW,
        )


async def begun(harness: OperationsHarness, service: Service) -> None:
    """Who asks has begun to set up a second factor, of which this is the code."""
    await signed_in(harness, service)
    async with writing(harness.store) as connection:
        await second_factor.begin(connection, "jo", session=1, secret=TOTP_SECRET, signed_in=True)


async def with_codes(harness: OperationsHarness, service: Service) -> None:
    """Who asks has a second factor."""
    await begun(harness, service)
    await service.ask("confirm_second_factor", CODE, actor=WHO)


TOTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CODE: Mapping[str, Any] = {"session": 1, "code": TOTP(TOTP_SECRET).at(RECEIVED_AT // SECOND)}
KNOWN: Mapping[str, Any] = {"password": PASSWORD, "address": "198.51.100.7"}

PUT: Mapping[str, Any] = {"line": 2, "receipt": "IOE0912345678", "facts": {"label": "Gomez"}}


async def named(_harness: OperationsHarness, service: Service) -> None:
    """A case."""
    await service.ask("put_cases", {"rows": [PUT]}, actor=WHO)


async def asking(harness: OperationsHarness, _service: Service) -> None:
    """A case that asks for something."""
    await change_case(harness.store, 1, asked=Asked(deadline=True, urgent=True))


async def fed(_harness: OperationsHarness, service: Service) -> None:
    """A feed of one's own cases."""
    await service.ask("add_feed", {"person": "jchan"}, actor=WHO)


AWAY: Mapping[str, str] = {"name": "jchan", "until": "2999-12-31", "to": "kim"}


async def away(_harness: OperationsHarness, service: Service) -> None:
    """Somebody is away."""
    await service.ask("set_away", AWAY, actor=WHO)


async def registering(harness: OperationsHarness, service: Service) -> None:
    """A case, and an API that takes it."""
    await named(harness, service)
    taken = {"registered": [PUT["receipt"]], "already_registered": []}
    harness.sink.answer(HttpAnswer(status=201, body=json.dumps(taken).encode()))


async def subscribing(harness: OperationsHarness, _service: Service) -> None:
    """An API that makes a subscription."""
    harness.sink.answer(HttpAnswer(status=201, body=b'{"id": "sub_1"}'))


CHANGES: Mapping[str, tuple[Ready, Mapping[str, Any], str]] = {
    "set_case": (
        named,
        {"receipt": "IOE0912345678", "facts": {"owner": "ana"}},
        "case.set",
    ),
    "put_cases": (nothing, {"rows": [PUT]}, "case.set"),
    "import_cases": (nothing, {"content": b"receipt\nIOE0912345678\n"}, "cases.imported"),
    "record_import": (nothing, {"figures": {"new": 1, "changed": 0}}, "cases.imported"),
    "acknowledge": (asking, {"receipt": "IOE0000000001"}, "change.acknowledged"),
    "set_due": (asking, {"receipt": "IOE0000000001", "date": "2025-12-24"}, "change.due_entered"),
    "mark_answered": (asking, {"receipt": "IOE0000000001"}, "change.answered"),
    "retry_alerts": (failed, {"ids": [1]}, "alert.retried"),
    "dismiss_alerts": (failed, {}, "alert.dismissed"),
    "release_held": (held, {}, "delivery.released"),
    "discard_held": (held, {"held_id": 1}, "delivery.discarded"),
    "readmit_refused": (refused_one, {}, "delivery.readmitted"),
    "test_channel": (nothing, {"name": "slack"}, "channel.tested"),
    "reload": (nothing, {}, "config.reloaded"),
    "reconcile": (nothing, {}, "reconciliation.began"),
    "register_cases": (registering, {"name": "api"}, "upstream.registered"),
    "subscribe": (subscribing, {"name": "api"}, "upstream.subscribed"),
    "record_backup": (nothing, {"events": 1, "entries": 1}, "backup.made"),
    "set_away": (nothing, AWAY, "person.away"),
    "set_back": (away, {"name": "jchan"}, "person.back"),
    "add_feed": (nothing, {"person": "jchan"}, "feed.added"),
    "revoke_feed": (fed, {"number": 1}, "feed.revoked"),
    "add_own_feed": (nothing, {}, "feed.added"),
    "revoke_own_feed": (fed, {"number": 1}, "feed.revoked"),
    "add_token": (nothing, {"name": "practice", "role": "viewer"}, "token.added"),
    "revoke_token": (token, {"name": "practice"}, "token.revoked"),
    "add_account": (nothing, ANA, "account.added"),
    "set_account": (account, {"name": "ana", "changes": {"role": "admin"}}, "account.changed"),
    "disable_account": (account, {"name": "ana"}, "account.disabled"),
    "enable_account": (disabled, {"name": "ana"}, "account.enabled"),
    "set_password": (
        account,
        {"name": "ana", "password": f"{PASSWORD}s"},
        "account.password_changed",
    ),
    "reset_second_factor": (with_codes, {"name": "jo"}, "account.second_factor_off"),
    "end_sessions": (signed_in, {"name": "jo"}, "account.signed_out"),
    "confirm_second_factor": (begun, CODE, "account.second_factor_on"),
    "turn_off_second_factor": (with_codes, KNOWN, "account.second_factor_off"),
    "make_recovery_codes": (with_codes, KNOWN, "account.recovery_codes_made"),
    "change_own_password": (
        signed_in,
        {**KNOWN, "session": 1, "new": f"{PASSWORD}s"},
        "account.password_changed",
    ),
    "end_other_sessions": (signed_in, {"session": 1}, "account.signed_out"),
}
#: They change nothing that is in force.
LOOKS: Mapping[str, tuple[Ready, Mapping[str, Any]]] = {
    "list_tokens": (nothing, {}),
    "list_accounts": (nothing, {}),
    "list_feeds": (fed, {}),
    "own_feeds": (fed, {}),
    "find_account": (account, {"name": "ana"}),
    "own_account": (signed_in, {"session": 1}),
    "begin_second_factor": (signed_in, {**KNOWN, "session": 1}),
    "pending_second_factor": (begun, {"session": 1}),
}


@pytest.fixture
def service(harness: OperationsHarness, tmp_path: Path) -> Service:
    """Everything that changes something."""
    store, clock = harness.store, harness.clock
    reloader = Reloader(
        in_force=lambda: harness.settings,
        read=lambda: harness.settings,
        prepare=lambda settings: Wiring.of(settings, clock=clock),
        swap=lambda _: None,
        store=store,
        dispatcher=harness.dispatcher,
        hangup=asyncio.Event(),
        clock=clock,
        metrics=Metrics(),
        log=RecordingLog().log,
    )
    passwords = Passwords(cheap())
    access = Access(
        store=store,
        passwords=passwords,
        settings=lambda: harness.settings.console,
        clock=clock,
        log=RecordingLog().log,
    )
    given: Any = {"store": store, "settings": lambda: harness.settings, "clock": clock}
    with_people = harness.settings.model_copy(update={"people": PEOPLE})
    of_people: Any = {**given, "settings": lambda: with_people}
    return Service(
        Reading(store=store, settings=lambda: harness.settings, clock=clock).verbs(),
        harness.operations.verbs(),
        CaseDirectory(store=store, clock=clock).verbs(),
        FollowingUp(**given).verbs(),
        PeopleDirectory(roster=lambda: ROSTER, **of_people).verbs(),
        Feeds(**of_people).verbs(),
        Tokens(store=store, clock=clock).verbs(),
        Accounts(passwords=passwords, **given).verbs(),
        SecondFactor(access=access, **given).verbs(),
        OwnAccount(access=access, passwords=passwords, **given).verbs(),
        {"reload": reloader.reload},
        reconciling(harness).verbs(),
        Registering(**of_api(harness, tmp_path)).verbs(),
        Subscribing(**of_api(harness, tmp_path)).verbs(),
    )


def of_api(harness: OperationsHarness, folder: Path) -> Any:
    """What the verbs that ask an API take; its answers are the sink's."""
    api = upstream_settings(
        harness.sink.url, source="parley", secret_file=folder / "subscription.secret"
    )
    public = harness.settings.server.model_copy(update={"public_url": "https://cb.firm.com"})
    settings = harness.settings.model_copy(update={"upstream": {"api": api}, "server": public})
    given: Any = {"store": harness.store, "settings": lambda: settings, "clock": harness.clock}
    return {**given, "connections": Connections(**given)}


def reconciling(harness: OperationsHarness) -> Reconciling:
    """The verb that asks an API, which has no case to tell of."""
    store, clock, log = harness.store, harness.clock, RecordingLog().log
    api = upstream_settings("https://api.example.com", source="parley")
    settings = harness.settings.model_copy(update={"upstream": {"api": api}})
    given: Any = {"store": store, "settings": lambda: settings, "clock": clock}
    return Reconciling(
        reconciler=Reconciler(
            event_log=EventLog(store=store, content_of=json_content, decide=decide_nothing),
            channels=lambda: harness.dispatcher.channels,
            classified=lambda _: classified_event(),
            client=Connections(**given).open,
            owner="a",
            log=log,
            **given,
        ),
        **given,
    )


def test_every_verb_that_changes_something_is_tried() -> None:
    """Whoever adds one says here how it is asked for, and what it leaves on record."""
    looking = (Right.CASES, Right.OPERATIONS, Right.EVIDENCE)
    changing = {verb for verb, right in RIGHTS.items() if right not in looking}
    assert changing - set(LOOKS) == set(CHANGES)


@pytest.mark.parametrize("verb", CHANGES)
async def test_who_did_it_is_on_record(
    service: Service, harness: OperationsHarness, verb: str
) -> None:
    """The actor, and who it was as claimed; neither a body nor a password."""
    ready, arguments, kind = CHANGES[verb]
    await ready(harness, service)
    before = len(await read_table(harness.store, journal))
    await service.ask(verb, arguments, actor=WHO)
    entries = (await read_table(harness.store, journal))[before:]
    done = [one for one in entries if one.kind == kind]
    assert [(one.actor, json.loads(one.data)["by"]) for one in done] == [
        ("account:jo", "Jo Public")
    ], [one.kind for one in entries]
    for one in entries:
        assert PASSWORD not in one.data
        assert GOOD.decode() not in one.data
        assert TOTP_SECRET not in one.data


@pytest.mark.parametrize("verb", sorted(LOOKS))
async def test_looking_changes_nothing(
    service: Service, harness: OperationsHarness, verb: str
) -> None:
    """Neither what there is nor the journal."""
    ready, arguments = LOOKS[verb]
    await ready(harness, service)
    before = await read_table(harness.store, journal)
    await service.ask(verb, arguments, actor=WHO)
    assert await read_table(harness.store, journal) == before
