"""What a service is given of a message, and what apprise's plug-ins for some services leave out.

- **Slack** shows a notification from an attachment's `fallback`, which apprise does not set, and
  folds a text after five line ends.
- **Teams** is given a card of our own. Apprise's does not wrap its title and has no button.
- **Graph** (`azure://`) stays with apprise, which has its three ways to log in. It sends our page;
  `importance` and the one header that Graph takes are added. Graph takes no header but those that
  begin with `x-`, and so no `References`: a thread is what Exchange makes of the subjects.

Reaches into apprise: format and limits of a plug-in's instance; Slack's `_send`, Office 365's
`_fetch` and Workflows' `gen_payload`, which ours stand before.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from typing import Any, Final

from apprise import NotifyFormat
from apprise.plugins.base import NotifyBase

from casebell.alerts import Message, Part
from casebell.notify.card import card_of
from casebell.notify.fit import Limits
from casebell.notify.mail import UNANSWERED
from casebell.notify.markup import as_html, as_markdown
from casebell.notify.page import Block, blocks_of, page_of

#: Bytes of what Teams takes, with some to spare: it counts 28 KB, with what surrounds the card.
_MAX_CARD: Final = 25_000
#: Lines of a text that Slack shows unfolded.
_SLACK_LINES: Final = 6
#: Kinds of lines of which each shares a line, by how few there must be.
_TOGETHER: Final = (
    {Part.DETAIL},
    {Part.DETAIL, Part.SENTENCE},
    {Part.DETAIL, Part.SENTENCE, Part.FACT},
)

#: The message that this context sends.
sending: ContextVar[Message] = ContextVar("casebell_sending")


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a service is given of a message."""

    #: Of the text that `body` makes.
    format: NotifyFormat
    title: Callable[[str], str]
    body: Callable[[Message], str]
    limits: Limits
    #: Whether the title counts towards the limit of the body.
    title_in_body: bool


def form_of(plug_in: NotifyBase, kind: str) -> Form:
    """The form of a loaded plug-in."""
    own = plug_in.resolve_format(NotifyFormat.TEXT)
    apart = max(plug_in.title_maxlen, 0)
    shown = _SHOWN[own]
    form = Form(
        format=own,
        # Apprise would not escape a title in Markdown.
        title=shown if own is NotifyFormat.MARKDOWN or not apart else str,
        # It would break every link in a text, and make of each blank one at which no line breaks.
        # What has a subject beside its HTML is mail.
        body=page_of if own is NotifyFormat.HTML and apart else lambda message: shown(message.body),
        limits=Limits(title=apart, body=plug_in.body_maxlen, lines=plug_in.body_max_line_count),
        title_in_body=not apart or plug_in.overflow_amalgamate_title,
    )
    match kind:
        case "slack":
            return replace(form, body=in_few_lines)
        case "workflows":
            limits = replace(form.limits, body=_MAX_CARD)
            # As apprise writes it: the length is that of what is sent.
            return replace(form, body=lambda message: json.dumps(card_of(message)), limits=limits)
    return form


def complete(plug_in: Any, kind: str) -> None:
    """Have a loaded plug-in say what apprise leaves out, from now on."""
    match kind:
        case "slack":
            # Reaches into apprise
            plug_in._send = _with_fallback(plug_in._send)  # noqa: SLF001
        case "workflows":
            plug_in.gen_payload = _posted_card
        case "azure":
            # Reaches into apprise
            plug_in._fetch = _with_importance(plug_in._fetch)  # noqa: SLF001


def in_few_lines(message: Message) -> str:
    """The text in at most six lines: IT's share one; where that is too many, more kinds do.

    What happened and what the reader must know read on; the facts of a case are the last to share.
    A message of several items stays as it is.
    """
    if any(line.part is Part.ITEM for line in message.lines):
        return message.body
    lines = message.body.split("\n")
    blocks = [block for block in blocks_of(message.lines) if block.part is not Part.RULE]
    for together in _TOGETHER:
        if len(lines) <= _SLACK_LINES:
            break
        lines = [
            line
            for kind, same in groupby(blocks, key=_kind)
            for line in _joined(map(_in_a_line, same), kind, together)
        ]
    return "\n".join([*lines[: _SLACK_LINES - 1], " · ".join(lines[_SLACK_LINES - 1 :])]).rstrip()


def _kind(block: Block) -> Part:
    if block.small:
        return Part.DETAIL
    return Part.SENTENCE if block.part is Part.WARNING else block.part


def _joined(lines: Iterable[str], kind: Part, together: Collection[Part]) -> Iterable[str]:
    if kind not in together:
        return lines
    return [(" " if kind is Part.SENTENCE else " · ").join(lines)]


def _in_a_line(block: Block) -> str:
    text = block.text if block.address in ("", block.text) else f"{block.text}: {block.address}"
    return text.replace("\n", " ")


def _with_fallback(send: Callable[..., Any]) -> Callable[..., Any]:
    def sending_it(url: str, payload: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        for attachment in payload.get("attachments", ()):
            attachment["fallback"] = escape(sending.get().title, quote=False)
        return send(url, payload, *args, **options)

    return sending_it


def _posted_card(body: str, **_: object) -> dict[str, Any]:
    card = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": json.loads(body),
    }
    return {"type": "message", "attachments": [card]}


def _with_importance(fetch: Callable[..., Any]) -> Callable[..., Any]:
    name, value = UNANSWERED

    def fetching(url: str, payload: Any = None, *args: Any, **options: Any) -> Any:
        if isinstance(payload, dict) and "message" in payload:
            payload["message"]["internetMessageHeaders"] = [{"name": name, "value": value}]
            payload["message"]["importance"] = "high" if sending.get().urgent else "normal"
        return fetch(url, payload, *args, **options)

    return fetching


_SHOWN: Mapping[NotifyFormat, Callable[[str], str]] = {
    NotifyFormat.TEXT: str,
    NotifyFormat.MARKDOWN: as_markdown,
    NotifyFormat.HTML: as_html,
}
