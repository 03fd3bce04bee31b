"""The webhook channel against real loopback servers: the contracts, and what is its own."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import standardwebhooks
from pydantic import SecretStr

from casebell.alerts import FailureReason, Outcome
from casebell.clock import SystemClock
from casebell.errors import ConfigError
from casebell.notify.http_client import MAX_ANSWER
from casebell.notify.webhook_channel import TARGET, WebhookChannel
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.settings import ChannelSettings
from contracts.channel_contract import MESSAGE, PAYLOAD, ChannelSetup, outcome_and_reason
from contracts.http_channel_contract import HttpChannelContract, http_channel_setup
from docs.pages import blocks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PATH_TOKEN = "hook-4711-token"


def channel_to(url: str, *secrets: str, timeout: float = 5.0) -> WebhookChannel:
    settings = ChannelSettings(
        name="practice",
        webhook=SecretStr(url),
        secret=tuple(map(SecretStr, secrets or (SECRET,))),
        timeout=timeout,
    )
    return WebhookChannel(settings, clock=SystemClock())


def shown(sent: Mapping[str, Any]) -> tuple[str, str]:
    message = sent["data"]["message"]
    return message["title"], message["body"]


class TestWebhook(HttpChannelContract):
    """The suites that every channel passes."""

    @pytest.fixture
    def setup(self, sink: HttpSink) -> ChannelSetup:
        def load_at(host: str, port: int, *, timeout: float = 5.0) -> WebhookChannel:
            return channel_to(f"http://{host}:{port}/{PATH_TOKEN}", timeout=timeout)

        return http_channel_setup(
            sink,
            load=load_at,
            show=shown,
            target=TARGET,
            secrets=(PATH_TOKEN, SECRET, SECRET.removeprefix("whsec_")),
        )


async def test_what_is_posted(sink: HttpSink) -> None:
    """The values as they are, beside the message; signed with every secret."""
    channel = channel_to(f"{sink.url}/in?firm=7", SECRET, NEXT_SECRET)
    result = await channel.send(target=TARGET, message=MESSAGE)
    assert outcome_and_reason(result) == (Outcome.SENT, None)
    (request,) = sink.requests
    assert (request.method, request.path) == ("POST", "/in?firm=7")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == PAYLOAD.id
    assert json.loads(request.body) == {
        "type": "alert.case",
        "timestamp": "2025-10-14T19:23:33.000000Z",
        "data": {
            "alert": PAYLOAD.alert,
            "event": PAYLOAD.event,
            "message": {"title": MESSAGE.title, "body": MESSAGE.body},
        },
    }
    (verifying,) = blocks("docs/add-a-channel.md", "python")
    for secret in (SECRET, NEXT_SECRET):
        receiver: dict[str, Any] = {"SECRET": secret}
        exec(verifying, receiver)
        assert receiver["receive"](request.body, request.headers) == json.loads(request.body)


async def test_any_text_arrives_as_it_is(sink: HttpSink) -> None:
    """200 KB with halves of pairs, marks that reorder and a number of 40 digits, still signed."""
    event = {"text": '\U0001f514\ud83d \u202egnp.\u202c\u200f\x00\x7f"\\' * 20_000, "n": 10**39 + 7}
    message = replace(MESSAGE, payload=replace(PAYLOAD, event=event))
    result = await channel_to(sink.url).send(target=TARGET, message=message)
    assert outcome_and_reason(result) == (Outcome.SENT, None)
    (request,) = sink.requests
    assert len(request.body) > 200_000
    assert json.loads(request.body)["data"]["event"] == event
    standardwebhooks.Webhook(SECRET).verify(request.body, request.headers)


async def test_nothing_but_the_whole_is_posted(sink: HttpSink) -> None:
    """Without its JSON an alert fails for good, so that its fallback and operations hear of it."""
    message = replace(MESSAGE, payload=None)
    result = await channel_to(sink.url).send(target=TARGET, message=message)
    assert outcome_and_reason(result) == (Outcome.PERMANENT, FailureReason.REJECTED)
    assert not sink.requests


async def test_queued_is_accepted(sink: HttpSink) -> None:
    """A 202 counts as with other channels."""
    sink.answer(HttpAnswer(status=202))
    result = await channel_to(sink.url).send(target=TARGET, message=MESSAGE)
    assert outcome_and_reason(result) == (Outcome.ACCEPTED, None)


@pytest.mark.parametrize("after", ["much", "slow"])
async def test_the_status_counts_whatever_follows(sink: HttpSink, after: str) -> None:
    """An answer that is too long, or whose end does not come: it was taken."""
    body = b"x" * (MAX_ANSWER * 4)
    sink.answer(HttpAnswer(body=body, drip=0.001 if after == "slow" else 0.0))
    channel = channel_to(sink.url, timeout=1.0)
    result = await channel.send(target=TARGET, message=MESSAGE)
    assert outcome_and_reason(result) == (Outcome.SENT, None)


async def test_a_silent_handshake_is_not_ambiguous(sink: HttpSink) -> None:
    """The service speaks no TLS: no byte of the message has left."""
    channel = channel_to(sink.url.replace("http", "https"), timeout=0.5)
    result = await channel.send(target=TARGET, message=MESSAGE)
    assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TIMEOUT)
    assert result.detail == "no answer within 0.5 s"


def test_a_host_that_cannot_be() -> None:
    """It is refused when it is loaded, without being shown."""
    host = "ü" * 300
    with pytest.raises(ConfigError) as raised:
        channel_to(f"https://{host}/")
    (problem,) = raised.value.problems
    assert problem.key == "channels.practice.webhook"
    assert host not in str(raised.value)
