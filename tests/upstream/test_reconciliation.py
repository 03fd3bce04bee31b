"""Reconciliation against the simulated APIs: what is news, and who hears of it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casebell.store.schema import events, held, journal
from contracts.stores import read_table
from upstream.reconciling_firm import (
    OTHER,
    RECEIPT,
    RECEIVED,
    RESPONSE,
    RFE,
    Reconciling,
    ago,
    reconciling,
    sqlite,
)

INTENT = "Notice Of Intent To Deny Was Sent"

BASELINE, HISTORY, FOUND = "baseline", "history", ""


@pytest.fixture
async def firm(tmp_path: Path) -> AsyncIterator[Reconciling]:
    """Before Parley; the rules are the same on either database."""
    async with reconciling(sqlite(tmp_path), tmp_path) as firm:
        yield firm


@pytest.fixture
async def torch(tmp_path: Path) -> AsyncIterator[Reconciling]:
    """Before Torch."""
    async with reconciling(sqlite(tmp_path), tmp_path, kind="torch") as firm:
        yield firm


@pytest.fixture
async def either(store_url: str, tmp_path: Path) -> AsyncIterator[Reconciling]:
    """Before Parley, on each database."""
    async with reconciling(store_url, tmp_path) as firm:
        yield firm


async def looked_at(firm: Reconciling) -> None:
    """A case that was received long ago, and looked at a day ago."""
    await firm.know(owner="Jia Chan")
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    await firm.reconcile()
    firm.clock.advance(86_400)


# --- The first look -------------------------------------------------------------------------------


async def test_the_first_look_alerts_nobody(either: Reconciling) -> None:
    """Its history is stored; its state, which asks for something, waits in the queue."""
    firm = either
    await firm.know(owner="Jia Chan")
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    stand = await firm.reconcile()
    assert (stand.done, stand.checked, stand.first_looks, stand.found) == (True, 1, 1, 0)
    assert await firm.events() == [
        ("reconciled", "received", HISTORY),
        ("reconciled", "rfe_issued", BASELINE),
    ]
    assert await firm.alerts() == []
    assert await firm.queue() == [RECEIPT]
    assert await firm.alerts("ops") == [
        "first_looks_of_owner > jchan@f.com",
        "first_looks > it@f.com",
    ]


async def test_an_rfe_of_the_past_asks_for_nothing(firm: Reconciling) -> None:
    """It was answered before the first look."""
    await firm.know(owner="Jia Chan")
    await firm.api.move("rfe_issued", at=ago(days=90), text=RFE)
    await firm.api.move("rfe_received", at=ago(days=10), text=RESPONSE)
    await firm.reconcile()
    assert await firm.queue() == []
    assert await firm.alerts() == []
    assert await firm.alerts("ops") == ["first_looks > it@f.com"]


async def test_what_came_since_we_registered_was_missed(firm: Reconciling) -> None:
    """Webhooks could have told of it."""
    await firm.know(owner="Jia Chan")
    await firm.registered(at=ago(days=30))
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    stand = await firm.reconcile()
    assert (stand.first_looks, stand.found) == (1, 1)
    assert [flags for _, _, flags in await firm.events()] == [HISTORY, FOUND]
    assert await firm.alerts() == ["rfe_issued > jchan@f.com"]
    assert await firm.queue() == [RECEIPT]


async def test_what_came_since_the_first_webhook_was_missed(firm: Reconciling) -> None:
    """Others registered the case, and the webhook's event is known."""
    await firm.know(owner="Jia Chan")
    for status, days, text in (
        ("received", 90, RECEIVED),
        ("interview_scheduled", 40, "Interview Was Scheduled"),
        ("rfe_issued", 10, RFE),
    ):
        await firm.api.move(status, at=ago(days=days), text=text)
    await firm.deliver("interview_scheduled", ago(days=40), text="Interview Was Scheduled")
    stand = await firm.reconcile()
    assert (stand.first_looks, stand.found) == (1, 1)
    assert await firm.events() == [
        ("webhook", "interview_scheduled", ""),
        ("reconciled", "received", "history late"),
        ("reconciled", "rfe_issued", FOUND),
    ]
    assert await firm.alerts() == [
        "interview_scheduled > jchan@f.com",
        "rfe_issued > jchan@f.com",
    ]


