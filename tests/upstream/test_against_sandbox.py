"""The clients against the simulated APIs over a real socket: every endpoint, every fault.

What is read is read again as a delivery's body, so that nothing that a client takes for told is
held afterwards.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import pytest
from pydantic import SecretStr

from casebell.clock import DAY, SystemClock, iso
from casebell.errors import (
    BudgetSpent,
    UpstreamConflict,
    UpstreamError,
    UpstreamFailed,
    UpstreamKeyRefused,
    UpstreamLimited,
    UpstreamRedirected,
    UpstreamRefused,
    UpstreamUnreachable,
    UpstreamUnreadable,
    WrongReceipt,
)
from casebell.events import CaseEvent, Delivery, Origin, VerifiedDelivery
from casebell.receive.understand import understand
from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.settings import SourceSettings
from casebell.store.engine import Store
from casebell.upstream.asking import Patience
from casebell.upstream.client import UpstreamClient
from casebell.upstream.parley import ParleyClient
from casebell.upstream.told import CaseProblem, CaseUnknown, NewReceipt, Registered, Told
from contracts.clock_and_log import ManualClock
from sandbox.simulator.firm import ALL_TYPES, BEGAN, RECEIPT, TOKEN, Firm, rehearsing
from upstream.harness import PATIENT, parley, source_settings, torch

#: Of a client of either API.
Made: TypeAlias = Callable[..., AbstractAsyncContextManager[UpstreamClient]]
ACCESS: Mapping[str, Any] = {"token": SecretStr(TOKEN)}
#: Names that the scenario `renamed-api` has, for the field map.
RENAMED = {
    "receipt": ["receiptNumber"],
    "status": ["normalizedStatus"],
    "category": ["caseCategory"],
    "text": ["officialText"],
    "occurred_at": ["changedAt"],
    "observed_at": ["statusSince"],
}
OTHER = "MSC2190000001"


@pytest.fixture
async def firm() -> AsyncIterator[Firm]:
    """With a simulator of its own."""
    async with rehearsing() as made:
        yield made


def event_of(told: Told, source: SourceSettings) -> CaseEvent:
    """What was told, as the event that it becomes."""
    delivery = Delivery(
        source=source.name,
        body=told.body,
        headers=(),
        address="",
        received_at=SystemClock().now(),
        request_id="req_1",
    )
    verified = VerifiedDelivery(delivery=delivery, secret_label="", origin=Origin.RECONCILED)
    return understand(verified, source)


async def _history(firm: Firm, statuses: Sequence[str], *, every: float = 86_400.0) -> list[str]:
    """A case that moved so, the last time today; the times of its movements."""
    now = SystemClock().now()
    times = [
        iso(now - round(every * 1_000_000) * (len(statuses) - place))[:19] + "Z"
        for place in range(len(statuses))
    ]
    moves = [
        {"receipt": RECEIPT, "status": status, "at": at}
        for status, at in zip(statuses, times, strict=True)
    ]
    answer = await firm.post("/control/cases", {"moves": moves})
    assert answer.status_code == 200, answer.text
    return times


async def test_parleys_states(firm: Firm, sqlite_store: Store) -> None:
    """A state becomes an event with status, text and time; what is not known is unknown."""
    (at,) = await _history(firm, ["rfe_issued"])
    source = source_settings()
    async with parley(sqlite_store, firm.url, **ACCESS) as client:
        await client.health()
        said = await client.statuses([RECEIPT, OTHER])
    told = said[RECEIPT]
    assert isinstance(told, Told)
    event = event_of(told, source)
    assert (event.receipt, event.delivered_status) == (RECEIPT, "rfe_issued")
    assert event.occurred_raw == at
    assert told.at == event.occurred_at
    assert said[OTHER] == CaseUnknown(receipt=OTHER)


@pytest.mark.parametrize("every", [86_400.0, 0.25])
async def test_parleys_history(firm: Firm, sqlite_store: Store, *, every: float) -> None:
    """All of a long one in several pages, also where several changes share a second."""
    statuses = ["received", "rfe_issued", "rfe_received", "approved"] * 30
    await _history(firm, statuses, every=every)
    async with parley(sqlite_store, firm.url, **ACCESS) as client:
        history = await client.history(RECEIPT, back_to=None)
        assert not await client.history(OTHER, back_to=None)
    source = source_settings()
    events = [event_of(one, source) for one in history]
    times = [event.occurred_at or 0 for event in events]
    assert times == sorted(times, reverse=True)
    whole = (await firm.get(f"/control/cases/{RECEIPT}")).json()["history"]
    known = {(one["status"], one["text"], one["at"][:19]) for one in whole}
    told = {
        (event.delivered_status, event.text, (event.occurred_raw or "")[:19]) for event in events
    }
    assert told == known
    # One entry may be the same as another to the last byte: it says nothing more.
    assert len(history) == len(known)


async def test_parleys_history_as_far_as_is_needed(firm: Firm, sqlite_store: Store) -> None:
    """A page reaches further back than what is known, so it is one request."""
    await _history(firm, ["received", "rfe_issued"] * 40)
    async with parley(sqlite_store, firm.url, **ACCESS) as client:
        history = await client.history(RECEIPT, back_to=SystemClock().now() - 10 * DAY)
    assert len(history) == 50
    assert firm.simulator.asked["GET", "/v1/events"] == 1


async def test_registering(firm: Firm, sqlite_store: Store) -> None:
    """A repeat has the same answer; the same key for other cases is a conflict."""
    cases = [NewReceipt(receipt=RECEIPT, label="Acme-O1A"), NewReceipt(receipt=OTHER)]
    async with parley(sqlite_store, firm.url, labels=True, **ACCESS) as client:
        done = await client.register(cases, key="one")
        assert done == Registered(registered=(RECEIPT, OTHER), already=())
        assert await client.register(cases, key="one") == done
        again = await client.register(cases, key="two")
        assert again == Registered(registered=(), already=(RECEIPT, OTHER))
        with pytest.raises(UpstreamConflict, match="409 conflict"):
            await client.register(cases[:1], key="one")
    assert (await firm.get(f"/control/cases/{RECEIPT}")).json()["label"] == "Acme-O1A"


async def test_an_answer_that_is_lost(firm: Firm, sqlite_store: Store) -> None:
    """The work was done; the second try says so, by the key, and nothing is done twice."""
    await firm.faults(api={"answer": "cut", "after": True, "times": 1})
    async with parley(sqlite_store, firm.url, **ACCESS) as client:
        done = await client.register([NewReceipt(receipt=RECEIPT)], key="one")
    assert done == Registered(registered=(RECEIPT,), already=())
    await firm.faults(api={"answer": "cut", "after": True, "times": 1})
    async with parley(sqlite_store, firm.url, **ACCESS) as client:
        url = "https://cases.example-firm.com/webhooks/parley"
        made = await client.subscribe(url=url, events=ALL_TYPES, secret="s" * 20, key="two")
    listed = (await firm.get("/control/subscriptions")).json()["subscriptions"]
    assert [(one["id"], one["url"]) for one in listed] == [(made.id, url)]
    assert made.events == tuple(ALL_TYPES)
    assert listed[0]["own_secret"] is True


async def test_an_address_that_is_not_taken(firm: Firm, sqlite_store: Store) -> None:
    """The API's own words say why."""
    async with parley(sqlite_store, firm.url, **ACCESS) as client:
        with pytest.raises(UpstreamRefused, match="400 validation_failed"):
            await client.subscribe(
                url="http://cases.example-firm.com", events=ALL_TYPES, secret="s" * 20, key="k"
            )


