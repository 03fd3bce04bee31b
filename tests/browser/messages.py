"""Messages as their readers see them: sent over real channels, and drawn by a real browser."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import trustme
from markdown_it import MarkdownIt
from playwright.async_api import Page

from casebell.alerts import Alert, AlertKind, Message
from casebell.events import Case, Status, Tag
from casebell.notify import outward
from casebell.notify.links import with_link
from casebell.notify.render import CaseFacts, Style, render_case
from casebell.sandbox.http_sink import HOST, HttpAnswer, HttpSink
from casebell.sandbox.mail_sink import SmtpSink
from contracts.case_events import RECEIVED_AT, classified_event
from contracts.channel_contract import load
from contracts.mail_channel_contract import TO, parsed_mail, text_in

#: As USCIS words it.
TEXT = (
    "On October 14, 2025, we sent a request for additional evidence for your Form I-129, Petition "
    "for a Nonimmigrant Worker, Receipt Number IOE0912345678. The request for evidence explains "
    "what we need from you. Please follow the instructions in it."
)
#: Teams' own looks, as far as they matter for where a text ends.
_LOOKS = {
    "fontFamily": "'Segoe UI', Roboto, Arial, sans-serif",
    "fontSizes": {"small": 12, "default": 14, "medium": 16, "large": 18, "extraLarge": 24},
    "spacing": {"small": 4, "default": 8, "medium": 16, "large": 24, "padding": 16},
    "separator": {"lineThickness": 1, "lineColor": "#d1d1d1"},
    "actions": {"actionsOrientation": "horizontal", "actionAlignment": "left", "maxActions": 6},
}
_STYLES = """
body { margin: 0; padding: 16px; background: #f5f5f5; font-family: 'Segoe UI', Roboto, Arial; }
.ac-adaptiveCard { background: #fff; border: 1px solid #d1d1d1; border-radius: 4px; }
.ac-pushButton { padding: 6px 14px; border: 1px solid #c7c7c7; border-radius: 4px;
  background: #fff; font: 600 14px 'Segoe UI', Roboto, Arial; }
.ac-adaptiveCard p { margin: 0; }
"""
_SCRIPT = (Path(__file__).parent / "vendor/adaptivecards-3.0.6.min.js").read_text(encoding="utf-8")
#: Draws a card, and returns what the library finds wrong with it.
_DRAW = """([card, html, looks]) => {
  const { AdaptiveCard, HostConfig, SerializationContext } = AdaptiveCards;
  AdaptiveCard.onProcessMarkdown = (text, result) => {
    result.outputHtml = html[text];
    result.didProcess = true;
  };
  const drawn = new AdaptiveCard();
  drawn.hostConfig = new HostConfig(looks);
  const context = new SerializationContext();
  drawn.parse(card, context);
  document.body.append(drawn.render());
  const parsed = Array.from({ length: context.eventCount }, (_, n) => context.getEventAt(n));
  return [...parsed, ...drawn.validateProperties().validationEvents].map(event => event.message);
}"""


def alert() -> Message:
    """An urgent alert of a request for evidence to one person, with `disclose = "standard"`."""
    told = Alert(
        id=7, kind=AlertKind.CASE, subject="change:3", channel="email-team", target=TO,
        rules=("RFE issued",), urgent=True, attempts=1, created_at=RECEIVED_AT,
        may_repeat=False, event_id=12, change_id=3,
    )  # fmt: skip
    event = classified_event(text=TEXT, status=Status.RFE_ISSUED, tags=frozenset({Tag.DEADLINE}))
    case = Case(receipt=event.receipt, label="Acme / Rivera", form="I-129", owner="Jia Chan")
    style = Style(
        disclose="standard",
        timezone=ZoneInfo("America/New_York"),
        public_url="https://casebell.example-firm.com",
    )
    message = render_case(told, CaseFacts(event_id=12, event=event, case=case), style)
    lines = with_link(message.lines, "https://casebell.example-firm.com/a/Wm9lLXNheXMtaGVsbG8hAA")
    return Message.of(message.title, lines, short_title=message.short_title, urgent=message.urgent)


async def mailed(message: Message) -> str:
    """The page of a message in the mail that a server got."""
    async with SmtpSink() as sink:
        channel = load(f"mailto://{sink.host}:{sink.port}?from=casebell@example.com", to=(TO,))
        assert (await channel.send(target=TO, message=message)).delivered
        (mail,) = sink.mails
    return text_in(parsed_mail(mail), "html")


async def posted_card(message: Message) -> dict[str, Any]:
    """The card of a message that a workflow of Teams got."""
    async with _trusted_sink() as sink:
        sink.answer(HttpAnswer(status=202))
        channel = load(f"workflows://{HOST}:{sink.port}/0a1b2c/S1gnature")
        assert (await channel.send(target="workflows", message=message)).delivered
        (request,) = sink.requests
    card: dict[str, Any] = json.loads(request.body)["attachments"][0]["content"]
    return card


async def draw_card(page: Page, card: dict[str, Any]) -> Sequence[str]:
    """Draw a card as Teams' own library does; returns what is wrong with it."""
    await page.set_content(f"<title>Teams</title><style>{_STYLES}</style>")
    await page.add_script_tag(content=_SCRIPT)
    markdown = MarkdownIt("commonmark")
    texts = [element["text"] for element in card["body"] if element["type"] == "TextBlock"]
    html = {text: markdown.render(text) for text in texts}
    problems: Sequence[str] = await page.evaluate(_DRAW, [card, html, _LOOKS])
    return problems


@asynccontextmanager
async def _trusted_sink() -> AsyncIterator[HttpSink]:
    """A server over TLS, whose authority this process trusts."""
    authority = trustme.CA()
    context = SSLContext(PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "authority.pem"
        authority.cert_pem.write_to_path(str(bundle))
        outward.use({"REQUESTS_CA_BUNDLE": str(bundle)})
        try:
            async with HttpSink(tls=context) as sink:
                yield sink
        finally:
            outward.use({})