@pytest.mark.parametrize("asked", [("rfe_issued", RFE), ("other", INTENT)])
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("delivered", [False, True])
async def test_a_later_state_covers_no_open_request(
    firm: Reconciling, asked: tuple[str, str], answered: bool, delivered: bool
) -> None:
    """An answer that is owed at the first look waits in the queue, whatever the state is now."""
    await firm.know(owner="Jia Chan")
    status, text = asked
    await firm.api.move(status, at=ago(days=10), text=text)
    if answered:
        await firm.api.move("rfe_received", at=ago(days=5), text=RESPONSE)
    await firm.api.move("other", at=ago(days=1), text="Fees Were Waived")
    if delivered:
        await firm.deliver("other", ago(days=1), text="Fees Were Waived")
    assert (await firm.reconcile()).found == 0
    assert f"{status} > jchan@f.com" not in await firm.alerts()
    assert await firm.queue() == ([] if answered else [RECEIPT])
    heard = "first_looks_of_owner > jchan@f.com" in await firm.alerts("ops")
    assert heard is not answered


async def test_a_late_webhook_hides_nothing(firm: Reconciling) -> None:
    """It has no time and tells of what was before: the present state is no history."""
    await firm.know(owner="Jia Chan")
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    await firm.deliver("received", None, text=RECEIVED)
    assert (await firm.reconcile()).found == 1
    assert "rfe_issued > jchan@f.com" in await firm.alerts()
    assert await firm.queue() == [RECEIPT]


async def test_an_api_that_was_behind_hides_nothing(tmp_path: Path) -> None:
    """What it did not know at its first look, a second API tells."""
    async with reconciling(sqlite(tmp_path), tmp_path, kind="torch") as firm:
        await firm.know(owner="Jia Chan")
        await firm.api.move("received", at=ago(days=90), text=RECEIVED)
        await firm.reconcile()
        await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
        firm.clock.advance(60)
        firm.reload(name="second", kind="parley")
        assert (await firm.reconcile()).found == 1
        assert await firm.alerts() == ["rfe_issued > jchan@f.com"]
        assert await firm.queue() == [RECEIPT]


async def test_nothing_is_new_where_webhooks_told_it_all(firm: Reconciling) -> None:
    """Nothing is stored, and the next look costs one request."""
    await firm.know()
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    await firm.deliver("rfe_issued", ago(days=10), text=f"  {RFE.upper()} ")
    await firm.reconcile()
    assert [origin for origin, _, _ in await firm.events()] == ["webhook"]
    asked = firm.api.simulator.asked.total()
    firm.clock.advance(60)
    await firm.reconcile()
    assert firm.api.simulator.asked.total() == asked + 1


# --- Changes that were missed ---------------------------------------------------------------------


async def test_what_no_webhook_delivered(either: Reconciling) -> None:
    """Each missed change is alerted, in its order, and operations hear that webhooks are broken."""
    firm = either
    await looked_at(firm)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    await firm.api.move("rfe_received", at=ago(hours=-20), text=RESPONSE)
    stand = await firm.reconcile()
    assert (stand.found, stand.first_looks) == (2, 0)
    assert await firm.alerts() == ["rfe_issued > jchan@f.com", "rfe_received > jchan@f.com"]
    assert await firm.queue() == []
    assert "changes_missed > it@f.com" in await firm.alerts("ops")
    firm.clock.advance(1)
    again = await firm.reconcile()
    assert (again.checked, again.found) == (1, 0)
    assert len(await firm.events()) == 3
    assert firm.metric("casebell_changes_found_by_reconciliation_total") == 2.0
    assert firm.metric("casebell_changes_delivered_total") == 0.0