@pytest.mark.parametrize(
    ("token", "code"), [("another-token", "401 unauthorized"), (f"disabled-{TOKEN}", "403")]
)
async def test_a_token_that_is_not_taken(
    firm: Firm, sqlite_store: Store, token: str, code: str
) -> None:
    """It concerns all cases, so it is raised at once."""
    async with torch(sqlite_store, firm.url, token=SecretStr(token)) as client:
        with pytest.raises(UpstreamKeyRefused, match=code):
            await client.statuses([RECEIPT, OTHER])
    assert not firm.simulator.asked


async def test_torchs_states(firm: Firm, sqlite_store: Store) -> None:
    """In one batch; what is not known is unknown."""
    await _history(firm, ["received", "denied"])
    source = source_settings("torch")
    async with torch(sqlite_store, firm.url, **ACCESS) as client:
        said = await client.statuses([RECEIPT, OTHER, RECEIPT])
    told = said[RECEIPT]
    assert isinstance(told, Told)
    event = event_of(told, source)
    assert (event.delivered_status, event.occurred_at) == ("Rejected", told.at)
    assert said[OTHER] == CaseUnknown(receipt=OTHER)
    assert firm.simulator.asked == {("GET", "/case-status/batch"): 1}


async def test_torchs_strict_batches(firm: Firm, sqlite_store: Store) -> None:
    """A case that is not known has its batch refused; the others are told of, in any order."""
    series = {"first": "IOE0900000000", "count": 50, "status": "received"}
    assert (await firm.post("/control/cases", {"series": series})).status_code == 200
    await firm.faults(batch_whole=True, batch_shuffled=True)
    receipts = [f"IOE09{number:08d}" for number in range(50)]
    receipts.insert(20, OTHER)
    async with torch(sqlite_store, firm.url, batch=100, **ACCESS) as client:
        said = await client.statuses(receipts)
    assert {one for one in said if isinstance(said[one], CaseUnknown)} == {OTHER}
    assert set(said) == set(receipts)


