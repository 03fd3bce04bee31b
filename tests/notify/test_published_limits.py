"""What goes over the wire to a service is within the limits that it publishes, whatever we send.

A service refuses a message over its limit for good. The limits here are those of the services' own
pages, counted as they count; the loaded plug-ins say theirs, to which messages are fitted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest

from casebell.alerts import Line, Message, Part
from casebell.notify.apprise_url import plugins
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from contracts.channel_contract import HOSTILE_BODY, load

LINK = "https://casebell.example-firm.com/events/12"
FOOTER = "This is a prompt to look, not legal notice."
SENTENCE = "USCIS issued a Request for Evidence."
#: Longer than any service takes, and of characters that grow when they are escaped.
LONG = Message.of(
    f"URGENT: Request for Evidence issued · {'Müller <& Söhne> ' * 20}",
    [
        Line(SENTENCE, part=Part.SENTENCE, short="An answer is owed."),
        Line("", part=Part.RULE),
        Line("Receipt: IOE…5678", short=""),
        Line("USCIS text: “" + "An <official> & long :text: 漢字. " * 600 + "”", spare=1),
        Line("Open in Casebell:", spare=2),
        Line(LINK, part=Part.LINK),
        Line("", part=Part.RULE),
        *(Line(line, spare=3, part=Part.DETAIL) for line in HOSTILE_BODY.split("\n")),
        Line(FOOTER, short="Not legal notice.", part=Part.FOOTER),
    ],
    urgent=True,
)


def form(body: bytes) -> dict[str, str]:
    """A form as it is posted."""
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, and what it takes at most."""

    url: str
    #: The plug-in's schema, and its attributes with the service's addresses.
    schema: str
    addresses: tuple[str, ...]
    read: Callable[[bytes], Any] = json.loads
    #: Counted of what was read.
    sizes: Callable[[Any], Mapping[str, int]]
    limits: Mapping[str, int]
    #: What people read.
    text: Callable[[Any], str]
    answers: tuple[HttpAnswer, ...] = (HttpAnswer(),)


SERVICES = {
    # https://api.slack.com/reference/messaging/attachments, and chat.postMessage: 40,000.
    "slack": Service(
        url="https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7",
        schema="slack",
        addresses=("webhook_url",),
        sizes=lambda sent: {
            "text": len(sent["attachments"][0]["text"]),
            "breaks": sent["attachments"][0]["text"].count("\n"),
            "fallback": len(sent["attachments"][0]["fallback"]),
        },
        # The fallback is what a notification shows: of a title.
        limits={"text": 40_000, "breaks": 5, "fallback": 1_000},
        text=lambda sent: sent["attachments"][0]["text"],
    ),
    # https://discord.com/developers/docs/resources/webhook#execute-webhook
    "discord": Service(
        url=f"discord://{'0' * 10}/{'B' * 40}",
        schema="discord",
        addresses=("notify_url",),
        sizes=lambda sent: {"content": len(sent["content"])},
        limits={"content": 2_000},
        text=lambda sent: sent["content"],
    ),
    # https://pushover.net/api#limits
    "pushover": Service(
        url=f"pover://{'u' * 30}@{'t' * 30}",
        schema="pover",
        addresses=("notify_url",),
        read=form,
        sizes=lambda sent: {"message": len(sent["message"]), "title": len(sent["title"])},
        limits={"message": 1_024, "title": 250},
        text=lambda sent: sent["message"],
    ),
    # https://www.twilio.com/docs/api/errors/21617
    "twilio": Service(
        url=f"twilio://AC{'1' * 32}:{'b' * 32}@15551230000/15551234567",
        schema="twilio",
        addresses=("notify_sms_url",),
        read=form,
        sizes=lambda sent: {"Body": len(sent["Body"])},
        limits={"Body": 1_600},
        text=lambda sent: sent["Body"],
    ),
    # https://learn.microsoft.com/graph/api/resources/message: 255 characters of a subject are kept;
    # 4 MB a request.
    "graph": Service(
        url="azure://casebell@example.com/ab-cd-ef-gh/abcd/123/jchan@example.com",
        schema="azure",
        addresses=("auth_url", "graph_url"),
        sizes=lambda sent: {
            "subject": len(sent["message"]["subject"]),
            "request": len(json.dumps(sent)),
            "headers": len(sent["message"]["internetMessageHeaders"]),
        },
        limits={"subject": 255, "request": 4_000_000, "headers": 5},
        text=lambda sent: sent["message"]["body"]["content"],
        answers=(
            HttpAnswer(body=b'{"access_token": "t", "expires_in": 3600}'),
            HttpAnswer(status=202),
        ),
    ),
    # HTML by its plug-in: 30 MB are SendGrid's, these are apprise's.
    "sendgrid": Service(
        url="sendgrid://abcd-1234:casebell@example.com/a@example.com",
        schema="sendgrid",
        addresses=("notify_url",),
        sizes=lambda sent: {"content": len(sent["content"][0]["value"])},
        limits={"content": 32_768},
        text=lambda sent: sent["content"][0]["value"],
    ),
}


@pytest.mark.parametrize("name", SERVICES)
async def test_a_very_long_alert_is_within_them(
    name: str, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes on the wire; sentence, link and notice are among them."""
    service = SERVICES[name]
    channel = load(service.url)
    (target,) = channel.targets
    for address in service.addresses:
        monkeypatch.setattr(plugins()[service.schema], address, sink.url)
    sink.answer(*service.answers)
    result = await channel.send(target=target, message=LONG)
    assert result.delivered, result
    assert result.detail == "cut to what the service takes"
    sent = service.read(sink.requests[-1].body)
    sizes = service.sizes(sent)
    assert {key: size for key, size in sizes.items() if size > service.limits[key]} == {}
    text = service.text(sent)
    assert LINK in text
    assert "&nbsp;" not in text
    assert "legal notice." in text
    assert SENTENCE in text or "An answer is owed." in text
