"""Runs that are ended, shared and asked for: whatever happens, each change is known once."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from casebell.cli.local_service import opened
from casebell.errors import BadArgument, NotFound, Refusal, StorageUnavailable, UpstreamError
from casebell.events import Micros
from casebell.store import marks, queries, reconciliations
from casebell.store.schema import events, journal
from casebell.upstream.parley import ParleyClient
from casebell.upstream.schedule import is_due
from casebell.upstream.told import Told
from contracts.actors import ADMIN
from contracts.stores import failing_at, read_table
from processes import Forked
from upstream.mortal_reconciler import main
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
from waiting import until

THIRD = "WAC2190000001"


@pytest.fixture
async def firm(tmp_path: Path) -> AsyncIterator[Reconciling]:
    """On SQLite."""
    async with reconciling(sqlite(tmp_path), tmp_path) as firm:
        yield firm


@pytest.fixture
async def either(store_url: str, tmp_path: Path) -> AsyncIterator[Reconciling]:
    """On each database."""
    async with reconciling(store_url, tmp_path) as firm:
        yield firm


async def behind(firm: Reconciling) -> None:
    """One case to be looked at for the first time, and two with changes that were missed."""
    await firm.know(owner="Jia Chan")
    await firm.know(OTHER, owner="Kim Roe")
    for receipt in (RECEIPT, OTHER):
        await firm.api.move("received", receipt, at=ago(days=90), text=RECEIVED)
    await firm.reconcile()
    firm.clock.advance(86_400)
    await firm.know(THIRD, owner="Kim Roe")
    await firm.api.move("rfe_issued", THIRD, at=ago(days=50), text=RFE)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    await firm.api.move("rfe_received", at=ago(hours=-9), text=RESPONSE)
    await firm.api.move("approved", OTHER, at=ago(hours=-4), text="Case Was Approved")


#: What comes of it, however it came.
ALERTS = ["approved > kim@f.com", "rfe_issued > jchan@f.com", "rfe_received > jchan@f.com"]
OPS = [
    "changes_missed > it@f.com",
    # Of the run before.
    "first_looks > it@f.com",
    "first_looks > it@f.com",
    "first_looks_of_owner > kim@f.com",
]


async def is_whole(firm: Reconciling) -> None:
    """Each change is known once, and each was told once."""
    assert sorted(await firm.alerts()) == ALERTS
    assert sorted(await firm.alerts("ops")) == OPS
    assert await firm.queue() == [THIRD]
    assert len(await firm.events()) == 6
    entries = [one.kind for one in await read_table(firm.store, journal)]
    assert entries.count("reconciliation.ended") == entries.count("reconciliation.began") == 2
    began = {
        json.loads(one.data)["request_id"]
        for one in await read_table(firm.store, journal)
        if one.kind == "reconciliation.began"
    }
    told = [one for one in await read_table(firm.store, events) if one.origin == "reconciled"]
    assert {one.request_id for one in told} == began
    async with firm.store.read() as connection:
        run = await reconciliations.latest(connection, "api")
    assert run is not None
    assert (run.checked, run.found, run.first_looks, run.failed) == (3, 3, 1, 0)


# --- What ends in the middle ----------------------------------------------------------------------


async def test_a_storage_that_fails_at_any_statement(either: Reconciling) -> None:
    """A write is there whole or not at all, and the next call goes on."""
    firm = either
    await behind(firm)
    failed, number, written = 0, 1, 0
    while True:
        try:
            with failing_at(firm.store, number):
                stand = await firm.reconcile()
            if stand.done:
                break
        except StorageUnavailable:
            failed += 1
        # Once something was written, the next call fails at its first statement.
        now_written = len(await read_table(firm.store, journal))
        number, written = (1, now_written) if now_written > written else (number + 1, written)
    assert failed > 10
    await is_whole(firm)


@pytest.mark.slow
async def test_killed_at_any_statement(store_url: str, tmp_path: Path) -> None:
    """The same where the process is killed, before each statement and each commit.

    On PostgreSQL, where each start takes longer, before every third.
    """
    step = 1 if store_url.startswith("sqlite") else 3
    async with reconciling(store_url, tmp_path) as firm:
        await behind(firm)
        now = firm.clock.now()
        await firm.store.close()
        killed, number, written = 0, 1, -1
        while True:
            process = Forked(
                [store_url, str(tmp_path), firm.api.url, str(now), str(number)],
                directory=tmp_path,
                environ=os.environ,
                output=tmp_path / "output",
                entry=main,
            )
            code = await process.wait()
            # Until the lease of the dead ends.
            now += 200 * 1_000_000
            if code == 0:
                break
            assert code == -signal.SIGKILL, (tmp_path / "output").read_text()
            killed += 1
            server = firm.another_server()
            async with server.opened():
                now_written = len(await read_table(server.store, journal))
            number = 1 if now_written > written else number + step
            written = max(written, now_written)
        assert killed > 20 // step
        firm.runtime = firm.another_server()
        firm.store = firm.runtime.store
        async with firm.runtime.opened():
            await is_whole(firm)


async def test_piece_by_piece(tmp_path: Path) -> None:
    """Calls that have no time do a piece each, and say how far they are."""
    async with reconciling(sqlite(tmp_path), tmp_path, kind="torch", batch=1) as firm:
        for receipt in (RECEIPT, OTHER, THIRD):
            await firm.know(receipt)
            await firm.api.move("received", receipt, at=ago(days=9), text=RECEIVED)
        stands = [await firm.reconcile(seconds=0) for _ in range(4)]
        assert [(one.checked, one.remaining, one.done) for one in stands] == [
            (1, 2, False),
            (2, 1, False),
            (3, 0, False),
            (3, 0, True),
        ]
        assert len({one.run for one in stands}) == 1


# --- Others at the same time ----------------------------------------------------------------------


async def test_a_webhook_comes_while_the_api_is_asked(
    firm: Reconciling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what the API has told, that is known by the time it is written."""
    await behind(firm)
    history = ParleyClient.history

    async def delivering(client: ParleyClient, receipt: str, **given: Any) -> Sequence[Told]:
        told = await history(client, receipt, **given)
        if receipt == RECEIPT:
            await firm.deliver("rfe_issued", ago(hours=-3), key="evt_1")
        return told

    monkeypatch.setattr(ParleyClient, "history", delivering)
    assert (await firm.reconcile()).found == 2
    assert sorted(await firm.alerts()) == ALERTS


