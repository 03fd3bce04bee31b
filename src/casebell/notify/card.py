"""Makes an Adaptive Card of a message, for Teams: pure functions.

The names are those of https://adaptivecards.io/explorer/, of version 1.4. Every text wraps, which
Teams does not do by itself, and is escaped, since Teams reads texts as Markdown.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from casebell.alerts import Message, Part
from casebell.notify.markup import as_markdown
from casebell.notify.page import Block, blocks_of

#: What happened and what the reader must know. Teams' colour of warnings is too pale for text.
_BOLD: Final = (Part.SENTENCE, Part.WARNING)
_SMALL: Mapping[str, Any] = {"size": "Small", "isSubtle": True, "spacing": "Small"}


def card_of(message: Message) -> dict[str, Any]:
    """The card: the subject, the reader's lines with the link as a button, the lines of IT."""
    subject = _text(
        as_markdown(message.title),
        id="title",
        style="heading",
        weight="Bolder",
        size="Medium",
        color="Attention" if message.urgent else "Default",
    )
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        # What a screen reader says of the card, and programs that show none.
        "speak": message.title,
        "fallbackText": message.title,
        "body": [subject, *_elements(message)],
        "msteams": {"width": "full"},
    }


def _elements(message: Message) -> Iterator[dict[str, Any]]:
    below_rule = False
    for block in blocks_of(message.lines):
        if block.part is Part.RULE:
            below_rule = True
            continue
        element = _element(block)
        yield element | {"separator": True, "spacing": "Medium"} if below_rule else element
        below_rule = False


def _element(block: Block) -> dict[str, Any]:
    if block.part is Part.ACKNOWLEDGE:
        return _text(f"[{as_markdown(block.text)}]({block.address})")
    if block.address and (block.small or block.part is Part.ITEM):
        return _text(f"[{as_markdown(block.text)}]({block.address})", **_SMALL)
    if block.address:
        button = {"type": "Action.OpenUrl", "title": block.text, "url": block.address}
        return {"type": "ActionSet", "actions": [button]}
    if block.small:
        return _text(as_markdown(block.text), **_SMALL)
    weight = "Bolder" if block.part in _BOLD else "Default"
    return _text(as_markdown(block.text), weight=weight)


def _text(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **look}
