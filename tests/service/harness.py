"""The operator's verbs over a real store and a channel to a loopback sink."""

import hashlib
from pathlib import Path

from pydantic import SecretStr

from casebell.alerts import AlertKind, NewAlert
from casebell.events import HeldReason, VerifiedDelivery
from casebell.notify.dispatcher import Dispatcher
from casebell.notify.load import load_channels
from casebell.ops_messages import EventUndecided
from casebell.sandbox.http_sink import HttpSink
from casebell.service.operations import Operations
from casebell.settings import ChannelSettings, Settings
from casebell.store import held, outbox
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.telemetry import Metrics
from contracts.case_events import json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.decisions import decide_nothing
from contracts.writing import writing
from receive.builders import make_delivery, make_source

#: Understood as it is: only its signature's time made it wait.
GOOD = b'{"id": "evt_1", "receipt_number": "IOE0912345678", "normalized_status": "other"}'


class OperationsHarness:
    """Operations with everything behind them; no loop runs."""

    def __init__(self, store: Store, sink: HttpSink) -> None:
        self.store = store
        self.clock = ManualClock()
        self.wakeups = 0
        url = SecretStr(f"json://127.0.0.1:{sink.port}/")
        self.settings = Settings(
            sources={"parley": make_source()},
            channels={"slack": ChannelSettings(name="slack", url=url, pace=0.0, timeout=5.0)},
            path=Path("/config.toml"),
            base_dir=Path("/"),
            sha256="",
        )
        channels = load_channels(self.settings, clock=self.clock)
        self.dispatcher = Dispatcher(
            store=store,
            channels=lambda: channels,
            owner="this-process",
            clock=self.clock,
            metrics=Metrics(),
            log=RecordingLog().log,
        )
        self.operations = Operations(
            store=store,
            settings=lambda: self.settings,
            dispatcher=self.dispatcher,
            event_log=EventLog(
                store=store,
                content_of=json_content,
                decide=decide_nothing,
            ),
            clock=self.clock,
            changed=self._wake,
        )

    def _wake(self) -> None:
        self.wakeups += 1

    async def failed_alert(self) -> None:
        """Put an alert into the outbox that has failed: number 1."""
        new = NewAlert(
            kind=AlertKind.OPS,
            subject="event_undecided:9",
            channel="pager",
            target="json",
            urgent=False,
            note=EventUndecided(event=9),
        )
        async with writing(self.store) as connection:
            await outbox.add(connection, [new], now=self.clock.now())
        await self.dispatcher._fail_gone()

    async def held(self, body: bytes = GOOD) -> None:
        """Hold a delivery."""
        verified = VerifiedDelivery(delivery=make_delivery(body), secret_label="2026")
        async with writing(self.store) as connection:
            await held.hold(
                connection,
                verified,
                reason=HeldReason.SIGNATURE_TOO_OLD,
                detail="",
                body_sha256=hashlib.sha256(body).hexdigest(),
                idempotency_key=None,
            )
