"""What every kind of channel must do, whatever service is behind it.

A kind gives a `setup`: a real loopback server and how to load a channel that speaks to it.
"""

import asyncio
import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import pytest
from pydantic import SecretStr

from casebell.alerts import AlertKind, FailureReason, Message, Outcome, Payload, SendResult
from casebell.clock import SystemClock
from casebell.events import Micros
from casebell.notify.apprise_channel import AppriseChannel
from casebell.notify.channel import Channel
from casebell.notify.inert_text import inert
from casebell.settings import ChannelSettings
from contracts.leaks import LeakWatch

#: Seconds after which a channel gives a silent service up; a busy machine hands a message over
#: sooner.
SILENCE = 1.0
#: A name that no resolver knows (RFC 6761).
NO_SUCH_HOST = "casebell-sink.invalid"
LINK = "https://casebell.example-firm.com/cases/7_a?b=1&c=2"
#: What a channel for people leaves alone.
PAYLOAD = Payload(
    id="msg_7f3a",
    kind=AlertKind.CASE,
    created_at=1_760_469_813_000_000,
    alert={"id": 7, "receipt": "saffron"},
    event={"id": 3, "text": "half a pair: \udc80"},
)
MESSAGE = Message(
    title="RFE issued: quixotic IOE…1234",
    body=f"Status: Request for Evidence\nvermilion petition\n{LINK}\nNot legal notice.",
    payload=PAYLOAD,
)
#: Words of MESSAGE that would not stand in a log by chance.
MESSAGE_WORDS = ("quixotic", "vermilion", "cases/7_a", "saffron")

HOSTILE_TITLE = (
    "RFE\r\nBcc: thief@example.com\r\n\r\nissued \u202egnp.\u202c [x](https://evil.example)"
)
HOSTILE_BODY = (
    r"""
<!channel> <!here|here> @everyone @here @channel
<script>alert(1)</script> {{7*7}} ${HOME} %s
<https://evil.example|USCIS> [click](https://evil.example) ![i](https://evil.example/i.png)
<https://evil.example> <at>Everyone</at> <@U12345>
*bold* _it_ ~gone~ `code` **strong** &lt;b&gt; &amp; || spoiler ||
# heading
- item
1. first
> quoted
[x]: https://evil.example
    indented
| a | b |
back\slash \[click\](https://evil.example) \\[click](https://evil.example)
""".strip()
    + (
        "\nrtl \u202eevil\u202c zero\u200bwidth \u2066iso\u2069 nul\x00 esc\x1b[31m bell\x07"
        "\nline\u2028separator\x85next\x0bvertical tag\U000e0041"
    )
)


