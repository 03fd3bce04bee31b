"""What an operator can do to what is stored."""

import json

import pytest

from casebell.errors import NotFound, Refusal
from casebell.receive.release import StillHeld
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store import refused
from casebell.store.schema import alerts, events, journal
from casebell.store.schema import held as held_table
from contracts.store_contract import refusal
from contracts.stores import read_table
from contracts.writing import writing
from receive.making import HMAC_SECRET, NOW, SIGNED_AT, signature
from service.operating import GOOD, Desk

#: Who asks.
WHO = "user:jia"


class TestRetry:
    """`casebell alerts retry`."""

    async def test_a_failed_alert_waits_again(self, desk: Desk) -> None:
        """A failed alert is pending again, the loops are rung, and the journal says who did it."""
        await desk.failed_alert()
        desk.clock.advance(60)
        assert await desk.operations.retry_alert(alert_id=1, actor=WHO) == {
            "alert": 1,
            "state": "pending",
        }
        (row,) = await read_table(desk.store, alerts)
        assert (row.state, row.not_before, row.reason) == ("pending", desk.clock.now(), None)
        # When it was made is history; only the age that counts begins anew.
        assert row.created_at == desk.clock.now() - 60_000_000
        assert row.retried_at == desk.clock.now()
        last = (await read_table(desk.store, journal))[-1]
        assert (last.kind, last.actor, last.subject) == ("alert.retried", WHO, "alert:1")
        assert desk.rung == 1

    async def test_an_alert_that_waits_already(self, desk: Desk) -> None:
        """What has not failed cannot be retried."""
        await desk.failed_alert()
        await desk.operations.retry_alert(alert_id=1, actor=WHO)
        with pytest.raises(Refusal, match="only a failed one can be retried"):
            await desk.operations.retry_alert(alert_id=1, actor=WHO)
        assert desk.rung == 1

    async def test_no_such_alert(self, desk: Desk) -> None:
        """A number that no alert has is told as that."""
        with pytest.raises(NotFound):
            await desk.operations.retry_alert(alert_id=9, actor=WHO)


class TestHeld:
    """`casebell held release` and `discard`."""

    async def test_release(self, desk: Desk) -> None:
        """A delivery that can be understood now is an event, and the router is rung."""
        await desk.held()
        assert await desk.operations.release_held(held_id=1, actor=WHO) == {
            "held": 1,
            "status": "stored",
            "event": 1,
        }
        (event,) = await read_table(desk.store, events)
        assert event.key == "evt_1"
        assert desk.rung == 1

    async def test_release_in_vain(self, desk: Desk) -> None:
        """What still cannot be understood stays held, and nobody is rung."""
        await desk.held(b"not json")
        with pytest.raises(StillHeld):
            await desk.operations.release_held(held_id=1, actor=WHO)
        (row,) = await read_table(desk.store, held_table)
        assert row.state == "held"
        assert desk.rung == 0

    async def test_discard(self, desk: Desk) -> None:
        """A discarded delivery is closed with its body kept, and the journal says who did it."""
        await desk.held(b"not json")
        assert await desk.operations.discard_held(held_id=1, actor=WHO) == {
            "held": 1,
            "status": "discarded",
        }
        (row,) = await read_table(desk.store, held_table)
        assert (row.state, bytes(row.body), row.event_id) == ("discarded", b"not json", None)
        last = (await read_table(desk.store, journal))[-1]
        assert (last.kind, last.actor) == ("delivery.discarded", WHO)

    async def test_only_one_of_both(self, desk: Desk) -> None:
        """What is closed is neither released nor discarded again."""
        await desk.held()
        await desk.operations.discard_held(held_id=1, actor=WHO)
        with pytest.raises(Refusal, match="has been discarded already"):
            await desk.operations.release_held(held_id=1, actor=WHO)
        with pytest.raises(Refusal, match="has been discarded already"):
            await desk.operations.discard_held(held_id=1, actor=WHO)
        assert await read_table(desk.store, events) == []

    async def test_no_such_delivery(self, desk: Desk) -> None:
        """A number that no held delivery has is told as that."""
        with pytest.raises(NotFound):
            await desk.operations.discard_held(held_id=9, actor=WHO)


