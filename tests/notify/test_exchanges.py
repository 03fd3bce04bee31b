"""What is recorded of real exchanges, and what is not."""

import asyncio
import smtplib
from threading import Thread

import pytest
import requests

from casebell.notify.exchanges import recorded_exchanges
from casebell.notify.reasons import Exchange, HttpExchange, SmtpFailure
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.sandbox.mail_sink import SmtpAnswer, SmtpSink, SmtpStep


def get(url: str, *, stream: bool = False) -> list[Exchange]:
    """One request, and what was recorded of it."""
    with recorded_exchanges() as recorded:
        requests.get(url, timeout=5, stream=stream).close()
    return recorded


async def test_an_answer_is_noted() -> None:
    """Status, the two headers that matter, and the service's word for the error."""
    async with HttpSink() as sink:
        headers = (("Retry-After", "7"), ("Date", "Sun, 01 Mar 2026 12:00:00 GMT"))
        sink.answer(HttpAnswer(status=429, headers=headers, body=b'{"error": "ratelimited"}'))
        recorded = await asyncio.to_thread(get, sink.url)
    (exchange,) = recorded
    assert exchange == HttpExchange(
        status=429, retry_after="7", date="Sun, 01 Mar 2026 12:00:00 GMT", word="ratelimited"
    )


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"no_service", "no_service"),
        (b" no_service\n", "no_service"),
        (b'{"ok": false, "error": "invalid_auth"}', "invalid_auth"),
        (b"Bad Request", ""),
        (b"vermilion petition", ""),
        (b'{"error": "the message was: vermilion"}', ""),
        (b'{"error": ', ""),
        (b'{"a":' * 300, ""),
        (b"a" * 3000, ""),
        (b"\xff\xfe", ""),
        (b"", ""),
    ],
)
async def test_only_a_lone_word_is_noted(body: bytes, word: str) -> None:
    """A body that could quote the message leaves no trace."""
    async with HttpSink() as sink:
        sink.answer(HttpAnswer(status=400, body=body))
        (exchange,) = await asyncio.to_thread(get, sink.url)
    assert isinstance(exchange, HttpExchange)
    assert exchange.word == word


async def test_a_streamed_answer_is_not_consumed() -> None:
    """A caller that streams still finds the body."""
    async with HttpSink() as sink:

        def read() -> bytes:
            with recorded_exchanges(), requests.get(sink.url, timeout=5, stream=True) as response:
                return response.raw.read()

        assert await asyncio.to_thread(read) == b"ok"


async def test_sends_at_once_do_not_mix() -> None:
    """Each thread notes its own exchange, while the others are under way."""
    async with HttpSink() as sink:
        all_there = asyncio.Event()
        sink.answer(*(HttpAnswer(status=status, after=all_there) for status in (401, 404, 503)))
        gets = [asyncio.create_task(asyncio.to_thread(get, sink.url)) for _ in range(3)]
        await sink.received(3)
        all_there.set()
        recorded = await asyncio.gather(*gets)
    assert [len(each) for each in recorded] == [1, 1, 1]
    statuses = {each.status for (each,) in recorded if isinstance(each, HttpExchange)}
    assert statuses == {401, 404, 503}


async def test_nothing_is_noted_outside() -> None:
    """Another user of the library in this process goes unnoticed."""
    async with HttpSink() as sink:
        other = Thread(target=requests.get, args=(sink.url,), kwargs={"timeout": 5})
        with recorded_exchanges() as recorded:
            other.start()
            await asyncio.to_thread(other.join)
        assert len(sink.requests) == 1
    assert recorded == []


async def test_the_step_of_a_mail_failure_is_noted_once() -> None:
    """The innermost call that failed is told, though the error passes through others."""
    async with SmtpSink() as sink:
        sink.answer(SmtpStep.RECIPIENT, SmtpAnswer(reply="550 5.1.1 no"))

        def send() -> list[Exchange]:
            with (
                recorded_exchanges() as recorded,
                smtplib.SMTP(sink.host, sink.port) as client,
                pytest.raises(smtplib.SMTPRecipientsRefused),
            ):
                client.sendmail("a@example.com", ["b@example.com"], "text")
            return recorded

        (failure,) = await asyncio.to_thread(send)
    assert isinstance(failure, SmtpFailure)
    assert failure.step == "sendmail"


def test_an_exchange_hides_its_error() -> None:
    """An error's text holds the URL; an exchange printed by mistake does not."""
    error = ValueError("https://hooks.example/token")
    for exchange in (HttpExchange(error=error), SmtpFailure(step="login", error=error)):
        assert "token" not in repr(exchange)


def test_watching_in_a_new_thread_starts_empty() -> None:
    """A block in another thread does not see the notes of this one."""
    seen: list[bool] = []

    def look(outer: list[Exchange]) -> None:
        with recorded_exchanges() as inner:
            seen.append(inner is outer)

    with recorded_exchanges() as outer:
        thread = Thread(target=look, args=(outer,))
        thread.start()
        thread.join()
    assert seen == [False]
