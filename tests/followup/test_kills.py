"""A server that dies or whose storage fails between any two steps of an escalation."""

import os
import signal
from pathlib import Path

import pytest

from casebell.errors import StorageUnavailable
from casebell.store.engine import Store
from casebell.store.schema import journal
from contracts.stores import failing_at, read_table
from followup.mortal import main
from followup.office import PEOPLE, UNSEEN, Office
from followup.test_dates import typed
from processes import Forked

LATER = "2026-11-14 12:00"
#: Two steps that are overdue and the end; a typed date of which the nearest distance is told.
EXPECTED = [
    "RFE unseen:1:0 > jchan@f.com",
    "RFE unseen:2:0 > partners@f.com",
    "unacknowledged:1:RFE unseen > it@f.com",
    "2026-11-17:3 > jchan@f.com",
]
CONFIG = PEOPLE + UNSEEN.replace('repeat = "1d"\n', "")


async def overdue(store: Store, folder: Path) -> Office:
    """An RFE of which nobody was reminded yet, and a date that was typed."""
    office = Office(store, folder, now="2026-11-02 09:00", config=CONFIG)
    await office.know(owner="Jia Chan")
    await office.deliver()
    await typed(store, "2026-11-17", remind="2026-11-03 08:00")
    return office


async def turns(store: Store) -> int:
    """How many were taken, by the journal."""
    return len([one for one in await read_table(store, journal) if one.actor == "server"])


async def test_a_storage_that_fails_at_any_statement(store: Store, tmp_path: Path) -> None:
    """A turn is there whole or not at all, and is taken again: nobody twice, nobody forgotten."""
    office = await overdue(store, tmp_path)
    office.clock.advance(12 * 86_400)
    failed, number, taken = 0, 1, 0
    while True:
        try:
            with failing_at(store, number):
                await office.look()
            break
        except StorageUnavailable:
            failed += 1
        # Once a turn was taken, the next one fails at its first statement.
        now_taken = await turns(store)
        number, taken = (1, now_taken) if now_taken > taken else (number + 1, taken)
    assert failed > 15
    assert sorted(await office.told()) == sorted(EXPECTED)
    assert await turns(store) == len(EXPECTED)


@pytest.mark.slow
async def test_killed_at_any_statement(store_url: str, tmp_path: Path) -> None:
    """The same where the process is killed, before each statement and each commit."""
    async with Store(store_url) as store:
        await overdue(store, tmp_path)
    killed, number, taken = 0, 1, 0
    while True:
        process = Forked(
            [store_url, str(tmp_path), LATER, str(number)],
            directory=tmp_path,
            environ=os.environ,
            output=tmp_path / "output",
            entry=main,
        )
        code = await process.wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL, (tmp_path / "output").read_text()
        killed += 1
        async with Store(store_url) as store:
            now_taken = await turns(store)
        number, taken = (1, now_taken) if now_taken > taken else (number + 1, taken)
    assert killed > 30
    async with Store(store_url) as store:
        office = Office(store, tmp_path, now=LATER, config=CONFIG)
        await office.look()
        assert sorted(await office.told()) == sorted(EXPECTED)
        assert await turns(store) == len(EXPECTED)
