"""What the demo's steps let pass."""

from casebell.notify.render_ops import render_ops
from casebell.ops_messages import DeliveriesAuthentic
from casebell.sandbox.demo_environment import CHAT, IT
from casebell.sandbox.inbox import Arrival
from casebell.sandbox.scenario import end_of_refusals


def arrival(*, source: str, recipient: str) -> Arrival:
    """The message that a source's deliveries are authentic again."""
    message = render_ops(DeliveriesAuthentic(source=source, count=2, telling=1))
    return Arrival(recipient=recipient, title=message.title, text=message.body, at=0)


def test_operations_may_hear_that_the_storm_has_ended() -> None:
    """Of the storm's source and once; anybody else who hears of it fails the step."""
    ended = arrival(source="parley", recipient=IT)
    others = [arrival(source="torch", recipient=IT), arrival(source="parley", recipient=CHAT)]
    assert end_of_refusals([*others, ended]) == ended
    assert end_of_refusals(others) is None
