"""Classify and render every sample, so that a mistake shows before a real delivery comes."""

from collections.abc import Mapping

from casebell.alerts import Alert, AlertKind
from casebell.clock import SystemClock
from casebell.events import Case, Delivery, VerifiedDelivery
from casebell.notify.channel import Policy
from casebell.notify.render import CaseFacts, render_case
from casebell.receive.understand import understand
from casebell.route.classification import Meanings, classify_event
from casebell.sandbox.deliveries import SAMPLES, body_of
from casebell.settings import SourceSettings


def render_samples(policies: Mapping[str, Policy]) -> int:
    """Render each sample for each channel; return how many messages were made."""
    count = 0
    now = SystemClock().now()
    for kind, sample in SAMPLES.values():
        source = SourceSettings(name=kind.name, kind=kind.name, header="X-Sample")
        delivery = Delivery(
            source=kind.name,
            body=body_of(kind, sample, now=now),
            headers=(),
            address="",
            received_at=now,
            request_id="sample",
        )
        verified = VerifiedDelivery(delivery=delivery, secret_label=kind.name)
        event = understand(verified, source)
        classified = classify_event(event, Meanings(kinds={kind.name: kind.name}))
        for name, policy in policies.items():
            alert = Alert(
                id=0,
                kind=AlertKind.CASE,
                subject="sample",
                channel=name,
                target=name,
                rules=("sample",),
                urgent=False,
                attempts=1,
                created_at=now,
                may_repeat=False,
                event_id=0,
                change_id=0,
            )
            facts = CaseFacts(event_id=0, event=classified, case=Case(receipt=event.receipt))
            render_case(alert, facts, policy.style)
            count += 1
    return count
