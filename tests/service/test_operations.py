"""What an operator can do to what is stored."""

import json
from functools import partial
from typing import Any

import pytest

from casebell import shapes
from casebell.alerts import AlertKind
from casebell.clock import iso
from casebell.errors import BadArgument, NotFound, Refusal
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.service import on_record
from casebell.store import queries, refused
from casebell.store.schema import alerts, events, journal
from casebell.store.schema import held as held_table
from contracts.actors import ADMIN, an_actor
from contracts.store_contract import refusal
from contracts.stores import read_table
from contracts.writing import writing
from receive.builders import HMAC_SECRET, NOW, SIGNED_AT, sign
from service.harness import GOOD, OperationsHarness

#: Who asks.
WHO = an_actor("user:jia")


class TestRetry:
    """`casebell alerts retry`."""

    async def test_a_failed_alert_waits_again(self, harness: OperationsHarness) -> None:
        """A failed alert is pending again, the loops are woken, and the journal says who did it."""
        await harness.failed_alert()
        harness.clock.advance(60)
        retried = await harness.operations.retry_alerts(ids=[1, 1], actor=WHO)
        assert retried == {"alerts": [1], "left": []}
        (row,) = await read_table(harness.store, alerts)
        assert (row.state, row.not_before, row.reason) == ("pending", harness.clock.now(), None)
        # When it was made is history; only the age that counts begins anew.
        assert row.created_at == harness.clock.now() - 60_000_000
        assert row.retried_at == harness.clock.now()
        last = (await read_table(harness.store, journal))[-1]
        assert (last.kind, last.actor, last.subject) == ("alert.retried", WHO.name, "alert:1")
        assert harness.wakeups == 1

    @pytest.mark.parametrize("verb", ["retry_alerts", "dismiss_alerts"])
    async def test_all_of_those_named_or_none(self, harness: OperationsHarness, verb: str) -> None:
        """Where one has not failed, or is not there, nothing is done to the others either."""
        for number in range(3):
            await harness.failed_alert(f"event_undecided:{number}")
        do = partial(harness.operations.verbs()[verb], actor=WHO)
        await harness.operations.retry_alerts(ids=[3], actor=WHO)
        before = await read_table(harness.store, alerts), await read_table(harness.store, journal)
        with pytest.raises(Refusal, match="Alert 3 is pending; only a failed one can be"):
            await do(ids=[1, 3])
        with pytest.raises(NotFound, match="There is no alert 9"):
            await do(ids=[1, 9])
        after = await read_table(harness.store, alerts), await read_table(harness.store, journal)
        assert after == before
        assert harness.wakeups == 1

    async def test_nobody_to_go_to(self, harness: OperationsHarness) -> None:
        """An alert of a channel or a target that was removed would only fail again."""
        await harness.failed_alert(channel="pager")
        await harness.failed_alert(target="#no-longer-there")
        for number in (1, 2):
            with pytest.raises(Refusal, match="nobody to go to") as caught:
                await harness.operations.retry_alerts(ids=[number], actor=WHO)
            assert f"casebell alerts dismiss {number}" in caught.value.hint
        await harness.failed_alert()
        retried = await harness.operations.retry_alerts(actor=WHO)
        assert retried == {"alerts": [3], "left": [1, 2]}
        states = [row.state for row in await read_table(harness.store, alerts)]
        assert states == ["failed", "failed", "pending"]

    async def test_all_that_match(self, harness: OperationsHarness) -> None:
        """Without numbers: every failed alert that the filters leave, but tests and dismissed."""
        await harness.failed_alert("event_undecided:1")
        harness.clock.advance(3_600)
        await harness.failed_alert("event_undecided:2")
        await harness.failed_alert("test:3", kind=AlertKind.TEST)
        await harness.failed_alert("event_undecided:4")
        await harness.operations.dismiss_alerts(ids=[4], actor=WHO)
        retry = harness.operations.retry_alerts
        filters: Any
        for filters in ({"state": "sent"}, {"receipt": "IOE0912345678"}):
            assert await retry(actor=WHO, **filters) == {"alerts": [], "left": []}
        assert (await retry(actor=WHO, until="30m"))["alerts"] == [1]
        assert (await retry(actor=WHO, since="30m", channel="slack"))["alerts"] == [2]
        assert (await retry(actor=WHO))["alerts"] == []

    @pytest.mark.parametrize("verb", ["retry_alerts", "dismiss_alerts"])
    async def test_a_channel_that_nothing_has(self, harness: OperationsHarness, verb: str) -> None:
        """A misspelt one is no "nothing has failed"; a removed one is found by its alerts."""
        await harness.failed_alert(channel="pager")
        do = partial(harness.operations.verbs()[verb], actor=WHO)
        with pytest.raises(BadArgument, match=r"no channel .* Did you mean `pager`\?"):
            await do(channel="pagr")
        told = await do(channel="pager")
        assert [*told["alerts"], *told["left"]] == [1]

    async def test_a_few_at_a_time(
        self, harness: OperationsHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many there are, each is done once."""
        monkeypatch.setattr(on_record, "AT_A_TIME", 3)
        for number in range(10):
            # Every third stays.
            channel = "slack" if number % 3 else "pager"
            await harness.failed_alert(f"event_undecided:{number}", channel=channel)
        retried = await harness.operations.retry_alerts(actor=WHO)
        assert retried == {"alerts": [2, 3, 5, 6, 8, 9], "left": [1, 4, 7, 10]}
        dismissed = await harness.operations.dismiss_alerts(ids=[10, 7, 4, 1], actor=WHO)
        assert dismissed == {"alerts": [10, 7, 4, 1], "left": []}


class TestDismiss:
    """`casebell alerts dismiss`."""

    async def test_it_counts_no_longer(self, harness: OperationsHarness) -> None:
        """A dismissed alert stays failed and on record; nobody has to look at it any more."""
        await harness.failed_alert(channel="pager")
        harness.clock.advance(60)
        dismissed = await harness.operations.dismiss_alerts(ids=[1], actor=WHO)
        assert dismissed == {"alerts": [1], "left": []}
        (row,) = await read_table(harness.store, alerts)
        assert (row.state, row.reason, row.dismissed_at) == (
            "failed",
            "gave_up",
            harness.clock.now(),
        )
        last = (await read_table(harness.store, journal))[-1]
        assert (last.kind, last.actor, last.subject) == ("alert.dismissed", WHO.name, "alert:1")
        async with harness.store.read() as connection:
            assert (await queries.backlog(connection))["failed"] == 0
        with pytest.raises(Refusal, match="dismissed already"):
            await harness.operations.dismiss_alerts(ids=[1], actor=WHO)

    async def test_a_dismissed_one_can_be_sent_again(self, harness: OperationsHarness) -> None:
        """It counts again if it fails; the record keeps who did what to it, when and why."""
        await harness.failed_alert()
        await harness.failed_alert("event_undecided:2")
        dismissed_at = iso(harness.clock.now())
        await harness.operations.dismiss_alerts(ids=[1], note="told by phone", actor=WHO)
        harness.clock.advance(60)
        await harness.operations.retry_alerts(ids=[1, 2], actor=ADMIN)
        row, _ = await read_table(harness.store, alerts)
        assert (row.state, row.dismissed_at) == ("pending", None)
        async with harness.store.read() as connection:
            done = list(map(shapes.by_hand, await queries.by_hand(connection, 1)))
        again = {"did": "retried", "actor": ADMIN.name, "by": None, "note": None}
        assert done == [
            {
                "at": dismissed_at,
                "did": "dismissed",
                "actor": WHO.name,
                "by": None,
                "note": "told by phone",
            },
            {"at": iso(harness.clock.now()), **again},
        ]

    async def test_a_failed_test_counts_never(self, harness: OperationsHarness) -> None:
        """Whoever tested a channel saw that it failed: there is nothing to dismiss."""
        await harness.failed_alert("test:1", kind=AlertKind.TEST)
        async with harness.store.read() as connection:
            assert (await queries.backlog(connection))["failed"] == 0
        assert (await harness.operations.dismiss_alerts(actor=WHO))["alerts"] == []


class TestHeld:
    """`casebell held release` and `discard`."""

    async def test_release(self, harness: OperationsHarness) -> None:
        """A delivery that can be understood now is an event, and the router is woken."""
        await harness.held()
        assert await harness.operations.release_held(ids=[1], actor=WHO) == {
            "held": [
                {
                    "held": 1,
                    "status": "stored",
                    "event": 1,
                    "part": None,
                    "problem": "",
                    "hint": "",
                }
            ]
        }
        (event,) = await read_table(harness.store, events)
        assert event.key == "evt_1"
        assert harness.wakeups == 1

    async def test_release_in_vain(self, harness: OperationsHarness) -> None:
        """What still cannot be understood stays held, and no loop is woken."""
        await harness.held(b"not json")
        answer = await harness.operations.release_held(ids=[1], actor=WHO)
        (one,) = answer["held"]
        assert (one["held"], one["status"], one["event"]) == (1, "still_held", None)
        (row,) = await read_table(harness.store, held_table)
        assert row.state == "held"
        assert harness.wakeups == 0

    async def test_release_all_of_a_reason(self, harness: OperationsHarness) -> None:
        """Only those held for it; a reason that there is not is told."""
        await harness.held()
        for reason, count in (("invalid_json", 0), ("signature_too_old", 1)):
            answer = await harness.operations.release_held(reason=reason, actor=WHO)
            assert len(answer["held"]) == count
        with pytest.raises(BadArgument, match="There is no such reason; known: invalid_json, "):
            await harness.operations.release_held(reason="invalid", actor=WHO)

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
        assert (last.kind, last.actor) == ("delivery.discarded", WHO.name)

    async def test_only_one_of_both(self, harness: OperationsHarness) -> None:
        """What is closed is neither released nor discarded again."""
        await harness.held()
        await harness.operations.discard_held(held_id=1, actor=WHO)
        with pytest.raises(Refusal, match="has been discarded already"):
            await harness.operations.release_held(ids=[1], actor=WHO)
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
        told = await harness.operations.test_channel(name="slack", actor=WHO)
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
        told = await harness.operations.test_channel(name="slack", actor=WHO)
        (target,) = told["targets"]
        assert (target["outcome"], target["reason"]) == ("auth", "auth_failed")
        assert not target["delivered"]
        assert "://" not in json.dumps(told)

    async def test_every_test_is_one_of_its_own(
        self, harness: OperationsHarness, sink: HttpSink
    ) -> None:
        """A second test is sent like the first, however soon it follows."""
        for _ in range(2):
            await harness.operations.test_channel(name="slack", actor=WHO)
        assert len(sink.requests) == 2

    async def test_no_such_channel(self, harness: OperationsHarness) -> None:
        """A name that no channel has is told as that, with where to look."""
        with pytest.raises(NotFound) as caught:
            await harness.operations.test_channel(name="email", actor=WHO)
        assert caught.value.hint == "Known: slack."
        assert await read_table(harness.store, alerts) == []