async def test_a_minute_that_is_over(sqlite_store: Store) -> None:
    """A short wait is waited; the answer comes without a hand on it."""
    async with rehearsing() as firm:
        await firm.move("received")
        await firm.post("/control/limits", {"api": "parley", "per_minute": 2, "per_day": 100})
        async with parley(sqlite_store, firm.url, patience=PATIENT, **ACCESS) as client:
            for _ in range(4):
                said = await client.statuses([RECEIPT])
                assert isinstance(said[RECEIPT], Told)


async def test_a_day_that_is_over(sqlite_store: Store) -> None:
    """The API says for how long, of which an hour is believed; our own limit stops before it."""
    async with rehearsing(clock=ManualClock(now=BEGAN), speed=1.0) as firm:
        await firm.move("received")
        await firm.post("/control/limits", {"api": "parley", "per_minute": 100, "per_day": 3})
        async with parley(sqlite_store, firm.url, **ACCESS) as client:
            for _ in range(3):
                await client.statuses([RECEIPT])
            with pytest.raises(UpstreamLimited, match="429 rate_limited") as caught:
                await client.statuses([RECEIPT])
            assert caught.value.retry_after == 3_600
    async with rehearsing() as firm:
        await firm.move("received")
        async with torch(sqlite_store, firm.url, per_day=2, name="other", **ACCESS) as client:
            for _ in range(2):
                await client.statuses([RECEIPT])
            with pytest.raises(BudgetSpent):
                await client.statuses([RECEIPT])
        assert firm.simulator.asked["GET", "/case-status"] == 2


FAULTS: Sequence[tuple[Mapping[str, Any], type[UpstreamError]]] = (
    ({"answer": "error", "status": 503}, UpstreamFailed),
    ({"answer": "other_error", "status": 502}, UpstreamFailed),
    ({"answer": "other_error", "status": 400}, UpstreamRefused),
    ({"answer": "html"}, UpstreamUnreadable),
    ({"answer": "html", "status": 502}, UpstreamFailed),
    ({"answer": "truncated"}, UpstreamUnreadable),
    ({"answer": "cut"}, UpstreamUnreachable),
    ({"answer": "redirect"}, UpstreamRedirected),
    ({"answer": "silence", "seconds": 20}, UpstreamUnreachable),
    ({"answer": "wrong_receipt"}, WrongReceipt),
    ({"answer": "empty"}, UpstreamUnreadable),
)


@pytest.mark.parametrize("made", [parley, torch])
async def test_faults(firm: Firm, sqlite_store: Store, made: Made) -> None:
    """Each is an error of ours, of the case or of the API; once it is over all is told."""
    moved = {"moves": [{"receipt": one, "status": "received"} for one in (RECEIPT, OTHER)]}
    assert (await firm.post("/control/cases", moved)).status_code == 200
    for fault, kind in FAULTS:
        await firm.faults(api=fault)
        chosen = dict(ACCESS)
        if fault["answer"] == "silence":
            chosen |= {"timeout": 1, "patience": Patience(tries=1)}
        async with made(sqlite_store, firm.url, **chosen) as client:
            try:
                said = await client.statuses([RECEIPT, OTHER])
            except UpstreamError as error:
                codes = {error.code}
            else:
                problems = [one for one in said.values() if isinstance(one, CaseProblem)]
                codes = {one.code for one in problems}
                assert all(one.message.endswith(".") for one in problems)
            assert codes == {kind.code}, fault
            if isinstance(client, ParleyClient):
                with pytest.raises(kind):
                    await client.history(RECEIPT, back_to=None)
                with pytest.raises(kind):
                    await client.register([NewReceipt(receipt=RECEIPT)], key="one")
            await firm.faults(api=None)
            said = await client.statuses([RECEIPT, OTHER])
            assert all(isinstance(one, Told) for one in said.values()), fault
            if isinstance(client, ParleyClient):
                assert len(await client.history(RECEIPT, back_to=None)) == 1
                done = await client.register([NewReceipt(receipt=RECEIPT)], key="one")
                assert done.registered or done.already