async def test_two_at_once(either: Reconciling, monkeypatch: pytest.MonkeyPatch) -> None:
    """One works; the other says who does, and how far that is."""
    firm, statuses = either, ParleyClient.statuses
    await behind(firm)
    others: list[Any] = []

    async def asked(client: ParleyClient, receipts: Sequence[str]) -> Any:
        if not others:
            others.append(await firm.reconcile(seconds=0))
        return await statuses(client, receipts)

    monkeypatch.setattr(ParleyClient, "statuses", asked)
    works = await firm.reconcile()
    (waits,) = others
    assert works.run == waits.run
    assert (works.done, works.checked) == (True, 3)
    assert (waits.done, waits.checked) == (False, 0)
    await is_whole(firm)


async def test_who_waits_hears_how_it_gets_on(firm: Reconciling) -> None:
    """A call that finds another at work ends once that has got on."""
    await behind(firm)
    works, waits = asyncio.create_task(firm.reconcile()), asyncio.create_task(firm.reconcile())
    await until(lambda: firm.clock.asleep or works.done(), "the other waits")
    await works
    firm.clock.advance(0.5)
    assert await waits == works.result()


@pytest.mark.parametrize("dead", [False, True])
async def test_another_server(postgresql_url: str, tmp_path: Path, dead: bool) -> None:
    """Its lease holds while it works; of one that died it ends, and the run is taken over."""
    async with reconciling(postgresql_url, tmp_path) as firm:
        await behind(firm)
        other = firm.another_server()
        async with other.opened():
            run = await other.reconciler._begin(firm.upstream, by=firm.by)
            assert await other.reconciler._take(run)
            if dead:
                firm.clock.advance(181)
                assert (await firm.reconcile()).done
                await is_whole(firm)
            else:
                stand = await firm.reconcile(seconds=0)
                assert (stand.checked, stand.done, stand.remaining) == (0, False, 3)
                assert stand.elsewhere == other._owner
                assert await firm.alerts() == []
                assert (await firm.reconcile(other)).done
                await is_whole(firm)


async def test_a_server_that_woke_up_too_late(postgresql_url: str, tmp_path: Path) -> None:
    """What it asked meanwhile is not written: another has gone on with the run."""
    async with reconciling(postgresql_url, tmp_path) as firm:
        await behind(firm)
        other = firm.another_server()
        async with other.opened():
            run = await other.reconciler._begin(firm.upstream, by=firm.by)
            await other.reconciler._take(run)
            firm.clock.advance(181)
            assert (await firm.reconcile()).done
            stand = await other.reconciler._work(
                firm.upstream, run, until=10.0**9, stop=lambda: False, progress=lambda: None
            )
            assert (stand.done, stand.checked) == (True, 3)
            await is_whole(firm)


# --- The schedule ---------------------------------------------------------------------------------


