"""What messages to operations say, topic by topic."""

import string
from typing import Any, get_type_hints

import pytest

from casebell.notify.render_ops import OPS_TEXTS, render_ops
from casebell.notify.upstream_texts import FOR_OWNERS
from casebell.ops_messages import (
    TOPICS,
    ChannelFailed,
    ChannelTest,
    ContradictoryStatus,
    EventUndecided,
    OpsMessage,
    SelfTest,
    Unacknowledged,
)


def contradiction(**fields: Any) -> ContradictoryStatus:
    """A source's contradiction, as operations hear of it."""
    return ContradictoryStatus(
        **{
            "source": "parley",
            "event": 3,
            "delivered_status": "none",
            "event_type": "none",
            "taken_as": "other",
            **fields,
        }
    )


def test_every_topic_has_words() -> None:
    """Each topic of operations messages has a title and lines, and nothing else has."""
    assert set(OPS_TEXTS) == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_words_name_fields_of_their_topic(topic: type[OpsMessage]) -> None:
    """What stands in braces is a field; a title is one line."""
    title, lines = OPS_TEXTS[topic]
    named = {name for _, name, _, _ in string.Formatter().parse("".join((title, *lines))) if name}
    assert named <= set(topic.__struct_fields__)
    assert "\n" not in title


class TestOps:
    """Operations and test messages."""

    @pytest.mark.parametrize("topic", TOPICS)
    def test_every_topic_renders(self, topic: type[OpsMessage]) -> None:
        """Each field that the words name is shown, and the title says from whom it is."""
        values = {
            name: f"text-{name}" if kind is str else kind(number)
            for number, (name, kind) in enumerate(get_type_hints(topic).items(), start=9_000)
            if name in topic.__struct_fields__
        }
        title, lines = OPS_TEXTS[topic]
        message = render_ops(topic(**values))
        if topic in FOR_OWNERS:
            assert message.title.startswith("Casebell: ")
        elif topic not in (ChannelTest, SelfTest):
            assert message.title.startswith("Casebell operations: ")
        for _, name, _, _ in string.Formatter().parse("".join((title, *lines))):
            if name:
                assert str(values[name])[:12] in message.title + message.body

    def test_may_repeat(self) -> None:
        """An operations message that may come twice says so first."""
        message = render_ops(EventUndecided(event=4), may_repeat=True)
        assert message.body.startswith("May repeat: ")

    def test_what_is_not_said_leaves_a_sentence(self) -> None:
        """Of a confidential case, the name of the escalation is out, and the rest still reads."""
        stopped = Unacknowledged(
            event=4, change=4, escalation="RFE", about="RFE issued", since="now", reminders=5
        )
        body = render_ops(stopped.hushed()).body
        assert "Its escalation (not said of a confidential case) ends with this." in body
        assert "RFE" not in body

    def test_a_test_message_says_that_it_is_one(self) -> None:
        """A test is marked in its title and asks for nothing."""
        message = render_ops(ChannelTest(channel="slack", id="1"))
        assert message.title == "TEST: Casebell can reach you"
        assert "nothing needs doing" in message.body

    def test_fields_are_inert_and_masked(self) -> None:
        """What a source sent is folded, broken and masked for operations too."""
        message = render_ops(
            contradiction(delivered_status="a\nb @all", event_type="IOE0912345678")
        )
        assert "Delivered status: “a b @ all”. Event type: “IOE…5678”." in message.body

    def test_an_empty_field_leaves_no_empty_line(self) -> None:
        """A failure without details is told without a gap."""
        message = render_ops(
            ChannelFailed(
                channel="slack",
                target="general",
                reason="auth_failed",
                detail="",
                alert=9,
                alert_is_urgent=False,
            )
        )
        assert "" not in message.body.split("\n")

    def test_braces_are_characters(self) -> None:
        """Fields of operations messages are put in as they are, whatever `str.format` would do."""
        text = "{source.__class__} {event} {} }{"
        message = render_ops(contradiction(delivered_status=text, event_type=text))
        assert f"Delivered status: “{text}”. Event type: “{text}”.\n" in message.body

    @pytest.mark.parametrize("spelling", ["IOE0912345678", "ioe-091-234-5678", "I&#79;E0912345678"])
    def test_receipts_are_masked(self, spelling: str) -> None:
        """What a source wrote is decoded before it is searched for receipts."""
        told = contradiction(delivered_status=spelling, event_type=spelling, taken_as=spelling)
        message = render_ops(told)
        assert "912345" not in message.body
        assert message.body.count("IOE…5678") == 3