@pytest.mark.parametrize("first", ["webhook", "look"])
async def test_whichever_comes_first(firm: Reconciling, first: str) -> None:
    """The change is one and is alerted once; the event of the other reports it."""
    await looked_at(firm)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    if first == "look":
        assert (await firm.reconcile()).found == 1
        await firm.deliver("rfe_issued", ago(hours=-3), key="evt_1")
    else:
        await firm.deliver("rfe_issued", ago(hours=-3), key="evt_1")
        assert (await firm.reconcile()).found == 0
    assert await firm.alerts() == ["rfe_issued > jchan@f.com"]
    assert len(await firm.events()) == (3 if first == "look" else 2)
    assert firm.metric("casebell_changes_found_by_reconciliation_total") == float(first == "look")


async def test_a_specific_type_that_comes_later(firm: Reconciling) -> None:
    """It has another time by a little, and other words: it reports the same change."""
    await looked_at(firm)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    await firm.reconcile()
    await firm.deliver(
        "rfe_issued", ago(hours=-4), text="Request for Evidence Was Sent", type="case.rfe.issued"
    )
    assert await firm.alerts() == ["rfe_issued > jchan@f.com"]


async def test_a_second_rfe(firm: Reconciling) -> None:
    """The same words at another time, the answer to the first between them: alerted again."""
    await looked_at(firm)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    await firm.reconcile()
    firm.clock.advance(30 * 86_400)
    await firm.api.move("rfe_received", at=ago(days=-10), text=RESPONSE)
    await firm.api.move("rfe_issued", at=ago(days=-20), text=RFE)
    assert (await firm.reconcile()).found == 2
    assert await firm.alerts() == [
        f"{status} > jchan@f.com" for status in ("rfe_issued", "rfe_received", "rfe_issued")
    ]
    assert await firm.queue() == [RECEIPT]


async def test_two_changes_of_one_instant(firm: Reconciling) -> None:
    """They keep the order in which the API has them."""
    await looked_at(firm)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    await firm.api.move("rfe_received", at=ago(hours=-3), text=RESPONSE)
    assert (await firm.reconcile()).found == 2
    assert await firm.queue() == []
    assert await firm.present() == "rfe_received"


async def test_a_partial_history(firm: Reconciling) -> None:
    """The status itself is the event where the history lacks it."""
    await looked_at(firm)
    await firm.api.faults(partial_history=True)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    await firm.reconcile()
    assert await firm.alerts() == ["rfe_issued > jchan@f.com"]
    firm.clock.advance(60)
    await firm.api.faults(partial_history=False)
    assert (await firm.reconcile()).found == 0


async def test_a_long_history(either: Reconciling) -> None:
    """More than a page, and more than one transaction: each once, in its order."""
    firm = either
    await firm.know()
    for number in range(130):
        text = f"Step number {number} of the case was taken"
        await firm.api.move("other", at=ago(days=900 - number), text=text)
    assert (await firm.reconcile()).first_looks == 1
    told = await firm.texts()
    assert told == [f"Step number {number} of the case was taken" for number in range(130)]
    assert {flags.split()[0] for _, _, flags in (await firm.events())[:-1]} == {HISTORY}
    assert (await firm.events())[-1][2].split()[0] == BASELINE


async def test_a_case_without_dates(firm: Reconciling) -> None:
    """What it was at the first look is no news, whenever it is looked at; what follows is."""
    await firm.know(owner="Jia Chan")
    await firm.api.faults(dateless=True)
    await firm.api.move("received", text=RECEIVED)
    for _ in range(3):
        await firm.reconcile()
        firm.clock.advance(86_400)
    assert [flags for _, _, flags in await firm.events()] == [BASELINE]
    await firm.api.move("rfe_issued", text=RFE)
    assert (await firm.reconcile()).found == 1
    assert await firm.alerts() == ["rfe_issued > jchan@f.com"]


# --- Torch ----------------------------------------------------------------------------------------


async def test_a_time_that_moves(torch: Reconciling) -> None:
    """The same state at another time of observation is no news, however often it is looked at."""
    await torch.know(owner="Jia Chan")
    await torch.api.faults(moving_times=True)
    await torch.api.move("received", at=ago(days=90), text=RECEIVED)
    for _ in range(3):
        assert (await torch.reconcile()).found == 0
        torch.clock.advance(20 * 86_400)
    assert [flags for _, _, flags in await torch.events()] == [BASELINE]
    await torch.api.move("rfe_issued", at=ago(days=-50), text=RFE)
    assert (await torch.reconcile()).found == 1
    assert await torch.alerts() == ["rfe_issued > jchan@f.com"]


