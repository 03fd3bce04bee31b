"""What people read of a reconciliation: alerts, summaries, the story of an event."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from casebell.events import Flag
from casebell.notify.composer import Composer
from casebell.notify.render_ops import render_ops
from casebell.ops_messages import from_json
from casebell.receive.release import Releases, choose
from casebell.sandbox.simulator.bodies import RENAMED
from casebell.service.story import story
from casebell.store import outbox
from casebell.store.schema import alerts, held, journal
from contracts.actors import ADMIN
from contracts.clock_and_log import RecordingLog
from contracts.stores import read_table
from upstream.reconciling_firm import (
    OTHER,
    RECEIPT,
    RECEIVED,
    RFE,
    Reconciling,
    ago,
    reconciling,
    sqlite,
)

#: By our name of a field, that of Parley's page.
FIELDS = {
    "receipt": "receipt_number",
    "status": "normalized_status",
    "text": "raw_status_text",
    "observed_at": "last_updated_at",
}


@pytest.fixture
async def firm(tmp_path: Path) -> AsyncIterator[Reconciling]:
    async with reconciling(sqlite(tmp_path), tmp_path) as firm:
        yield firm


async def told(firm: Reconciling, topic: str) -> list[tuple[str, Any]]:
    """Whom messages of a topic are for, and what they say."""
    found = []
    for row in await read_table(firm.store, alerts):
        if row.subject.partition(":")[0] == topic:
            note = from_json(row.note)
            assert note is not None
            found.append((row.target, note))
    return found


async def asking(firm: Reconciling, receipt: str, **facts: Any) -> None:
    """A case that asks for something when it is looked at for the first time."""
    await firm.know(receipt, **facts)
    await firm.api.move("rfe_issued", receipt, at=ago(days=10), text=RFE)


async def test_one_summary_for_each_owner(firm: Reconciling) -> None:
    """Of the own cases; what nobody owns is operations' alone."""
    await asking(firm, "IOE0900000001", owner="Jia Chan")
    await asking(firm, "IOE0900000002", owner="jchan@f.com")
    await asking(firm, "IOE0900000003", owner="Kim Roe")
    await asking(firm, "IOE0900000004")
    await firm.know("IOE0900000005", owner="Kim Roe")
    await firm.api.move("received", "IOE0900000005", at=ago(days=90), text=RECEIVED)
    await firm.reconcile()
    assert {
        (to, one.asking, one.first) for to, one in await told(firm, "first_looks_of_owner")
    } == {
        ("jchan@f.com", 2, "IOE…0001, IOE…0002"),
        ("kim@f.com", 1, "IOE…0003"),
    }
    [(to, one)] = await told(firm, "first_looks")
    assert (to, one.cases, one.asking, one.unowned) == ("it@f.com", 5, 4, 1)
    message = render_ops(one)
    assert message.title == "Casebell operations: First look at cases; these ask for something: 4"
    assert message.body.startswith(
        "Looked at for the first time: 5. Of these ask for something: 4."
    )


async def test_confidential_cases(firm: Reconciling) -> None:
    """Their owner hears, where one person alone reads; nobody else does in the owner's place."""
    await asking(firm, "IOE0900000001", owner="Jia Chan", confidential=True)
    await asking(firm, "IOE0900000002", owner="nobody we know", confidential=True)
    await firm.reconcile()
    assert [to for to, _ in await told(firm, "first_looks_of_owner")] == ["jchan@f.com"]
    [(_, one)] = await told(firm, "first_looks")
    assert (one.asking, one.unowned) == (2, 1)


async def test_a_second_summary_tells_of_the_rest(tmp_path: Path) -> None:
    """Of a run that takes two days nobody hears twice of one case."""
    url = sqlite(tmp_path)
    async with reconciling(url, tmp_path, kind="torch", per_day=1, batch=2) as firm:
        for number in range(3):
            await asking(firm, f"IOE090000000{number}", owner="Jia Chan")
        assert not (await firm.reconcile()).done
        firm.clock.advance(86_400)
        assert (await firm.reconcile()).done
        found = await told(firm, "first_looks_of_owner")
        assert [(one.asking, one.first) for _, one in found] == [
            (2, "IOE…0000, IOE…0001"),
            (1, "IOE…0002"),
        ]
        assert [one.cases for _, one in await told(firm, "first_looks")] == [2, 1]


async def test_an_api_that_fails_keeps_no_summary_back(firm: Reconciling) -> None:
    """It may fail for days, and what asks for something would wait unseen."""
    for number in range(8):
        await asking(firm, f"IOE090000000{number}", owner="Jia Chan")
    await firm.reconcile(seconds=0)
    await firm.api.faults(api=[{"answer": "error", "status": 401}])
    for _ in range(2):
        assert (await firm.reconcile()).fails
        firm.clock.advance(4_000)
    [(to, one)] = await told(firm, "first_looks_of_owner")
    assert (to, one.asking) == ("jchan@f.com", 5)
    await firm.api.faults(api=None)
    assert (await firm.reconcile()).done
    assert [one.asking for _, one in await told(firm, "first_looks_of_owner")] == [5, 3]