async def test_when_it_is_due(firm: Reconciling) -> None:
    """A day after it began last, whoever began it; a run that waits, when that ends."""
    hour = 3_600 * 1_000_000

    async def due(later: int = 0) -> bool:
        async with firm.store.read() as connection:
            run = await reconciliations.latest(connection, "api")
        return is_due(run, firm.upstream, now=firm.clock.now() + later)

    assert await due()
    await firm.know()
    await firm.api.faults(api={"status": 401})
    await firm.reconcile()
    assert not await due(59 * 1_000_000)
    assert await due(60 * 1_000_000)
    await firm.api.faults(api=None)
    await firm.reconcile()
    assert not await due(23 * hour)
    assert await due(24 * hour)
    # A clock that was ahead is set back.
    assert await due(-hour)
    by_hand = firm.upstream.model_copy(update={"reconcile": None})
    assert not is_due(None, by_hand, now=firm.clock.now())


async def test_it_goes_by_itself(firm: Reconciling) -> None:
    """The loop of a server takes what is due, and rests."""
    await behind(firm)
    assert firm.runtime.schedule in firm.runtime._loops
    async with firm.runtime.schedule:

        async def told() -> bool:
            return len(await firm.alerts("ops")) == len(OPS)

        await until(told, "the run that is due")
    await is_whole(firm)
    [*_, began, _] = [
        one for one in await read_table(firm.store, journal) if one.subject == "upstream:api"
    ]
    assert (began.kind, began.actor) == ("reconciliation.began", "server")
    firm.reload(kind="torch")
    assert firm.runtime.schedule._rest() is not None


# --- What it says of webhooks ---------------------------------------------------------------------


async def test_what_was_told_is_no_delivery(either: Reconciling) -> None:
    """However much the API tells, a source was last heard when a webhook came."""
    firm = either
    await firm.know()
    for number in range(queries._RECENT // 20):
        text = f"Step number {number} of the case was taken"
        await firm.api.move("other", at=ago(days=900 - number), text=text)

    async def last() -> dict[str, Micros]:
        async with firm.store.read() as connection:
            return await queries.last_deliveries(connection, ["parley", "torch"])

    assert await last() == {}
    await firm.reconcile()
    assert await last() == {}
    came = firm.clock.now()
    await firm.deliver("approved", ago(hours=1), text="Case Was Approved")
    assert await last() == {"parley": came}
    firm.clock.advance(86_400)
    await firm.api.move("approved", at=ago(hours=-2), text="Case Was Reopened And Approved")
    await firm.reconcile()
    assert await last() == {"parley": came}
    async with firm.store.read() as connection:
        assert (await marks.named(connection, marks.HEARD)) == {"parley": came}


# --- The verb -------------------------------------------------------------------------------------


async def test_by_hand(firm: Reconciling) -> None:
    """A piece for each call; `since` leaves out what was looked at after it."""
    await behind(firm)
    answer = await firm.ask("reconcile", upstream="api", seconds=60)
    assert answer == {
        "upstream": "api",
        "run": answer["run"],
        "checked": 3,
        "found": 3,
        "first_looks": 1,
        "failed": 0,
        "remaining": 0,
        "done": True,
        "waits": None,
        "fails": False,
        "elsewhere": None,
    }
    firm.clock.advance(3_600)
    answer = await firm.ask("reconcile", since="2026-03-03T00:00:00Z", seconds=60)
    assert (answer["checked"], answer["done"]) == (0, True)
    firm.clock.advance(60)
    answer = await firm.ask("reconcile", receipt="ioe-0912345678")
    assert (answer["run"], answer["checked"], answer["found"]) == (None, 1, 0)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"upstream": "aip"}, NotFound),
        ({"receipt": "A123456789"}, BadArgument),
        ({"receipt": "EAC9999103402"}, Refusal),
        ({"receipt": "IOE0000000009"}, NotFound),
        ({"since": "yesteryear"}, BadArgument),
        ({"seconds": 3_600.0}, BadArgument),
    ],
)
async def test_what_cannot_be_asked_for(
    firm: Reconciling, given: dict[str, str], error: type[Exception]
) -> None:
    """Each says so, and nothing is begun."""
    with pytest.raises(error):
        await firm.ask("reconcile", **given)
    assert not await read_table(firm.store, journal)


async def test_one_case_of_an_api_that_fails(firm: Reconciling) -> None:
    """Whoever asks for it hears why."""
    await firm.know()
    await firm.api.faults(api={"status": 401})
    with pytest.raises(UpstreamError, match="does not take the token"):
        await firm.ask("reconcile", receipt=RECEIPT)


async def test_without_a_server(store_url: str, tmp_path: Path) -> None:
    """The command opens the store itself; its alerts wait for the server."""
    async with reconciling(store_url, tmp_path) as firm:
        await behind(firm)
        await firm.store.close()
        settings = firm.settings()
        async with opened(settings, "reconcile") as service:
            answer = await service.ask("reconcile", {"seconds": 60.0}, actor=ADMIN)
        assert (answer["done"], answer["found"]) == (True, 3)