async def test_it_is_so_again(torch: Reconciling) -> None:
    """A webhook told of a state between: the state of before is a change."""
    await torch.know(owner="Jia Chan")
    await torch.api.move("rfe_issued", at=ago(days=90), text=RFE, category="Request for Evidence")
    await torch.reconcile()
    torch.clock.advance(86_400)
    await torch.deliver("Case Approved", ago(hours=-3), text="Case Was Approved", source="torch")
    torch.clock.advance(86_400)
    await torch.api.move("rfe_issued", at=ago(hours=-30), text=RFE, category="Request for Evidence")
    assert (await torch.reconcile()).found == 1
    assert await torch.alerts() == ["approved > jchan@f.com", "rfe_issued > jchan@f.com"]


async def test_batches(tmp_path: Path) -> None:
    """Many cases a request; one that the API does not know keeps no other back."""
    async with reconciling(sqlite(tmp_path), tmp_path, kind="torch", batch=4) as firm:
        for number in range(10):
            receipt = f"IOE09000000{number:02d}"
            await firm.know(receipt)
            if number != 7:
                await firm.api.move("received", receipt, at=ago(days=9), text=RECEIVED)
        stand = await firm.reconcile()
        assert (stand.checked, stand.first_looks, stand.failed) == (10, 9, 1)
        assert firm.api.simulator.asked.total() == 3
        [failing] = [row for row in await firm.rows() if row.problem]
        assert (failing.receipt, failing.problem) == (
            "IOE0900000007",
            "The API does not know this case.",
        )
        assert "cases_not_looked_at > it@f.com" in await firm.alerts("ops")
        firm.clock.advance(60)
        before = len(await firm.alerts("ops"))
        assert (await firm.reconcile()).failed == 1
        assert len(await firm.alerts("ops")) == before


async def test_a_case_that_becomes_known(firm: Reconciling) -> None:
    """Its first look is the first that tells of it."""
    await firm.know()
    assert (await firm.reconcile()).failed == 1
    assert (await firm.events(), await firm.alerts()) == ([], [])
    firm.clock.advance(60)
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    assert (await firm.reconcile()).first_looks == 1
    assert [flags for _, _, flags in await firm.events()] == [BASELINE]
    assert [row.problem for row in await firm.rows()] == [None]


async def test_a_second_api(firm: Reconciling) -> None:
    """What the first had told, in other words, alerts nobody; what came since then does."""
    await firm.know(owner="Jia Chan")
    await firm.know(OTHER, owner="Kim Roe")
    await firm.api.faults(moving_times=True)
    await firm.api.move("received", OTHER, at=ago(days=90), text=RECEIVED)
    await firm.api.move("rfe_issued", at=ago(days=60), text=RFE, category="Request for Evidence")
    await firm.reconcile()
    firm.clock.advance(86_400)
    await firm.api.move("denied", OTHER, at=ago(hours=-3), text="Case Was Denied")
    firm.reload(name="other", kind="torch")
    assert (await firm.reconcile()).first_looks == 2
    assert await firm.alerts() == ["denied > kim@f.com"]
    firm.clock.advance(30 * 86_400)
    assert (await firm.reconcile()).found == 0
    firm.reload(name="api", kind="parley")
    assert (await firm.reconcile()).found == 0
    assert await firm.alerts() == ["denied > kim@f.com"]
    assert sorted(await firm.queue()) == [RECEIPT]


# --- What is left out -----------------------------------------------------------------------------