async def test_wrong_shapes_that_can_be_read(firm: Firm, sqlite_store: Store) -> None:
    """A list of one state is this state; a list in an object is this list."""
    moved = {"moves": [{"receipt": one, "status": "received"} for one in (RECEIPT, OTHER)]}
    assert (await firm.post("/control/cases", moved)).status_code == 200
    await firm.faults(api={"answer": "wrong_shape"})
    for made in (parley, torch):
        async with made(sqlite_store, firm.url, **ACCESS) as client:
            said = await client.statuses([RECEIPT, OTHER])
            assert all(isinstance(one, Told) for one in said.values())


async def test_renamed_fields(firm: Firm, sqlite_store: Store) -> None:
    """The field map of the source reads them; without it each case has a problem."""
    await _history(firm, ["received", "denied"])
    await firm.faults(renamed_api_fields=True)
    for made, kind in ((parley, "parley"), (torch, "torch")):
        source = source_settings(kind, fields=RENAMED)
        async with made(sqlite_store, firm.url, source=source, **ACCESS) as client:
            told = (await client.statuses([RECEIPT]))[RECEIPT]
            assert isinstance(told, Told)
            assert told.at == event_of(told, source).occurred_at
            assert told.at is not None
        async with made(sqlite_store, firm.url, **ACCESS) as client:
            problem = (await client.statuses([RECEIPT]))[RECEIPT]
            assert isinstance(problem, CaseProblem)
            assert problem.code == UpstreamUnreadable.code
    source = source_settings(fields=RENAMED)
    async with parley(sqlite_store, firm.url, source=source, **ACCESS) as client:
        history = await client.history(RECEIPT, back_to=None)
    assert [event_of(one, source).receipt for one in history] == [RECEIPT] * 2


#: Those in which each request must succeed, whatever else is wrong.
HARMLESS = sorted(
    name
    for name, one in SCENARIOS.items()
    if "api" not in one.faults and name not in {"renamed-api", "tight-limits"}
)


async def test_scenarios_of_which_the_apis_know_nothing(firm: Firm, sqlite_store: Store) -> None:
    """Whatever goes wrong with deliveries and words, states and histories are read."""
    for name in HARMLESS:
        await firm.post("/control/scenario", {"name": name})
        await _history(firm, ["received", "rfe_issued", "denied"])
        for made, kind in ((parley, "parley"), (torch, "torch")):
            source = source_settings(kind)
            async with made(sqlite_store, firm.url, **ACCESS) as client:
                told = (await client.statuses([RECEIPT]))[RECEIPT]
                assert isinstance(told, Told), name
                assert event_of(told, source).receipt == RECEIPT
        async with parley(sqlite_store, firm.url, **ACCESS) as client:
            history = await client.history(RECEIPT, back_to=None)
        assert history, name
        for one in history:
            event_of(one, source_settings())
    assert len(HARMLESS) > 10


async def test_flaky_answers(firm: Firm, sqlite_store: Store) -> None:
    """Of two APIs that fail now and then nothing is lost in the end."""
    series = {"first": "IOE0900000000", "count": 40, "status": "received"}
    assert (await firm.post("/control/cases", {"series": series})).status_code == 200
    receipts = [f"IOE09{number:08d}" for number in range(40)]
    await firm.faults(api={"status": 503, "share": 0.3, "retry_after": 0})
    for made in (parley, torch):
        told: set[str] = set()
        for _ in range(200):
            async with made(sqlite_store, firm.url, **ACCESS) as client:
                waiting = [one for one in receipts if one not in told]
                try:
                    said = await client.statuses(waiting)
                except UpstreamFailed:
                    continue
                told |= {one for one in said if isinstance(said[one], Told)}
            if len(told) == len(receipts):
                break
        assert told == set(receipts)
