"""Mail by Microsoft Graph: apprise logs in and posts, the page and its marks are ours."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from casebell.alerts import FailureReason, Message, Outcome
from casebell.notify.apprise_channel import AppriseChannel
from casebell.notify.apprise_url import plugins
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from contracts.channel_contract import (
    HOSTILE_BODY,
    HOSTILE_TITLE,
    LINK,
    MESSAGE,
    MESSAGE_WORDS,
    load,
    outcome_and_reason,
)
from contracts.html_pages import Page
from contracts.leaks import LeakWatch

TO = "jchan@example-firm.com"
SECRET = "gr4ph-s3cret"
URL = f"azure://casebell@example-firm.com/tenant-1/client-2/{SECRET}"
LOGGED_IN = HttpAnswer(body=b'{"access_token": "b34r3r", "expires_in": 3600}')
TAKEN = HttpAnswer(status=202, body=b"")


@pytest.fixture
def channel(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> AppriseChannel:
    """A channel that logs in and posts at the sink."""
    monkeypatch.setattr(plugins()["azure"], "auth_url", f"{sink.url}/login")
    monkeypatch.setattr(plugins()["azure"], "graph_url", sink.url)
    return load(URL, to=(TO,))


def posted(sink: HttpSink) -> list[dict[str, Any]]:
    """The messages that were handed over, in order."""
    return [json.loads(one.body)["message"] for one in sink.requests if "/sendMail" in one.path]


async def test_it_gets_our_page_and_its_importance(channel: AppriseChannel, sink: HttpSink) -> None:
    """HTML of ours; nothing answers it; urgent ones are important. It logs in once."""
    sink.answer(LOGGED_IN, TAKEN)
    for message in (replace(MESSAGE, urgent=True), MESSAGE):
        result = await channel.send(target=TO, message=message)
        assert outcome_and_reason(result) == (Outcome.ACCEPTED, None)
    assert parse_qs(sink.requests[0].body.decode())["client_secret"] == [SECRET]
    urgent, ordinary = posted(sink)
    assert (urgent["importance"], ordinary["importance"]) == ("high", "normal")
    for each in (urgent, ordinary):
        (header,) = each["internetMessageHeaders"]
        assert header["name"] == "X-Auto-Response-Suppress"
        assert each["subject"] == MESSAGE.title
        assert each["body"]["contentType"] == "HTML"
        assert each["toRecipients"] == [{"emailAddress": {"address": TO}}]
        page = Page(each["body"]["content"])
        assert page.lines == MESSAGE.body.split("\n")
        assert page.links == [(LINK, LINK)]


async def test_hostile_text_is_only_text(channel: AppriseChannel, sink: HttpSink) -> None:
    """Nothing of it is an element, and no blank is lost."""
    sink.answer(LOGGED_IN, TAKEN)
    await channel.send(target=TO, message=Message(title=HOSTILE_TITLE, body=HOSTILE_BODY))
    (sent,) = posted(sink)
    page = Page(sent["body"]["content"])
    assert "<!channel>" not in sent["body"]["content"]
    assert "< script>alert(1)< /script> {{7*7}} ${HOME} %s" in page.lines


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # The login.
        ((HttpAnswer(status=401),), (Outcome.AUTH, FailureReason.AUTH_FAILED)),
        ((HttpAnswer(status=503),), (Outcome.RETRYABLE, FailureReason.SERVER_ERROR)),
        # The message.
        ((LOGGED_IN, HttpAnswer(status=403)), (Outcome.AUTH, FailureReason.AUTH_FAILED)),
        ((LOGGED_IN, HttpAnswer(status=404)), (Outcome.PERMANENT, FailureReason.NOT_FOUND)),
        (
            (LOGGED_IN, HttpAnswer(status=429, headers=(("Retry-After", "30"),))),
            (Outcome.RATE_LIMITED, FailureReason.RATE_LIMITED),
        ),
        ((LOGGED_IN, HttpAnswer(status=504)), (Outcome.AMBIGUOUS, FailureReason.TIMEOUT)),
    ],
)
async def test_failures(
    channel: AppriseChannel,
    sink: HttpSink,
    leaks: LeakWatch,
    answers: tuple[HttpAnswer, ...],
    expected: object,
) -> None:
    """Each has its reason, and shows neither the secret nor the message."""
    sink.answer(*answers)
    result = await channel.send(target=TO, message=MESSAGE)
    assert outcome_and_reason(result) == expected
    leaks.assert_none((SECRET, "b34r3r", *MESSAGE_WORDS), shown=(channel, result))