async def test_receipts_of_tests_are_not_asked_for(firm: Reconciling) -> None:
    """Neither those of the staging service nor those of the configuration, whenever it has them."""
    for receipt in ("EAC9999103402", "MSC2190000001", RECEIPT):
        await firm.know(receipt)
    await firm.api.move("received", at=ago(days=9), text=RECEIVED)
    stand = await firm.reconcile()
    assert (stand.checked, stand.failed) == (1, 0)
    assert [row.receipt for row in await firm.rows()] == [RECEIPT]
    firm.reload(tests='"IOE*"')
    firm.clock.advance(60)
    asked = firm.api.simulator.asked.total()
    assert (await firm.reconcile()).done
    assert firm.api.simulator.asked.total() == asked


async def test_what_is_not_understood_is_held_once(firm: Reconciling) -> None:
    """And nothing of the case is taken for its first look."""
    await firm.know()
    firm.reload(fields='fields = { receipt = ["receiptNumber"] }')
    await firm.api.faults(renamed_api_fields=True)
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    for _ in range(2):
        stand = await firm.reconcile()
        assert (stand.failed, stand.first_looks) == (1, 0)
        firm.clock.advance(60)
    [row] = await firm.rows()
    assert row.first_told_at is None
    assert row.problem is not None
    assert [one.times for one in await read_table(firm.store, held)] == [1]
    firm.reload(fields="")
    await firm.api.faults(renamed_api_fields=False)
    assert (await firm.reconcile()).first_looks == 1
    assert await firm.alerts() == []


# --- Budgets, failures, ends ----------------------------------------------------------------------


async def test_the_budget_of_a_day(store_url: str, tmp_path: Path) -> None:
    """It stops, says what is left, and goes on the next day with the longest unchecked."""
    async with reconciling(store_url, tmp_path, per_day=10) as firm:
        receipts = [f"IOE09000000{number:02d}" for number in range(6)]
        for receipt in receipts:
            await firm.know(receipt)
            await firm.api.move("received", receipt, at=ago(days=9), text=RECEIVED)
        stand = await firm.reconcile()
        assert (stand.done, stand.checked + stand.remaining) == (False, 6)
        assert stand.remaining > 0
        assert stand.waits is not None
        assert "used up" in stand.waits
        assert {"reconciliation_waits > it@f.com", "first_looks > it@f.com"} == set(
            await firm.alerts("ops")
        )
        again = await firm.reconcile()
        assert (again.checked, again.run) == (stand.checked, stand.run)
        for _ in range(4):
            firm.clock.advance(86_400)
            stand = await firm.reconcile()
        assert (stand.done, stand.checked, stand.waits) == (True, 6, None)
        assert len(await firm.events()) == 6
        told = [one for one in await firm.alerts("ops") if one.startswith("reconciliation_waits")]
        assert len(told) == 1


async def test_an_api_that_fails(firm: Reconciling) -> None:
    """Operations hear once, and when it works again; each pause is longer."""
    await looked_at(firm)
    before = await firm.alerts("ops")
    await firm.api.faults(api={"status": 401})
    for _ in range(3):
        stand = await firm.reconcile()
        assert not stand.done
        assert stand.waits is not None
        firm.clock.advance(60)
    assert (await firm.alerts("ops"))[len(before) :] == ["upstream_fails > it@f.com"]
    assert await firm.pauses() == 900.0
    await firm.api.faults(api=None)
    assert (await firm.reconcile()).done
    assert (await firm.alerts("ops"))[len(before) + 1 :] == ["upstream_works > it@f.com"]


async def test_an_api_that_fails_now_and_then(firm: Reconciling) -> None:
    """It gets on, and nobody hears of each time; of a failure that lasts operations do."""
    await looked_at(firm)
    before = len(await firm.alerts("ops"))
    await firm.api.faults(api={"answer": "cut", "times": 3})
    assert (await firm.reconcile()).waits is not None
    firm.clock.advance(60)
    assert (await firm.reconcile()).done
    assert len(await firm.alerts("ops")) == before
    firm.clock.advance(60)
    await firm.api.faults(api={"answer": "cut"})
    for _ in range(2):
        assert (await firm.reconcile()).waits is not None
        firm.clock.advance(60)
    assert (await firm.alerts("ops"))[before:] == ["upstream_fails > it@f.com"]