def load(
    *urls: str, to: Sequence[str] = (), timeout: float = 5.0, pace: float = 0.0
) -> AppriseChannel:
    """A channel over these URLs, on the machine's clock."""
    secrets = tuple(map(SecretStr, urls))
    settings = ChannelSettings(name="team", urls=secrets, to=tuple(to), timeout=timeout, pace=pace)
    return AppriseChannel(settings, schemas=(), clock=SystemClock())


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One message as its reader has it before their eyes."""

    title: str
    body: str
    at: Micros


class Load(Protocol):
    """How a setup makes a channel that speaks to an address."""

    def __call__(self, host: str, port: int, *, timeout: float = 5.0) -> Channel:
        """`timeout` in seconds."""


@dataclass(frozen=True, kw_only=True)
class ChannelSetup:
    """One kind of channel and the server behind it."""

    load: Load
    host: str
    port: int
    target: str
    #: What its URL holds and nobody may read.
    secrets: tuple[str, ...]
    #: Waits for that many messages.
    shown: Callable[[int], Awaitable[list[Shown]]]
    #: The server takes each message and answers after that many seconds.
    delay: Callable[[float], None]
    #: The server takes each message and cuts the connection off.
    cut_off: Callable[[], None]
    success: Outcome = Outcome.SENT

    def channel(self, *, timeout: float = 5.0) -> Channel:
        """A channel that speaks to the server."""
        return self.load(self.host, self.port, timeout=timeout)


def outcome_and_reason(result: SendResult) -> tuple[Outcome, FailureReason | None]:
    """What the dispatcher acts on."""
    return result.outcome, result.reason


class ChannelContract:
    """The suite; a subclass gives the fixture `setup`."""

    async def test_a_message_arrives(self, setup: ChannelSetup) -> None:
        """Title and lines arrive as they are, and the link stands alone on its line."""
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (setup.success, None)
        (shown,) = await setup.shown(1)
        assert shown.title == MESSAGE.title
        assert shown.body.split("\n") == MESSAGE.body.split("\n")

    async def test_hostile_text_is_only_text(self, setup: ChannelSetup) -> None:
        """Markup, mentions, templates and invisible characters reach the reader as dead letters."""
        message = Message(title=HOSTILE_TITLE, body=HOSTILE_BODY, payload=PAYLOAD)
        result = await setup.channel().send(target=setup.target, message=message)
        assert result.outcome is setup.success
        (shown,) = await setup.shown(1)
        assert shown.title == "RFE Bcc: thief@example.com issued gnp. [x] (https://evil.example)"
        lines = [line.strip() for line in shown.body.split("\n")]
        assert lines == [line.strip() for line in inert(HOSTILE_BODY, limit=8000).split("\n")]
        unseen = {unicodedata.category(char) for char in shown.title + shown.body} & {"Cf", "Cs"}
        assert not unseen
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown.title + shown.body)

    async def test_a_huge_body_is_cut(self, setup: ChannelSetup) -> None:
        """A body of 200 KB arrives as one message, cut and marked as such."""
        message = Message(title="t", body="long words " * 20_000, payload=PAYLOAD)
        assert (await setup.channel().send(target=setup.target, message=message)).delivered
        (shown,) = await setup.shown(1)
        assert shown.body.endswith("[…]")
        assert len(shown.body) <= 8000

    async def test_a_refused_connection_is_retried(self, setup: ChannelSetup) -> None:
        """Nothing listens: nothing was sent, and another try is safe."""
        result = await setup.load(setup.host, 1).send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.CONNECTION_REFUSED)

    async def test_an_unknown_name_is_retried(self, setup: ChannelSetup) -> None:
        """The name does not resolve: nothing was sent."""
        result = await setup.load(NO_SUCH_HOST, setup.port).send(
            target=setup.target, message=MESSAGE
        )
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.NAME_NOT_RESOLVED)

    async def test_silence_after_the_message_is_doubt(self, setup: ChannelSetup) -> None:
        """The server has the message and does not answer in time: it may have been taken."""
        setup.delay(30.0)
        result = await setup.channel(timeout=SILENCE).send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AMBIGUOUS, FailureReason.TIMEOUT)

    async def test_a_reset_after_the_message_is_doubt(self, setup: ChannelSetup) -> None:
        """The server has the message and cuts the connection: it may have been taken."""
        setup.cut_off()
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AMBIGUOUS, FailureReason.CONNECTION_LOST)

    async def test_one_send_is_in_flight(self, setup: ChannelSetup) -> None:
        """Sends asked for at once reach the service one after the other."""
        setup.delay(0.1)
        channel = setup.channel()
        results = await asyncio.gather(
            *(channel.send(target=setup.target, message=MESSAGE) for _ in range(3))
        )
        assert [result.outcome for result in results] == [setup.success] * 3
        times = [shown.at for shown in await setup.shown(3)]
        assert all(later - earlier >= 95_000 for earlier, later in pairwise(times))

    async def test_an_unknown_target_is_gone(self, setup: ChannelSetup) -> None:
        """A label the configuration no longer has fails for good, and sends nothing."""
        result = await setup.channel().send(target="another", message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.PERMANENT, FailureReason.TARGET_GONE)

    async def test_a_closed_channel_sends_no_more(self, setup: ChannelSetup) -> None:
        """After close() a message is left for whoever comes next."""
        channel = setup.channel()
        await channel.close()
        result = await channel.send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.INTERRUPTED)

    @pytest.mark.parametrize("trouble", ["none", "refused", "unknown", "silent", "cut off"])
    async def test_nothing_leaks(self, setup: ChannelSetup, leaks: LeakWatch, trouble: str) -> None:
        """No URL, token, password or word of the message is logged, printed or returned."""
        host = NO_SUCH_HOST if trouble == "unknown" else setup.host
        port = 1 if trouble == "refused" else setup.port
        if trouble == "silent":
            setup.delay(30.0)
        if trouble == "cut off":
            setup.cut_off()
        channel = setup.load(host, port, timeout=SILENCE)
        result = await channel.send(target=setup.target, message=MESSAGE)
        assert result.delivered == (trouble == "none")
        shown = (channel, channel.targets, result)
        leaks.assert_none((*setup.secrets, *MESSAGE_WORDS, "://"), shown=shown)
