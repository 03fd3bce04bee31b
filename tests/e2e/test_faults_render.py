"""Rows that cannot be read, as a later release or a damaged disk leaves them: all are told."""

import json
from collections import Counter

import pytest

from e2e.recipients import RecordingSink
from e2e.sender import deliver
from e2e.server import SOURCES, MakeServer
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNREAD, UNKNOWN, MUTE, WHOLE, LOST = (f"IOE990000000{number}" for number in range(5))


def stop_at(name: str, when: str) -> str:
    """Make one step fail for as long as the trigger is there."""
    return f"CREATE TRIGGER {name} BEFORE {when} BEGIN SELECT RAISE(ABORT, 'fault'); END"


@pytest.mark.slow
async def test_alerts_and_events_that_cannot_be_read(make_server: MakeServer) -> None:
    """Each alert goes out, in plain words where it must, with the error on record.

    An event that cannot be read is told to operations, and holds up no other.
    """
    async with RecordingSink() as room, RecordingSink() as ops:
        channels = "".join(
            f'[channels.{name}]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
            for name, hook in (("room", room), ("ops", ops))
        )
        rules = '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["room"]\nurgent = true\n'
        config = f'{SOURCES}{channels}{rules}[ops]\nnotify = ["ops"]\n'
        url = "https://casebell.example-firm.com"
        server = await make_server(config, server=f'public_url = "{url}"\n').start()
        await server.stop()
        server.write(stop_at("claim", "UPDATE OF state ON alerts WHEN NEW.state = 'sending'"))
        # As a later release would leave a case: its next event cannot be decided about.
        server.write(
            "INSERT INTO changes VALUES "
            f"(1000, '{LOST}', 'novel', '', '', 1, 1, 1, false, 1, '{{}}', NULL)",
        )
        await server.start()
        sent = {
            receipt: (await deliver(server, receipt_number=receipt))["row"]
            for receipt in (UNREAD, UNKNOWN, MUTE, WHOLE)
        }
        await until(lambda: server.rows("SELECT count(*) FROM alerts") == [(4,)], "four alerts")
        sent[LOST] = (await deliver(server, receipt_number=LOST))["row"]
        await server.kill()
        assert room.requests == []
        server.write(
            "DROP TRIGGER claim",
            "DELETE FROM changes WHERE id = 1000",
            f"UPDATE events SET flags = ' of_a_later_release ' WHERE id = {sent[UNREAD]}",
            f"UPDATE events SET status = 'appealed', tags = ' novel ' WHERE id = {sent[UNKNOWN]}",
            f"UPDATE alerts SET rules = '[', kind = 'case2' WHERE event_id = {sent[MUTE]}",
            f"UPDATE events SET time_basis = 'guessed' WHERE id = {sent[LOST]}",
        )
        await server.start()
        await until(lambda: len(room.requests) == 4, "four messages")
        await until(lambda: ops.requests, "the message to operations")
        messages = [json.loads(one.body) for one in room.requests]
        by_row = {
            row: one
            for row in sent.values()
            for one in messages
            if f"/events/{row}\n" in one["message"]
        }
        assert list(by_row) == [sent[receipt] for receipt in (UNREAD, UNKNOWN, MUTE, WHOLE)]
        for one in messages:
            assert "not legal notice" in one["message"]
            assert "May repeat" not in one["message"]

        unread, unknown = by_row[sent[UNREAD]], by_row[sent[UNKNOWN]]
        assert unread["title"] == "URGENT: RFE issued"
        assert unread["message"].startswith("USCIS issued a Request for Evidence.")
        assert unknown["title"] == "URGENT: Case status changed"
        for row, one in ((sent[UNREAD], unread), (sent[UNKNOWN], unknown)):
            assert f"This is event {row}; the full message could not be made." in one["message"]
        assert "Rule: All" in by_row[sent[WHOLE]]["message"]
        assert "Rule:" not in by_row[sent[MUTE]]["message"]

        failed = await server.logged("alert.render_failed", count=2)
        assert Counter(line["event"] for line in failed) == {"alert.render_failed": 2}
        details = "SELECT event_id, detail FROM attempts JOIN alerts ON alerts.id = alert_id"
        noted = dict(server.rows(f"{details} WHERE event_id IS NOT NULL"))
        flaw = "a plain message, for making it failed: ValueError"
        assert [row for row, detail in noted.items() if detail == flaw] == [
            sent[UNREAD],
            sent[UNKNOWN],
        ]
        why = await server.run("why", str(sent[UNREAD]))
        assert (why.code, flaw in why.out) == (0, True), why.err

        (told,) = [json.loads(one.body) for one in ops.requests]
        assert "An event could not be decided about" in told["title"]
        assert f"casebell events show {sent[LOST]}" in told["message"]
        (line,) = await server.logged("event.defect")
        assert line["row"] == sent[LOST]
        # What comes after it is decided and told.
        after = await deliver(server)
        await until(lambda: len(room.requests) == 5, "the fifth message")
        assert f"/events/{after['row']}\n" in json.loads(room.requests[-1].body)["message"]