async def test_a_limit_of_the_provider(firm: Reconciling) -> None:
    """A minute's is waited for without a word."""
    await looked_at(firm)
    before = len(await firm.alerts("ops"))
    await firm.api.faults(api={"status": 429, "times": 1, "retry_after": 600})
    stand = await firm.reconcile()
    assert stand.waits is not None
    assert len(await firm.alerts("ops")) == before
    assert (await firm.reconcile()).done


async def test_a_history_that_fails(firm: Reconciling) -> None:
    """A first look takes nothing then; later the state is the event, and the history follows."""
    await firm.know(owner="Jia Chan")
    broken = {"answer": "truncated", "path": "/v1/events"}
    await firm.api.faults(api=broken)
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    assert (await firm.reconcile()).failed == 1
    assert await firm.events() == []
    await firm.api.faults(api=None)
    firm.clock.advance(60)
    assert (await firm.reconcile()).first_looks == 1
    firm.clock.advance(86_400)
    await firm.api.faults(api=broken)
    await firm.api.move("rfe_issued", at=ago(hours=-2), text=RFE)
    await firm.api.move("approved", at=ago(hours=-20), text="Case Was Approved")
    stand = await firm.reconcile()
    assert (stand.found, stand.failed) == (1, 1)
    await firm.api.faults(api=None)
    firm.clock.advance(60)
    stand = await firm.reconcile()
    assert (stand.found, stand.failed) == (1, 0)
    assert sorted(await firm.alerts()) == ["approved > jchan@f.com", "rfe_issued > jchan@f.com"]


async def test_the_configuration_changes_meanwhile(tmp_path: Path) -> None:
    """What is being asked ends; the run waits, and goes on once it is there again."""
    async with reconciling(sqlite(tmp_path), tmp_path, kind="torch", batch=1) as firm:
        for number in range(3):
            receipt = f"IOE09000000{number:02d}"
            await firm.know(receipt)
            await firm.api.move("received", receipt, at=ago(days=9), text=RECEIVED)
        upstream = firm.upstream
        stand = await firm.runtime.reconciler.go_on(
            upstream, seconds=60, by=firm.by, progress=lambda: firm.reload(batch=2)
        )
        assert (stand.checked, stand.done) == (1, False)
        assert stand.waits is not None
        stand = await firm.reconcile()
        assert (stand.checked, stand.done, stand.waits) == (3, True, None)


# --- One case -------------------------------------------------------------------------------------


async def test_one_case_at_once(firm: Reconciling) -> None:
    """Outside of any run; the next run does not look at it again so soon."""
    await firm.know(owner="Jia Chan")
    await firm.know(OTHER)
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    stand = await firm.look()
    assert (stand.run, stand.done, stand.first_looks) == (None, True, 1)
    [entry] = [
        one for one in await read_table(firm.store, journal) if one.kind == "reconciliation.looked"
    ]
    said = json.loads(entry.data)
    assert (entry.actor, said["receipt"]) == (firm.by.name, RECEIPT)
    # From what was found to whoever had it asked for.
    assert {one.request_id for one in await read_table(firm.store, events)} == {said["request_id"]}
    await firm.api.move("rfe_issued", at=ago(hours=-2), text=RFE)
    assert (await firm.look()).found == 1
    assert await firm.alerts() == ["rfe_issued > jchan@f.com"]
    firm.clock.advance(60)
    await firm.api.move("received", OTHER, at=ago(days=90), text=RECEIVED)
    assert (await firm.reconcile()).first_looks == 1


async def test_one_case_whose_first_look_asks_for_something(firm: Reconciling) -> None:
    """Its owner hears with the next run."""
    await firm.know(owner="Jia Chan")
    await firm.api.move("rfe_issued", at=ago(days=9), text=RFE)
    assert (await firm.look()).first_looks == 1
    assert await firm.alerts("ops") == []
    firm.clock.advance(60)
    await firm.reconcile()
    assert "first_looks_of_owner > jchan@f.com" in await firm.alerts("ops")
    before = await firm.alerts("ops")
    firm.clock.advance(60)
    await firm.reconcile()
    assert await firm.alerts("ops") == before
