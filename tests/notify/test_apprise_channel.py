"""Channels over apprise against real loopback servers: chat, Teams, JSON, and the threads."""

import asyncio
import html
import json
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apprise.plugins.slack
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import SecretStr

from casebell.alerts import FailureReason, Line, Message, Outcome, Part
from casebell.events import Micros
from casebell.notify.apprise_channel import MAX_ABANDONED_SENDS, AppriseChannel
from casebell.notify.render import USCIS_STATUS_PAGE
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.sandbox.mail_sink import SmtpSink
from casebell.settings import ChannelSettings
from contracts.channel_contract import (
    LINK,
    MESSAGE,
    ChannelSetup,
    load,
    outcome_and_reason,
)
from contracts.http_channel_contract import HttpChannelContract, http_channel_setup
from waiting import TIMEOUT

SLACK_TOKENS = ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7")
SLACK = "https://hooks.slack.com/services/" + "/".join(SLACK_TOKENS)
BOT_TOKEN = "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"
#: An alert in its parts.
URGENT = Message.of(
    "URGENT: Request for Evidence issued",
    [
        Line("USCIS issued a Request for Evidence.", part=Part.SENTENCE),
        Line("", part=Part.RULE),
        Line("Receipt: IOE…5678"),
        Line("Open in Casebell:"),
        Line(LINK, part=Part.LINK),
        Line("", part=Part.RULE),
        Line("Source: parley, event 12", part=Part.DETAIL),
        Line("Look it up at USCIS:", part=Part.DETAIL),
        Line(USCIS_STATUS_PAGE, part=Part.LINK),
        Line("This is a prompt to look.", part=Part.FOOTER),
    ],
    urgent=True,
)
WORKFLOW = "643e69f83c8944438d68119179a10a64"
USER, PASSWORD = "casebell", "correct-horse-battery"
SIGNATURE = "KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with HttpSink() as sink:
        yield sink


class TestJson(HttpChannelContract):
    """A JSON service, for firms that feed their own systems."""

    @pytest.fixture
    def setup(self, sink: HttpSink) -> ChannelSetup:
        secret = "hook-4711-token"

        def load_at(host: str, port: int, *, timeout: float = 5.0) -> AppriseChannel:
            # The unknown name is another machine, where plain text is not for us.
            schema = "json" if host == "127.0.0.1" else "jsons"
            return load(f"{schema}://{USER}:{PASSWORD}@{host}:{port}/{secret}", timeout=timeout)

        return http_channel_setup(
            sink,
            load=load_at,
            show=lambda sent: (sent["title"], sent["message"]),
            target="json",
            secrets=(secret, PASSWORD),
        )

    async def test_queued_is_not_sent(self, setup: ChannelSetup, sink: HttpSink) -> None:
        """A 202 means that the service queued the message and will not say more."""
        sink.answer(HttpAnswer(status=202))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.ACCEPTED, None)


def slack_text(sent: dict[str, Any]) -> tuple[str, str]:
    """What Slack shows, unfolded: nothing may be left that it would act on."""
    assert sent["mrkdwn"] is False
    assert not {"link_names", "parse", "icon_url", "blocks"} & set(sent)
    (attachment,) = sent["attachments"]
    assert set(attachment) == {"fallback", "title", "text", "color"}
    # Slack's only control characters: every link, mention and date begins with one.
    assert "<" not in "".join(attachment.values())
    # A notification shows the subject.
    assert attachment["fallback"] == attachment["title"]
    assert attachment["text"].count("\n") <= 5
    # Lines of a kind share one.
    text = html.unescape(attachment["text"]).replace(" · ", "\n")
    return html.unescape(attachment["title"]), text


