"""Urgency on the wire: the priority that a service knows, and never one that it reads as less."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from apprise import NotifyType

from casebell.notify.apprise_urgency import COLORS, type_of
from casebell.notify.apprise_url import plugins
from casebell.sandbox.http_sink import HttpAnswer, HttpRequest, HttpSink
from contracts.channel_contract import MESSAGE, load

URGENT = replace(MESSAGE, urgent=True)
PUSHOVER = f"pover://{'u' * 30}@{'t' * 30}"
OPSGENIE = f"opsgenie://{'a' * 36}"


def in_form(request: HttpRequest) -> Any:
    """The priority in a form."""
    return parse_qs(request.body.decode())["priority"][0]


def in_json(request: HttpRequest) -> Any:
    """The priority in JSON; None where there is none."""
    return json.loads(request.body).get("priority")


@pytest.mark.parametrize(
    ("url", "read", "priorities"),
    [
        # https://pushover.net/api#priority: 1 passes by quiet hours.
        (PUSHOVER, in_form, ("1", "0")),
        (PUSHOVER + "?priority=low", in_form, ("-2", "-2")),
        # https://gotify.net/docs/pushmsg: from 8 on the telephone sounds.
        ("gotify://{sink}/{token}?priority=moderate", in_json, (3, 3)),
        ("gotify://{sink}/{token}", in_json, (8, 5)),
        # https://docs.ntfy.sh/publish/#message-priority
        ("ntfy://{sink}/rfe", lambda request: request.headers.get("x-priority"), ("high", None)),
        # https://docs.opsgenie.com/docs/alert-api: P1 is the highest. See the next test.
        (OPSGENIE + "?:info=new", in_json, ("P3", "P3")),
        (OPSGENIE + "?:info=new&priority=1", in_json, ("P1", "P1")),
    ],
)
async def test_priorities(
    url: str,
    read: Callable[[HttpRequest], Any],
    priorities: tuple[Any, Any],
    sink: HttpSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An urgent alert goes with the service's high one, another as ever; the URL's own stands."""
    channel = load(url.format(sink=f"127.0.0.1:{sink.port}", token="A" * 15))
    point_services_at(sink, monkeypatch)
    for message in (URGENT, MESSAGE):
        result = await channel.send(target=channel.targets[0], message=message)
        assert result.delivered, result
    assert tuple(map(read, sink.requests)) == priorities


async def test_what_apprise_calls_high_is_low_to_opsgenie(
    sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where this fails, apprise has mended it: take the service out of `_UPSIDE_DOWN`."""
    point_services_at(sink, monkeypatch)
    channel = load(OPSGENIE + "?:info=new&priority=high")
    await channel.send(target=channel.targets[0], message=MESSAGE)
    assert [in_json(request) for request in sink.requests] == ["P4"]


def point_services_at(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have those without an address in their URL speak to the sink."""
    sink.answer(HttpAnswer(body=b'{"id": "1", "requestId": "1"}'))
    monkeypatch.setattr(plugins()["pover"], "notify_url", sink.url)
    lookup = "apprise.plugins.opsgenie.OPSGENIE_API_LOOKUP"
    monkeypatch.setattr(lookup, dict.fromkeys(("us", "eu"), sink.url))


def test_nothing_is_a_failure() -> None:
    """A service that tells of failures would tell a reader that Casebell failed."""
    assert [type_of(message) for message in (URGENT, MESSAGE)] == [
        NotifyType.WARNING,
        NotifyType.INFO,
    ]
    assert set(COLORS) == {NotifyType.WARNING, NotifyType.INFO}
