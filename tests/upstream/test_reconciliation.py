"""Reconciliation against the simulated APIs: what is news, and who hears of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from upstream.reconciling_firm import (
    RECEIPT,
    RECEIVED,
    RESPONSE,
    RFE,
    Reconciling,
    ago,
    reconciling,
)


@pytest.fixture
async def firm(store_url: str, tmp_path: Path) -> AsyncIterator[Reconciling]:
    async with reconciling(store_url, tmp_path) as firm:
        yield firm


async def test_the_first_look_alerts_nobody(firm: Reconciling) -> None:
    """Its history is stored; its state, which asks for something, waits in the queue."""
    await firm.know(owner="Jia Chan")
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    stand = await firm.reconcile()
    assert (stand.done, stand.checked, stand.first_looks, stand.found) == (True, 1, 1, 0)
    assert await firm.events() == [
        ("reconciled", "received", "history"),
        ("reconciled", "rfe_issued", "baseline"),
    ]
    assert await firm.alerts() == []
    assert await firm.queue() == [RECEIPT]
    assert await firm.alerts("ops") == [
        "first_looks_of_owner > jchan@f.com",
        "first_looks > it@f.com",
    ]


async def test_what_no_webhook_delivered(firm: Reconciling) -> None:
    """Each missed change is alerted, in its order, and operations hear that webhooks are broken."""
    await firm.know(owner="Jia Chan")
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    await firm.reconcile()
    firm.clock.advance(86_400)
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
