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
from receive.builders import HMAC_SECRET, NOW, SIGNED_AT, sign
from service.harness import GOOD, OperationsHarness

#: Who asks.
WHO = "user:jia"


class TestRetry:
    """`casebell alerts retry`."""

    async def test_a_failed_alert_waits_again(self, harness: OperationsHarness) -> None:
        """A failed alert is pending again, the loops are woken, and the journal says who did it."""
        await harness.failed_alert()
        harness.clock.advance(60)
        assert await harness.operations.retry_alert(alert_id=1, actor=WHO) == {
            "alert": 1,
            "state": "pending",
        }
        (row,) = await read_table(harness.store, alerts)
        assert (row.state, row.not_before, row.reason) == ("pending", harness.clock.now(), None)
        # When it was made is history; only the age that counts begins anew.
        assert row.created_at == harness.clock.now() - 60_000_000
        assert row.retried_at == harness.clock.now()
        last = (await read_table(harness.store, journal))[-1]
        assert (last.kind, last.actor, last.subject) == ("alert.retried", WHO, "alert:1")
        assert harness.wakeups == 1

    async def test_an_alert_that_waits_already(self, harness: OperationsHarness) -> None:
        """What has not failed cannot be retried."""
        await harness.failed_alert()
        await harness.operations.retry_alert(alert_id=1, actor=WHO)
        with pytest.raises(Refusal, match="only a failed one can be retried"):
            await harness.operations.retry_alert(alert_id=1, actor=WHO)
        assert harness.wakeups == 1

    async def test_no_such_alert(self, harness: OperationsHarness) -> None:
        """A number that no alert has is told as that."""
        with pytest.raises(NotFound):
            await harness.operations.retry_alert(alert_id=9, actor=WHO)


class TestHeld:
    """`casebell held release` and `discard`."""

    async def test_release(self, harness: OperationsHarness) -> None:
        """A delivery that can be understood now is an event, and the router is woken."""
        await harness.held()
        assert await harness.operations.release_held(held_id=1, actor=WHO) == {
            "held": 1,
            "status": "stored",
            "event": 1,
        }
        (event,) = await read_table(harness.store, events)
        assert event.key == "evt_1"
        assert harness.wakeups == 1

    async def test_release_in_vain(self, harness: OperationsHarness) -> None:
        """What still cannot be understood stays held, and no loop is woken."""
        await harness.held(b"not json")
        with pytest.raises(StillHeld):
            await harness.operations.release_held(held_id=1, actor=WHO)
        (row,) = await read_table(harness.store, held_table)
        assert row.state == "held"
        assert harness.wakeups == 0

    async def test_discard(self, harness: OperationsHarness) -> None:
        """A discarded delivery is closed with its body kept, and the journal says who did it."""
        await harness.held(b"not json")
        assert await harness.operations.discard_held(held_id=1, actor=WHO) == {
            "held": 1,
            "status": "discarded",
        }
        (row,) = await read_table(harness.store, held_table)
        assert (row.state, bytes(row.body), row.event_id) == ("discarded", b"not json", None)
        last = (await read_table(harness.store, journal))[-1]
        assert (last.kind, last.actor) == ("delivery.discarded", WHO)

    async def test_only_one_of_both(self, harness: OperationsHarness) -> None:
        """What is closed is neither released nor discarded again."""
        await harness.held()
        await harness.operations.discard_held(held_id=1, actor=WHO)
        with pytest.raises(Refusal, match="has been discarded already"):
            await harness.operations.release_held(held_id=1, actor=WHO)
        with pytest.raises(Refusal, match="has been discarded already"):
            await harness.operations.discard_held(held_id=1, actor=WHO)
        assert await read_table(harness.store, events) == []

    async def test_no_such_delivery(self, harness: OperationsHarness) -> None:
        """A number that no held delivery has is told as that."""
        with pytest.raises(NotFound):
            await harness.operations.discard_held(held_id=9, actor=WHO)


class TestRefused:
    """`casebell refused readmit`."""

    async def refuse(self, harness: OperationsHarness, *secrets: str) -> None:
        """Remember deliveries that were signed with these."""
        async with writing(harness.store) as connection:
            batch = [
                refusal(
                    at=NOW,
                    body=GOOD,
                    signature=f"t={SIGNED_AT},v1={sign(GOOD, secret=secret)}",
                )
                for secret in secrets
            ]
            await refused.refuse(connection, batch, now=NOW)

    async def test_each_is_answered_for(self, harness: OperationsHarness) -> None:
        """Those that authenticate are events, the others stay, and the loops are woken."""
        await self.refuse(harness, HMAC_SECRET, "a-forgers-own-secret")
        told = await harness.operations.readmit_refused(ids=[2, 1], actor=WHO)
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
        assert harness.wakeups == 1

    async def test_in_vain(self, harness: OperationsHarness) -> None:
        """Where none authenticates no loop is woken; nothing at all is no error."""
        assert await harness.operations.readmit_refused(actor=WHO) == {
            "readmitted": 0,
            "refused": [],
        }
        await self.refuse(harness, "a-forgers-own-secret")
        assert (await harness.operations.readmit_refused(source="parley", actor=WHO))[
            "readmitted"
        ] == 0
        assert harness.wakeups == 0

    async def test_no_such_delivery(self, harness: OperationsHarness) -> None:
        """A number that is not remembered is told as that, with where to look."""
        with pytest.raises(NotFound) as caught:
            await harness.operations.readmit_refused(ids=[9], actor=WHO)
        assert "casebell refused list" in caught.value.hint


class TestChannels:
    """`casebell channels test`."""

    async def test_each_target_is_answered_for(
        self, harness: OperationsHarness, sink: HttpSink
    ) -> None:
        """A marked message goes out by the real path, and the answer says what came of it."""
        told = await harness.operations.test_channel(name="slack")
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

    async def test_a_failure(self, harness: OperationsHarness, sink: HttpSink) -> None:
        """A refusal is told with its reason, and the URL is in none of it."""
        sink.answer(HttpAnswer(status=401))
        told = await harness.operations.test_channel(name="slack")
        (target,) = told["targets"]
        assert (target["outcome"], target["reason"]) == ("auth", "auth_failed")
        assert not target["delivered"]
        assert "://" not in json.dumps(told)

    async def test_every_test_is_one_of_its_own(
        self, harness: OperationsHarness, sink: HttpSink
    ) -> None:
        """A second test is sent like the first, however soon it follows."""
        for _ in range(2):
            await harness.operations.test_channel(name="slack")
        assert len(sink.requests) == 2

    async def test_no_such_channel(self, harness: OperationsHarness) -> None:
        """A name that no channel has is told as that, with where to look."""
        with pytest.raises(NotFound) as caught:
            await harness.operations.test_channel(name="email")
        assert "casebell check" in caught.value.hint
        assert await read_table(harness.store, alerts) == []
