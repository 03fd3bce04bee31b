"""The first page: what asks for somebody, as each role may see it."""

import re

import pytest

from api.running import CONFIDENTIAL
from casebell.actors import Role
from casebell.console.views.today import Part, apart
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from console.running import RunningConsole, text_of
from raw_admin import ask
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAILED = "failed : not_found: the service does not know the channel or the address"


async def page(console: RunningConsole, role: Role) -> str:
    """The first page's text, which must be there."""
    answer = await (await console.signed_in(role)).get("/")
    assert answer.status_code == 200
    return text_of(answer.text)


def receipts(console: RunningConsole) -> list[str]:
    """Those of the cases that ask, in order of arrival."""
    return [receipt for (receipt,) in console.rows("SELECT receipt FROM events ORDER BY id")]


async def test_nothing_yet(console: RunningConsole) -> None:
    """An empty record says of what it speaks; that a source never delivered; what may be wrong."""
    shown = await page(console, Role.ADMIN)
    assert "Nothing is open that you may see, by what Casebell has received." in shown
    assert "parley never none" in shown
    assert "None: nothing waits, and the last message over each target was delivered" in shown
    assert "Nothing is held ." in shown
    assert "ops.notify is empty: nobody hears of held deliveries or failing channels." in shown


async def test_an_attorney(filled: RunningConsole) -> None:
    """Sees the cases that ask, the alerts that failed, and how complete that is; no more."""
    shown = await page(filled, Role.VIEWER)
    assert f"{receipts(filled)[0]} RFE issued deadline" in shown
    assert shown.count(FAILED) == 3
    assert CONFIDENTIAL not in shown
    assert "3 deliveries held: authentic and not understood. What they say is in no case." in shown
    assert "Source Last delivery parley just now" in shown
    for hidden in ("Channels where something waits or failed", "Refused", "ops.notify"):
        assert hidden not in shown
    assert 'href="/held"' not in (await (await filled.signed_in(Role.VIEWER)).get("/")).text


async def test_operations(filled: RunningConsole) -> None:
    """Sees the channel that fails, when the source came, and how much is held."""
    shown = await page(filled, Role.OPERATOR)
    assert re.search(r"slack json never just now ?: not_found: .* \(HTTP 404\) 0", shown)
    assert "parley just now" in shown
    assert "3 deliveries held" in shown
    # Of a confidential case, only that its alert failed, masked.
    assert shown.count(FAILED) == 4
    assert CONFIDENTIAL not in shown


async def test_whoever_sees_all(filled: RunningConsole) -> None:
    """A confidential case asks, too."""
    assert CONFIDENTIAL in await page(filled, Role.AUDITOR)


async def test_refusals_in_a_row(filled: RunningConsole) -> None:
    """A source that sends with a wrong secret is named; operations see the likely cause."""
    for number in range(5):
        await filled.post(b'{"id": %d}' % number, Authorization="Parley-Signature=t=1,v1=00")
    kept = "SELECT count(*) FROM streaks"
    await filled.until_rows(kept, [(1,)])
    shown = await page(filled, Role.OPERATOR)
    assert "5 \N{MULTIPLICATION SIGN}" in shown
    told = "Deliveries of parley are refused since"
    assert told in shown
    to_attorneys = await page(filled, Role.VIEWER)
    assert told in to_attorneys
    assert "what it sent since then is in no case. Operations know." in to_attorneys
    listed = text_of((await (await filled.signed_in(Role.OPERATOR)).get("/refused")).text)
    assert "parley : 5 refused in a row" in listed
    assert "Check all of parley again" in listed
    assert "What to do:" in listed


async def test_an_event_without_a_decision(filled: RunningConsole) -> None:
    """Nobody was told of it: it is named, and leads to its page."""
    filled.write("UPDATE events SET routed_at = NULL WHERE id = 2")
    try:
        shown = await page(filled, Role.VIEWER)
        assert "not decided yet, so that nobody was told: event 2 ." in shown
    finally:
        filled.write("UPDATE events SET routed_at = received_at WHERE id = 2")
    assert "not decided yet" not in await page(filled, Role.VIEWER)


