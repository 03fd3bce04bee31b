"""Renders several ordinary alerts of one target as one message: pure functions.

Each has the title that it would have alone, its link, and what its reader must know before acting.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from casebell.alerts import Alert, Line, Message, Part
from casebell.notify.headlines import Headline
from casebell.notify.render import (
    BLANK,
    FOOTER_LINE,
    NOBODY_FOUND,
    CaseFacts,
    Style,
    link_to,
    render_case,
    render_plain,
)
from casebell.times import counted

_ALL = "All alerts in Casebell:"


def render_group(alerts: Sequence[Alert], items: Iterable[Sequence[Line]], style: Style) -> Message:
    """The message that tells all of these alerts.

    Args:
        items: what `render_item` made of each.
    """
    items = list(items)
    # Once, not with each of a hundred.
    shared = [
        line for line in items[0] if line.text == NOBODY_FOUND and all(line in one for one in items)
    ]
    number = counted(len(alerts), "change")
    lines = [
        Line(
            f"{number} in one message, since more than ten came within ten minutes.",
            short="",
            part=Part.SENTENCE,
        ),
        *shared,
        BLANK,
        *(line for line in chain.from_iterable(items) if line not in shared),
    ]
    if style.public_url:
        everything = Line(f"{style.public_url}/alerts", part=Part.LINK)
        lines += [BLANK, Line(_ALL, part=Part.DETAIL), everything]
    lines += [BLANK, FOOTER_LINE]
    return Message.of(f"{number} in one message", lines, urgent=False)


def render_item(alert: Alert, facts: CaseFacts, style: Style) -> tuple[Line, ...]:
    """What the message says of one of them."""
    return _item(render_case(alert, facts, style), alert, style)


def render_plain_item(alert: Alert, headline: Headline, style: Style) -> tuple[Line, ...]:
    """The same of an alert whose rendering failed.

    Args:
        headline: of its change, or `CONFIDENTIAL` where the case is.
    """
    message = render_plain(alert, headline, style)
    return _item(message, alert, style, title=f"{message.title} · event {alert.event_id}")


def _item(message: Message, alert: Alert, style: Style, *, title: str = "") -> tuple[Line, ...]:
    link = link_to(alert.event_id or 0, style)
    warnings = [line for line in message.lines if line.part is Part.WARNING]
    return (Line(title or message.title, part=Part.ITEM), *link, *warnings)
