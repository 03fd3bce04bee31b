"""Renders several ordinary alerts of one target as one message, and digests: pure functions.

Each has the title that it would have alone, its link, and what its reader must know before acting.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from casebell.alerts import Alert, Line, Message, Part
from casebell.events import Micros
from casebell.notify.headlines import Headline
from casebell.notify.render import (
    BLANK,
    FOOTER_LINE,
    MAY_REPEAT,
    NOBODY_FOUND,
    CaseFacts,
    Style,
    link_to,
    render_plain,
)
from casebell.notify.render_reminder import render_of_case
from casebell.times import counted

_ALL = "All alerts in Casebell:"


def render_group(alerts: Sequence[Alert], items: Iterable[Sequence[Line]], style: Style) -> Message:
    """The message that tells all of these alerts.

    Args:
        items: what `render_item` made of each.
    """
    number = counted(len(alerts), "change")
    since = f"{number} in one message, since more than ten came within ten minutes."
    return _listed(f"{number} in one message", since, items, style)


def render_digest(items: Iterable[Sequence[Line]], style: Style, *, cases: int) -> Message:
    """The message that tells what waited for a digest.

    Args:
        items: what `render_item` made of each, those of a case beside each other.
        cases: of how many cases they are.
    """
    items = list(items)
    told = f"{counted(len(items), 'message')} about {counted(cases, 'case')}"
    return _listed(f"Digest: {told}", f"{told} waited for this digest.", items, style)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet:
    """What a digest says for which nothing waited: that Casebell lives, and what it heard."""

    #: Since when, in words.
    since: str
    #: By source, when it last delivered, in words; None where it never did.
    last_deliveries: Mapping[str, str | None]
    #: Deliveries that could not be understood, and events without a decision.
    held: int = 0
    undecided: int = 0


def render_quiet(quiet: Quiet, style: Style, *, may_repeat: bool) -> Message:
    """The message of a digest for which nothing waited; it never says more than is known."""
    deliveries = [
        f"Last delivery of {source}: {at}." if at else f"Nothing was ever delivered by {source}."
        for source, at in quiet.last_deliveries.items()
    ]
    unread = [
        f"{counted(number, *words)} could not be {missing} yet: somebody has to look."
        for number, words, missing in (
            (quiet.held, ("delivery", "deliveries"), "understood"),
            (quiet.undecided, ("event",), "decided"),
        )
        if number
    ]
    warnings = [*([MAY_REPEAT] if may_repeat else []), *unread]
    since = f"Nothing waited for this digest since {quiet.since}."
    lines = [
        Line(f"{since} What goes at once is not in it.", part=Part.SENTENCE),
        *(Line(text, part=Part.WARNING) for text in warnings),
        *map(Line, deliveries),
        *_everything(style),
        BLANK,
        FOOTER_LINE,
    ]
    # It says no more than that: what is urgent was told at once, and a source may be silent.
    title = "Digest: something could not be read" if unread else "Digest: nothing waited"
    return Message.of(title, lines, urgent=False)


def render_emptied(style: Style) -> Message:
    """The message of a digest that is sent again without what waited for it."""
    sentence = "What waited for this digest was told, or is told by itself: see the list."
    lines = [Line(sentence, part=Part.SENTENCE), *_everything(style), BLANK, FOOTER_LINE]
    return Message.of("Digest: see the list of alerts", lines, urgent=False)


def _listed(title: str, sentence: str, items: Iterable[Sequence[Line]], style: Style) -> Message:
    items = list(items)
    # Once, not with each of a hundred.
    shared = [
        line for line in items[0] if line.text == NOBODY_FOUND and all(line in one for one in items)
    ]
    lines = [
        Line(sentence, short="", part=Part.SENTENCE),
        *shared,
        BLANK,
        *(line for line in chain.from_iterable(items) if line not in shared),
        *_everything(style),
        BLANK,
        FOOTER_LINE,
    ]
    return Message.of(title, lines, urgent=False)


def _everything(style: Style) -> list[Line]:
    if not style.public_url:
        return []
    link = Line(f"{style.public_url}/alerts", part=Part.LINK)
    return [BLANK, Line(_ALL, part=Part.DETAIL), link]


def render_item(alert: Alert, facts: CaseFacts, style: Style, *, now: Micros) -> tuple[Line, ...]:
    """What the message says of one of them."""
    return _item(render_of_case(alert, facts, style, now=now), alert, style)


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