async def test_what_operations_hear_of_broken_webhooks(firm: Reconciling) -> None:
    """How many of how many, of which source, since when."""
    for receipt in (RECEIPT, OTHER):
        await firm.know(receipt)
        await firm.api.move("received", receipt, at=ago(days=90), text=RECEIVED)
    await firm.reconcile()
    firm.clock.advance(43_200)
    await firm.api.move("rfe_issued", OTHER, at=ago(hours=-3), text=RFE)
    await firm.deliver("rfe_issued", ago(hours=-3), receipt=OTHER)
    firm.clock.advance(43_200)
    await firm.api.move("rfe_issued", at=ago(hours=-3), text=RFE)
    await firm.reconcile()
    [(_, one)] = await told(firm, "changes_missed")
    assert (one.source, one.found, one.delivered) == ("parley", 1, 1)
    assert one.since == "2026-03-02 00:00:00 UTC"
    assert "Changes that webhooks brought since 2026-03-02 00:00:00 UTC: 1." in render_ops(one).body


async def test_what_an_alert_says(firm: Reconciling) -> None:
    """That it was found by reconciliation, beside all that it says else."""
    await firm.know(owner="Jia Chan", label="Acme O-1A")
    await firm.registered(at=ago(days=30))
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    await firm.reconcile()
    alert = await firm.store.transact(
        outbox.claim, channel="people", owner="a", now=firm.clock.now(), lease=60
    )
    assert alert is not None
    style = firm.runtime.in_force.channels().policies["people"].style
    composer = Composer(store=firm.store, clock=firm.clock, log=RecordingLog().log)
    message, _, flaw = await composer.one(alert, style, link=None, payload=True)
    assert flaw == ""
    assert "Found by reconciliation: no webhook delivered this change." in message.body.splitlines()
    assert message.payload is not None
    assert message.payload.event is not None
    assert (message.payload.event["origin"], message.payload.event["deliveries"]) == (
        "reconciled",
        0,
    )


async def test_its_story(firm: Reconciling) -> None:
    """Nobody authenticated it: the provider's API told of it."""
    await firm.know()
    await firm.api.move("received", at=ago(days=90), text=RECEIVED)
    await firm.api.move("rfe_issued", at=ago(days=9), text=RFE)
    await firm.reconcile()
    firm.clock.advance(86_400)
    await firm.api.move("approved", at=ago(hours=-2), text="Case Was Approved")
    await firm.reconcile()

    async def verified(number: int) -> list[str]:
        explained = await firm.ask("explain_event", number=number)
        [section] = [one for one in story(explained) if one.heading.text(str) == "Verified"]
        return [point.sentence.text(str) for point in section.points]

    assert await verified(3) == [
        "2026-03-03T00:00:00.000000Z: found by reconciliation: the provider's API told of it.",
        "No webhook has delivered this event.",
    ]
    assert (await verified(1))[0].endswith(
        "the provider's API told of it, at the first look at the case."
    )
    found = await firm.ask("find_case", receipt=RECEIPT)
    assert [one["origin"] for one in found["changes"]] == ["reconciled"] * 3
    kinds = [one.kind for one in await read_table(firm.store, journal)]
    assert kinds.count("event.reconciled") == 3
    assert "delivery.stored" not in kinds


async def test_what_is_released_is_no_delivery(firm: Reconciling) -> None:
    """What could not be understood at the first look alerts nobody once it can."""
    await firm.know(owner="Jia Chan")
    firm.reload(fields='fields = { receipt = ["receiptNumber"] }')
    await firm.api.faults(renamed_api_fields=True)
    await firm.api.move("rfe_issued", at=ago(days=10), text=RFE)
    await firm.reconcile()
    [row] = await read_table(firm.store, held)
    assert (row.origin, row.flags.strip()) == ("reconciled", Flag.BASELINE)
    mapped = ", ".join(f'{field} = ["{RENAMED.get(name, name)}"]' for field, name in FIELDS.items())
    firm.reload(fields=f"fields = {{ {mapped} }}")
    releases = Releases(
        store=firm.store,
        settings=firm.runtime.in_force.settings(),
        event_log=firm.runtime.event_log,
        clock=firm.clock,
        actor=ADMIN,
    )
    results = await releases.release(await choose(firm.store, [], reason=None))
    assert [one.status for one in results] == ["stored"]
    [(origin, _, flags)] = await firm.events()
    assert (origin, Flag.BASELINE in flags) == ("reconciled", True)
    assert await firm.alerts() == []