class TestSlackWebhook(HttpChannelContract):
    """Slack by an incoming webhook."""

    @pytest.fixture
    def setup(self, sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> ChannelSetup:
        def load_at(host: str, port: int, *, timeout: float = 5.0) -> AppriseChannel:
            url = f"http://{host}:{port}/services"
            monkeypatch.setattr(apprise.plugins.slack.NotifySlack, "webhook_url", url)
            return load(SLACK, timeout=timeout)

        return http_channel_setup(
            sink, load=load_at, show=slack_text, target="slack", secrets=SLACK_TOKENS
        )

    async def test_an_urgent_alert_is_red_and_unfolded(
        self, setup: ChannelSetup, sink: HttpSink
    ) -> None:
        """Each kind of line has one of its own; the links keep their words."""
        channel = setup.channel()
        for message in (URGENT, replace(URGENT, urgent=False)):
            await channel.send(target=setup.target, message=message)
        urgent, ordinary = (json.loads(one.body)["attachments"][0] for one in sink.requests)
        assert (urgent["color"], ordinary["color"]) == ("#b3261e", "#1d5fa8")
        footer = " · This is a prompt to look."
        assert html.unescape(urgent["text"]).split("\n") == [
            "USCIS issued a Request for Evidence.",
            "Receipt: IOE…5678",
            f"Open in Casebell: {LINK}",
            f"Source: parley, event 12 · Look it up at USCIS: {USCIS_STATUS_PAGE}{footer}",
        ]

    @pytest.mark.parametrize(
        ("status", "word", "expected"),
        [
            (403, "invalid_token", (Outcome.AUTH, FailureReason.AUTH_FAILED)),
            (403, "action_prohibited", (Outcome.AUTH, FailureReason.AUTH_FAILED)),
            (404, "no_service", (Outcome.PERMANENT, FailureReason.NOT_FOUND)),
            (404, "no_team", (Outcome.PERMANENT, FailureReason.NOT_FOUND)),
            (410, "channel_is_archived", (Outcome.PERMANENT, FailureReason.NOT_FOUND)),
            (400, "invalid_payload", (Outcome.PERMANENT, FailureReason.REJECTED)),
            (400, "user_not_found", (Outcome.PERMANENT, FailureReason.RECIPIENT_REFUSED)),
            (200, "rate_limited", (Outcome.RATE_LIMITED, FailureReason.RATE_LIMITED)),
        ],
    )
    async def test_words(
        self, setup: ChannelSetup, sink: HttpSink, status: int, word: str, expected: object
    ) -> None:
        """Slack's word for the error decides, and is told."""
        sink.answer(HttpAnswer(status=status, body=word.encode()))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == expected
        assert result.detail == f"HTTP {status} {word}"


class TestSlackBot(HttpChannelContract):
    """Slack by a bot's token, which answers 200 to everything."""

    @pytest.fixture
    def setup(self, sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> ChannelSetup:
        def load_at(host: str, port: int, *, timeout: float = 5.0) -> AppriseChannel:
            url = f"http://{host}:{port}/api/{{}}"
            monkeypatch.setattr(apprise.plugins.slack.NotifySlack, "api_url", url)
            return load(f"slack://{BOT_TOKEN}", to=("#rfe-alerts",), timeout=timeout)

        return http_channel_setup(
            sink,
            load=load_at,
            show=self.show,
            target="#rfe-alerts",
            secrets=(BOT_TOKEN,),
            good=HttpAnswer(body=b'{"ok":true,"channel":"C1"}'),
        )

    @staticmethod
    def show(sent: dict[str, Any]) -> tuple[str, str]:
        assert sent.pop("channel") == "#rfe-alerts"
        return slack_text(sent)

    @pytest.mark.parametrize(
        ("word", "outcome", "reason"),
        [
            ("invalid_auth", Outcome.AUTH, FailureReason.AUTH_FAILED),
            ("token_revoked", Outcome.AUTH, FailureReason.AUTH_FAILED),
            ("missing_scope", Outcome.AUTH, FailureReason.AUTH_FAILED),
            ("ratelimited", Outcome.RATE_LIMITED, FailureReason.RATE_LIMITED),
            ("channel_not_found", Outcome.PERMANENT, FailureReason.NOT_FOUND),
            ("is_archived", Outcome.PERMANENT, FailureReason.NOT_FOUND),
            ("not_in_channel", Outcome.PERMANENT, FailureReason.REJECTED),
            ("internal_error", Outcome.RETRYABLE, FailureReason.SERVER_ERROR),
        ],
    )
    async def test_words(
        self,
        setup: ChannelSetup,
        sink: HttpSink,
        word: str,
        outcome: Outcome,
        reason: FailureReason,
    ) -> None:
        """`ok: false` is a failure although the status is 200, and the word says which."""
        sink.answer(HttpAnswer(body=json.dumps({"ok": False, "error": word}).encode()))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (outcome, reason)
        assert result.detail == f"HTTP 200 {word}"

    @pytest.mark.parametrize(
        "body",
        [b'{"ok":false}', b'{"ok":false,"error":{"a":1}}', b"[]", b'{"a":' + b"[" * 1900, b"\xff"],
    )
    async def test_answers_that_make_no_sense(
        self, setup: ChannelSetup, sink: HttpSink, body: bytes
    ) -> None:
        """A 200 without "ok" is a rejection, whatever stands in it."""
        sink.answer(HttpAnswer(body=body))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.PERMANENT, FailureReason.REJECTED)
        assert result.detail == "HTTP 200"

    async def test_a_recipient_of_the_wrong_shape_is_not_retried(
        self, sink: HttpSink, setup: ChannelSetup
    ) -> None:
        """What the plug-in refuses before it sends would be refused every time."""
        setup.channel()
        channel = load(f"slack://{BOT_TOKEN}", to=("#no.such.shape!",))
        result = await channel.send(target="#no.such.shape!", message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.PERMANENT, FailureReason.REJECTED)
        assert not sink.requests


def card_text(sent: dict[str, Any]) -> tuple[str, str]:
    """What Teams shows of a card, by the same Markdown reader; nothing but our link may act."""
    (attachment,) = sent["attachments"]
    card = attachment["content"]
    assert card["msteams"] == {"width": "full"}
    title, *lines = map(element_text, card["body"])
    return title, "\n".join(lines)


def element_text(element: dict[str, Any]) -> str:
    """The text of a block, or the address of a button."""
    if element["type"] == "ActionSet":
        (action,) = element["actions"]
        assert (action["type"], action["url"]) == ("Action.OpenUrl", LINK)
        return LINK
    assert (element["type"], element["wrap"]) == ("TextBlock", True)
    return rendered(element["text"])


def rendered(markdown: str) -> str:
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(markdown)
    assert {token.type for token in tokens} == {"paragraph_open", "inline", "paragraph_close"}
    lines = [token.children or [] for token in tokens if token.type == "inline"]
    return "\n".join(_line(children) for children in lines)


def _line(children: list[Token]) -> str:
    for child in children:
        assert child.type in ("text", "text_special", "link_open", "link_close"), child
        if child.type == "link_open":
            assert child.attrs["href"] == LINK
    return "".join(child.content for child in children)


class TestWorkflows(HttpChannelContract):
    """Teams by a Power Automate workflow, over TLS."""

    @pytest.fixture
    async def sink(self, server_tls: ssl.SSLContext, trusted: None) -> AsyncIterator[HttpSink]:
        async with HttpSink(tls=server_tls) as sink:
            yield sink

    @pytest.fixture
    def setup(self, sink: HttpSink) -> ChannelSetup:
        def load_at(host: str, port: int, *, timeout: float = 5.0) -> AppriseChannel:
            return load(f"workflows://{host}:{port}/{WORKFLOW}/{SIGNATURE}", timeout=timeout)

        return http_channel_setup(
            sink,
            load=load_at,
            show=card_text,
            target="workflows",
            secrets=(WORKFLOW, SIGNATURE),
            good=HttpAnswer(status=202, body=b""),
            success=Outcome.ACCEPTED,
        )

    async def test_an_urgent_alert_is_a_card_with_a_button(
        self, setup: ChannelSetup, sink: HttpSink
    ) -> None:
        """The subject in red, the words of the link on a button, the lines of IT small."""
        await setup.channel().send(target=setup.target, message=URGENT)
        card = json.loads(sink.requests[0].body)["attachments"][0]["content"]
        title, sentence, fact, button, detail, look_up, footer = card["body"]
        assert (title["text"], title["color"]) == (URGENT.title, "Attention")
        assert sentence["weight"] == "Bolder"
        assert "size" not in fact
        (action,) = button["actions"]
        assert (action["title"], action["url"]) == ("Open in Casebell", LINK)
        assert {each["size"] for each in (detail, look_up, footer)} == {"Small"}
        assert look_up["text"] == f"[Look it up at USCIS]({USCIS_STATUS_PAGE})"
        assert [each.get("separator", False) for each in card["body"]].index(True) == 4

    async def test_an_untrusted_certificate(
        self, setup: ChannelSetup, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing goes to a server of an unknown authority; certificates get mended, so retry."""
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
        assert not sink.requests


async def test_plain_text_where_tls_is_expected_is_a_tls_failure() -> None:
    """A port that greets in plain text is no TLS service: told as such, nothing sent."""
    async with SmtpSink() as greeting:
        channel = load(f"jsons://127.0.0.1:{greeting.port}/x")
        result = await channel.send(target="json", message=MESSAGE)
    assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)


async def test_a_hanging_channel_comes_back(sink: HttpSink) -> None:
    """Abandoned threads are few: beyond them the channel waits, and goes on when one has ended."""
    channel = load(f"json://127.0.0.1:{sink.port}/x", timeout=1.0)
    sink.answer(HttpAnswer(drip=0.1))
    for _ in range(MAX_ABANDONED_SENDS):
        result = await channel.send(target="json", message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AMBIGUOUS, FailureReason.TIMEOUT)
    result = await channel.send(target="json", message=MESSAGE)
    assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TIMEOUT)
    assert result.detail == "still waiting for earlier sends to end"
    assert len(sink.requests) == MAX_ABANDONED_SENDS

    # The service goes away, and with its connections the threads; then it is back.
    await sink.__aexit__()
    for thread in channel._abandoned:
        await asyncio.to_thread(thread.join, 5)
    async with HttpSink() as mended:
        result = await _moved(channel, mended.port).send(target="json", message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.SENT, None)


def _moved(channel: AppriseChannel, port: int) -> AppriseChannel:
    """The same channel, with its threads, after its service moved to another port."""
    for service in channel._services.values():
        service.plug_in.port = port
    return channel


async def test_hanging_channels_do_not_hold_up_another(sink: HttpSink) -> None:
    """Forty channels whose services hang do not keep another waiting until they end."""
    async with HttpSink() as hanging:
        hanging.answer(HttpAnswer(delay=3 * TIMEOUT))
        slow = [
            load(f"json://127.0.0.1:{hanging.port}/{n}", timeout=3 * TIMEOUT) for n in range(40)
        ]
        sends = [
            asyncio.ensure_future(channel.send(target="json", message=MESSAGE)) for channel in slow
        ]
        await hanging.received(len(slow))
        begun = time.monotonic()
        quick = load(f"json://127.0.0.1:{sink.port}/x")
        assert (await quick.send(target="json", message=MESSAGE)).delivered
        assert time.monotonic() - begun < TIMEOUT
        for send in sends:
            send.cancel()
        await asyncio.gather(*sends, return_exceptions=True)


@pytest.mark.slow
async def test_the_process_ends_while_a_send_hangs(sink: HttpSink) -> None:
    """The end of the process does not wait for a thread that still sends."""
    # Some minutes, byte by byte.
    sink.answer(HttpAnswer(drip=0.2, body=b"x" * 1000))
    program = f"""
        import asyncio
        from contracts.channel_contract import MESSAGE, load
        async def main():
            channel = load("json://127.0.0.1:{sink.port}/x", timeout=2.0)
            result = await channel.send(target="json", message=MESSAGE)
            print(result.outcome.value)
        asyncio.run(main())
    """
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("ambiguous\n", "", 0)
    assert len(sink.requests) == 1


class SteppingClock:
    """A clock that moves only when it is slept on."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.sleeps: list[float] = []

    def now(self) -> Micros:
        return 1_760_000_000_000_000 + round(self.elapsed * 1_000_000)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.elapsed += seconds


async def test_sends_keep_the_channels_pace(sink: HttpSink) -> None:
    """At least `pace` seconds lie between the starts of two sends; the first does not wait."""
    clock = SteppingClock()
    url = SecretStr(f"json://127.0.0.1:{sink.port}/x")
    settings = ChannelSettings(name="team", urls=(url,), pace=1.5)
    channel = AppriseChannel(settings, schemas=(), clock=clock)
    for _ in range(3):
        assert (await channel.send(target="json", message=MESSAGE)).delivered
    clock.elapsed += 1.0
    assert (await channel.send(target="json", message=MESSAGE)).delivered
    assert clock.sleeps == [0.0, 1.5, 1.5, 0.5]