async def test_an_alert_on_its_way(filled: RunningConsole) -> None:
    """Why it waits and when it is tried next; a channel for which one waits is named."""
    sets = "state = 'retrying', reason = 'server_error', not_before = 32503680000000000"
    filled.write(f"UPDATE alerts SET {sets} WHERE id = 1")
    try:
        shown = await page(filled, Role.OPERATOR)
        assert "retrying , again at 2999-12-31 19:00:00 EST" in shown
        assert "server_error: the service failed" in shown
        assert re.search(r"slack json never .* 1 All channels", shown)
    finally:
        filled.write("UPDATE alerts SET state = 'failed', reason = 'not_found' WHERE id = 1")


async def test_none_failed_and_none_arrived(filled: RunningConsole) -> None:
    """What is still tried is not called delivered."""
    sets = "state = 'retrying', not_before = 32503680000000000"
    filled.write(f"UPDATE alerts SET {sets} WHERE state = 'failed'")
    try:
        shown = await page(filled, Role.VIEWER)
        assert "None has failed for good. Those on their way have not arrived yet." in shown
    finally:
        filled.write("UPDATE alerts SET state = 'failed' WHERE state = 'retrying'")


async def test_what_cannot_be_read(filled: RunningConsole) -> None:
    """It says so in its place, and nothing reassuring; the rest is there."""
    filled.write("ALTER TABLE targets RENAME TO others")
    try:
        shown = await page(filled, Role.OPERATOR)
    finally:
        filled.write("ALTER TABLE others RENAME TO targets")
    assert "How the channels stand could not be read:" in shown
    assert "nothing waits" not in shown
    assert "Its tables are not as Casebell made them: table targets is missing" in shown
    assert f"{receipts(filled)[1]} RFE issued" in shown


async def test_what_is_answered(filled: RunningConsole) -> None:
    """A case whose answer came asks no longer."""
    first, second, *_ = receipts(filled)
    await filled.deliver(
        receipt_number=first,
        normalized_status="rfe_received",
        raw_status_text="We received your response to our Request for Evidence.",
        occurred_at="2026-01-14T19:22:03Z",
    )
    shown = await page(filled, Role.VIEWER)
    assert f"{first} RFE issued" not in shown
    assert f"{second} RFE issued" in shown


async def test_what_keeps_silent(filled: RunningConsole) -> None:
    """A source, a channel that is seldom used, and whoever watches Casebell."""
    before = filled.file.read_text()
    async with HttpSink() as watcher:
        watcher.answer(HttpAnswer(status=500))
        filled.file.write_text(
            before.replace('kind = "parley"', 'kind = "parley"\nexpect_every = "1m"').replace(
                'pace = "0s"', 'pace = "0s"\nself_test = "1h"'
            )
            + f'[ops]\nheartbeat = "{watcher.url}/ping-4711-s3cret"\n'
        )
        filled.write("INSERT INTO marks VALUES ('silent:parley', 32503680000000000)")
        filled.write("INSERT INTO marks VALUES ('target:slack:json', 1)")
        try:
            await ask(filled.folder / "casebell.db.sock", "reload")
            await watcher.received(1)

            async def is_seen() -> bool:
                return "HTTP 500" in await page(filled, Role.OPERATOR)

            await until(is_seen, "the heartbeat to fail")
            shown = await page(filled, Role.OPERATOR)
        finally:
            filled.file.write_text(before)
            filled.write("DELETE FROM marks")
            await ask(filled.folder / "casebell.db.sock", "reload")
    assert "Nothing came from parley since 2999-12-31 19:00:00 EST" in shown
    assert "The self-test of json over channel slack failed (not_found)" in shown
    assert "ops.heartbeat could not be fetched (HTTP 500)" in shown
    assert "s3cret" not in shown
    assert "Nothing came from parley" not in await page(filled, Role.OPERATOR)


async def test_what_waits_on_purpose_hides_nothing() -> None:
    """What waits for hours is counted apart, and what waits for a paused service is listed."""
    waits = {"kind": "case", "waits": "until Mon 8:00 AM EST, quiet hours of office"}
    found = Part(
        value={
            "items": [
                *[waits] * 120,
                {"kind": "digest", "waits": "until Mon 8:00 AM EST, the digest of mail"},
                {"kind": "case", "waits": None},
            ]
        }
    )
    shown, for_hours = apart(found)
    assert (shown.value["items"], for_hours) == ([{"kind": "case", "waits": None}], 120)
