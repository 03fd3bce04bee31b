"""The operator's verbs over a real store and a channel to a loopback sink."""

import hashlib
from pathlib import Path

from pydantic import SecretStr

from casebell.alerts import (
    AlertKind,
    AlertState,
    FailureReason,
    Message,
    NewAlert,
    NextState,
    Outcome,
    SendResult,
)
from casebell.events import HeldReason, VerifiedDelivery
from casebell.notify.dispatcher import Dispatcher
from casebell.notify.load import load_channels
from casebell.ops_messages import EventUndecided
from casebell.sandbox.http_sink import HttpSink
from casebell.service.operations import Operations
from casebell.settings import ChannelSettings, ServerSettings, Settings
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


def settings_of(source: str, *, port: int = 9, timezone: str = "UTC") -> Settings:
    """A source, and a channel of the name `slack`."""
    url = SecretStr(f"json://127.0.0.1:{port}/")
    return Settings(
        server=ServerSettings(timezone=timezone),
        sources={source: make_source()},
        channels={"slack": ChannelSettings(name="slack", url=url, pace=0.0, timeout=5.0)},
        path=Path("/config.toml"),
        base_dir=Path("/"),
        sha256="",
    )


class OperationsHarness:
    """Operations with everything behind them; no loop runs."""

    def __init__(self, store: Store, sink: HttpSink) -> None:
        self.store = store
        self.sink = sink
        self.clock = ManualClock()
        self.wakeups = 0
        self.settings = settings_of("parley", port=sink.port)
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

    async def failed_alert(
        self,
        subject: str = "event_undecided:9",
        *,
        channel: str = "slack",
        target: str | None = None,
        kind: AlertKind = AlertKind.OPS,
    ) -> int:
        """Put an alert into the outbox that has failed; its number, the first being 1."""
        new = NewAlert(
            kind=kind,
            subject=subject,
            channel=channel,
            target=target or self.dispatcher.channels.by_name["slack"].targets[0],
            urgent=False,
            note=EventUndecided(event=9),
        )
        now = self.clock.now()
        async with writing(self.store) as connection:
            alert = await outbox.add_claimed(connection, new, owner="a", now=now, lease=60)
            await outbox.record(
                connection,
                tried=[
                    outbox.Tried(
                        alert=alert,
                        message=Message(title="", body=""),
                        result=SendResult(outcome=Outcome.PERMANENT, reason=FailureReason.GAVE_UP),
                        reached=NextState(
                            state=AlertState.FAILED,
                            not_before=now,
                            may_repeat=False,
                            reason=FailureReason.GAVE_UP,
                        ),
                    )
                ],
                started_at=now,
                finished_at=now,
            )
        return alert.id

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