class TestRefused:
    """`casebell refused readmit`."""

    async def refuse(self, desk: Desk, *secrets: str) -> None:
        """Remember deliveries that were signed with these."""
        async with writing(desk.store) as connection:
            batch = [
                refusal(
                    at=NOW,
                    body=GOOD,
                    signature=f"t={SIGNED_AT},v1={signature(GOOD, secret=secret)}",
                )
                for secret in secrets
            ]
            await refused.refuse(connection, batch, now=NOW)

    async def test_each_is_answered_for(self, desk: Desk) -> None:
        """Those that authenticate are events, the others stay, and the loops are rung."""
        await self.refuse(desk, HMAC_SECRET, "a-forgers-own-secret")
        told = await desk.operations.readmit_refused(ids=[2, 1], actor=WHO)
        assert json.loads(json.dumps(told)) == {
            "readmitted": 1,
            "refused": [
                {
                    "refused": 1,
                    "source": "parley",
                    "status": "stored",
                    "error": None,
                    "event": 1,
                    "held": None,
                },
                {
                    "refused": 2,
                    "source": "parley",
                    "status": "refused",
                    "error": "signature_mismatch",
                    "event": None,
                    "held": None,
                },
            ],
        }
        assert desk.rung == 1

    async def test_in_vain(self, desk: Desk) -> None:
        """Where none authenticates nobody is rung; nothing at all is no error."""
        assert await desk.operations.readmit_refused(actor=WHO) == {"readmitted": 0, "refused": []}
        await self.refuse(desk, "a-forgers-own-secret")
        assert (await desk.operations.readmit_refused(source="parley", actor=WHO))[
            "readmitted"
        ] == 0
        assert desk.rung == 0

    async def test_no_such_delivery(self, desk: Desk) -> None:
        """A number that is not remembered is told as that, with where to look."""
        with pytest.raises(NotFound) as caught:
            await desk.operations.readmit_refused(ids=[9], actor=WHO)
        assert "casebell refused list" in caught.value.hint


class TestChannels:
    """`casebell channels test`."""

    async def test_each_target_is_answered_for(self, desk: Desk, sink: HttpSink) -> None:
        """A marked message goes out by the real path, and the answer says what came of it."""
        told = await desk.operations.test_channel(name="slack")
        assert json.loads(json.dumps(told)) == {
            "channel": "slack",
            "targets": [
                {
                    "target": "json",
                    "outcome": "sent",
                    "reason": None,
                    "detail": "",
                    "delivered": True,
                }
            ],
        }
        assert json.loads(sink.requests[0].body)["title"] == "TEST: Casebell can reach you"

    async def test_a_failure(self, desk: Desk, sink: HttpSink) -> None:
        """A refusal is told with its reason, and the URL is in none of it."""
        sink.answer(HttpAnswer(status=401))
        told = await desk.operations.test_channel(name="slack")
        (target,) = told["targets"]
        assert (target["outcome"], target["reason"]) == ("auth", "auth_failed")
        assert not target["delivered"]
        assert "://" not in json.dumps(told)

    async def test_every_test_is_one_of_its_own(self, desk: Desk, sink: HttpSink) -> None:
        """A second test is sent like the first, however soon it follows."""
        for _ in range(2):
            await desk.operations.test_channel(name="slack")
        assert len(sink.requests) == 2

    async def test_no_such_channel(self, desk: Desk) -> None:
        """A name that no channel has is told as that, with where to look."""
        with pytest.raises(NotFound) as caught:
            await desk.operations.test_channel(name="email")
        assert "casebell check" in caught.value.hint
        assert await read_table(desk.store, alerts) == []
