"""Answers that are none: each gives a sentence and a hint, in time, and tells no secret."""

import asyncio
import json
import time
from typing import Any

import pytest
import stamina.instrumentation

from casebell.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamKeyRefused,
    UpstreamLimited,
    UpstreamRedirected,
    UpstreamRefused,
    UpstreamUnreachable,
    UpstreamUnreadable,
)
from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from casebell.store.engine import Store
from casebell.upstream.asking import MAX_ANSWER, Patience
from casebell.upstream.client import client_for
from casebell.upstream.told import CaseProblem, NewReceipt, Told
from contracts.clock_and_log import ManualClock
from contracts.leaks import LeakWatch
from upstream.harness import (
    FIRST,
    SECOND,
    TOKEN,
    budget_of,
    page,
    parley,
    raw_server,
    says,
    source_settings,
    state,
    upstream_settings,
)

HTML = "<!DOCTYPE html><html><body>Please sign in to the firewall.</body></html>"
SUBSCRIPTION_SECRET = "our-own-secret-0123456789"


async def _error(api: HttpSink, store: Store, **chosen: Any) -> UpstreamError:
    """The error of a request that registers a case."""
    async with parley(store, api.url, **chosen) as client:
        with pytest.raises(UpstreamError) as caught:
            await client.register([NewReceipt(receipt=FIRST)], key="key")
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind", "message", "hint"),
    [
        (page(HTML), UpstreamUnreadable, "a page (text/html) where JSON was due", "proxy"),
        (says([1, 2]), UpstreamUnreadable, "JSON of another shape", "base"),
        (HttpAnswer(body=b'{"registered": ["IOE09'), UpstreamUnreadable, "cut short", "cut"),
        (HttpAnswer(body=b""), UpstreamUnreadable, "it is empty", "base"),
        (HttpAnswer(body=b'{"registered": NaN}'), UpstreamUnreadable, "no JSON", "cut"),
        (HttpAnswer(body=b"[" * 100_000), UpstreamUnreadable, "no JSON", "cut"),
        (HttpAnswer(body=b"\xff\xfe{\x00"), UpstreamUnreadable, "no JSON", "cut"),
        (
            HttpAnswer(status=302, headers=(("Location", "https://login.example/?t=1"),)),
            UpstreamRedirected,
            "a redirect to login.example",
            "base",
        ),
        (HttpAnswer(status=308, headers=(("Location", "//"),)), UpstreamRedirected, "308", "base"),
        (page(HTML, status=403), UpstreamKeyRefused, "with a page where JSON was due", "token"),
        (says({"error": "invalid"}, status=401), UpstreamKeyRefused, "401 invalid", "token"),
        (says({"error": "no"}, status=400), UpstreamRefused, "400 no", "paths"),
        (
            HttpAnswer(headers=(("Content-Encoding", "gzip"),), body=b"\x1f\x8b"),
            UpstreamUnreadable,
            "compressed",
            "base",
        ),
    ],
    ids=lambda value: "" if isinstance(value, HttpAnswer) else str(value)[:30],
)
async def test_another_answer(
    api: HttpSink,
    sqlite_store: Store,
    *,
    answer: HttpAnswer,
    kind: type[UpstreamError],
    message: str,
    hint: str,
) -> None:
    """It is said once what came, and asked no second time."""
    api.answer(answer)
    error = await _error(api, sqlite_store)
    assert type(error) is kind
    assert message in error.message
    assert error.message.endswith(".")
    assert hint in error.hint
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"error": "bad", "message": "No.", "request_id": "req_1"},
            '400 bad: "No."; request req_1',
        ),
        ({"error": {"code": "bad", "message": "No."}}, '400 bad: "No."'),
        ({"title": "Bad", "detail": "No.", "type": "about:blank"}, '400 about:blank: "No."'),
        ({"detail": [{"loc": ["query"], "msg": "No."}]}, '400: "No."'),
        ({"errors": [{"code": 7, "message": "No."}]}, '400: "No."'),
        ([{"error": "bad"}], "400 bad"),
        ("No.", '400: "No."'),
        (None, "400"),
        (7, "400"),
        ({"error": None, "message": ["", {}]}, "400"),
        ({"message": "@everyone <b>look</b> IOE0912345678\u202e"}, "400"),
    ],
)
async def test_other_shapes_of_errors(
    api: HttpSink, sqlite_store: Store, body: object, said: str
) -> None:
    """Whatever the shape, its words are found; they are inert and name no case."""
    api.answer(says(body, status=400))
    error = await _error(api, sqlite_store)
    assert f"({said}" in error.message
    assert "@everyone" not in error.message
    assert FIRST not in error.message
    assert "\u202e" not in error.message


async def test_what_is_said_is_capped(api: HttpSink, sqlite_store: Store) -> None:
    """A long complaint is cut, and so are words."""
    long = {"error": "e" * 5_000, "message": "m" * 5_000, "request_id": "r" * 5_000}
    api.answer(says(long, status=400))
    assert len((await _error(api, sqlite_store)).message) < 500


@pytest.mark.parametrize("status", [200, 400, 401, 409, 500, 302])
async def test_no_secret_gets_out(
    api: HttpSink,
    sqlite_store: Store,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    *,
    status: int,
) -> None:
    """Not where the API repeats it, nor in a log, nor as an object's text."""
    watch = LeakWatch(caplog=caplog, capfd=capfd)
    echo = f"{TOKEN} and {SUBSCRIPTION_SECRET}"
    headers = (("Location", f"https://{TOKEN}.example/"), ("X-Request-Id", TOKEN))
    body = json.dumps({"error": echo, "message": echo, "id": 1}).encode()
    api.answer(HttpAnswer(status=status, headers=headers, body=body))
    settings = upstream_settings(api.url)
    async with parley(sqlite_store, api.url) as client:
        with pytest.raises(UpstreamError) as caught:
            await client.subscribe(
                url="https://cases.example-firm.com", events=[], secret=SUBSCRIPTION_SECRET, key="k"
            )
        shown = [caught.value, caught.value.message, vars(caught.value), vars(client), settings]
    watch.assert_none([TOKEN, SUBSCRIPTION_SECRET], shown=shown)
    assert all(TOKEN not in one.path for one in api.requests)


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(status=503),
        HttpAnswer(status=502, body=HTML.encode()),
        HttpAnswer(status=429, headers=(("Retry-After", "0"),)),
        HttpAnswer(ending=Ending.CLOSE),
        HttpAnswer(ending=Ending.RESET),
    ],
    ids=["503", "502", "429", "close", "reset"],
)
async def test_what_passes_is_tried_again(
    api: HttpSink, sqlite_store: Store, answer: HttpAnswer
) -> None:
    """The third try succeeds, and each of the three counts in the budget."""
    api.answer(answer, answer, says(state()))
    settings = upstream_settings(api.url)
    budget = budget_of(sqlite_store, settings)
    client = client_for(
        settings,
        source=source_settings(),
        budget=budget,
        clock=ManualClock(),
        patience=Patience(first_wait=0.001, most=0.002, jitter=0.001),
    )
    async with client:
        assert isinstance((await client.statuses([FIRST]))[FIRST], Told)
    assert len(api.requests) == 3
    assert await budget.left() == settings.per_day - 3


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (HttpAnswer(status=503), UpstreamFailed, "failed (503)"),
        (HttpAnswer(status=429), UpstreamLimited, "no more requests now (429)"),
        (HttpAnswer(ending=Ending.RESET), UpstreamUnreachable, "broke off"),
    ],
    ids=["503", "429", "reset"],
)
async def test_not_for_ever(
    api: HttpSink,
    sqlite_store: Store,
    answer: HttpAnswer,
    kind: type[UpstreamError],
    message: str,
) -> None:
    """After three tries the error is told."""
    api.answer(answer)
    error = await _error(api, sqlite_store)
    assert type(error) is kind
    assert message in error.message
    assert len(api.requests) == 3


def _date(at: str) -> str:
    return f"Mon, 30 Nov 2026 {at} GMT"


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ((("Retry-After", "40"),), 40.0),
        ((("Retry-After", _date("10:00:40")), ("Date", _date("10:00:00"))), 40.0),
        ((("Retry-After", "soon"),), 0.0),
        ((), 0.0),
    ],
)
async def test_the_wait_that_is_asked_for(
    api: HttpSink, sqlite_store: Store, headers: tuple[tuple[str, str], ...], asked: float
) -> None:
    """It is waited, in seconds or as a date, and a little longer at random."""
    api.answer(HttpAnswer(status=429, headers=headers))
    settings = upstream_settings(api.url)
    client = client_for(
        settings,
        source=source_settings(),
        budget=budget_of(sqlite_store, settings),
        clock=ManualClock(),
        patience=Patience(first_wait=0.5, jitter=0.25),
    )
    waits: asyncio.Queue[float] = asyncio.Queue()
    async with client:
        stamina.instrumentation.set_on_retry_hooks(
            [lambda details: waits.put_nowait(details.wait_for)]
        )
        try:
            task = asyncio.create_task(client.statuses([FIRST]))
            async with asyncio.timeout(20):
                wait = await waits.get()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        finally:
            stamina.instrumentation.set_on_retry_hooks(())
    least = asked or 0.5
    assert least <= wait <= least + 0.25


async def test_a_longer_wait_is_told_at_once(api: HttpSink, sqlite_store: Store) -> None:
    """Whoever asks knows when it may be asked again; what it told before is not lost."""
    limited = says({"error": "daily_limit"}, status=429, Retry_After="3600")
    api.answer(says(state()), limited)
    async with parley(sqlite_store, api.url) as client:
        assert list(await client.statuses([FIRST, SECOND])) == [FIRST]
        with pytest.raises(UpstreamLimited, match="429 daily_limit") as caught:
            await client.statuses([SECOND])
    assert caught.value.retry_after == 3600
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(delay=60),
        HttpAnswer(drip=0.2, body=b'{"registered": []}'),
    ],
    ids=["nothing", "a byte now and then"],
)
async def test_no_answer_in_time(api: HttpSink, sqlite_store: Store, answer: HttpAnswer) -> None:
    """The time is that of the whole answer."""
    api.answer(answer)
    settings = upstream_settings(api.url, timeout=1)
    client = client_for(
        settings,
        source=source_settings(),
        budget=budget_of(sqlite_store, settings),
        clock=ManualClock(),
        patience=Patience(tries=1),
    )
    began = time.monotonic()
    async with client:
        with pytest.raises(UpstreamUnreachable, match="did not answer within 1 s") as caught:
            await client.statuses([FIRST])
    assert caught.value.passes
    assert time.monotonic() - began < 15


async def test_an_answer_without_end(sqlite_store: Store) -> None:
    """It is left once it is larger than any should be."""
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        while True:
            writer.write(chunk)
            await writer.drain()
            sent += 0x10000

    async with raw_server(endless) as url, parley(sqlite_store, url) as client:
        said = await client.statuses([FIRST])
    problem = said[FIRST]
    assert isinstance(problem, CaseProblem)
    assert "more than 1,048,576 bytes" in problem.message
    # What the sockets hold beside it.
    assert sent < 16 * MAX_ANSWER


async def test_nobody_listens(sqlite_store: Store) -> None:
    """The connection is refused, each time."""
    async with HttpSink() as gone:
        url = gone.url
    async with parley(sqlite_store, url) as client:
        with pytest.raises(UpstreamUnreachable, match="nothing listens at its address"):
            await client.statuses([FIRST])


@pytest.mark.parametrize(
    "answer",
    [page(HTML), HttpAnswer(body=b"{"), says(state(SECOND)), HttpAnswer(status=500)],
    ids=["html", "truncated", "wrong receipt", "500"],
)
async def test_an_api_that_always_fails(
    api: HttpSink, sqlite_store: Store, answer: HttpAnswer
) -> None:
    """From the third case on it is the API that fails; it is asked no further."""
    api.answer(answer)
    receipts = [f"IOE{number:010d}" for number in range(20)]
    async with parley(sqlite_store, api.url) as client:
        said = await client.statuses(receipts)
        assert list(said) == receipts[:2]
        with pytest.raises((UpstreamUnreadable, UpstreamFailed)):
            await client.statuses(receipts[2:])
        api.answer(says(state(receipts[5])))
        assert isinstance((await client.statuses([receipts[5]]))[receipts[5]], Told)


async def test_a_case_that_fails_now_and_then(api: HttpSink, sqlite_store: Store) -> None:
    """Among others that are told of it stays the problem of that case."""
    receipts = [f"IOE{number:010d}" for number in range(12)]
    answers = {one: says(state(one)) for one in receipts[::2]}
    api.answer_by(lambda request: answers.get(request.path[-13:], page(HTML)))
    async with parley(sqlite_store, api.url) as client:
        said = await client.statuses(receipts)
    assert [one for one in said if isinstance(said[one], Told)] == receipts[::2]
    assert [one for one in said if isinstance(said[one], CaseProblem)] == receipts[1::2]


async def test_many_cases_that_fail(api: HttpSink, sqlite_store: Store) -> None:
    """As long as a known case is told of it is not the API; after every third it is asked again."""
    receipts = [f"IOE{number:010d}" for number in range(11)]
    good = says(state(receipts[0]))
    api.answer_by(lambda request: good if request.path.endswith(receipts[0]) else page(HTML))
    async with parley(sqlite_store, api.url) as client:
        said = await client.statuses(receipts)
        assert [one for one in said if isinstance(said[one], Told)] == receipts[:1]
        assert set(said) == set(receipts)
        assert len(api.requests) == 11 + 3
        api.answer_by(lambda _: page(HTML))
        assert len(await client.statuses(receipts[1:])) < 3
        with pytest.raises(UpstreamUnreadable):
            await client.statuses(receipts[1:])


async def test_an_address_that_is_not_the_apis(api: HttpSink, sqlite_store: Store) -> None:
    """A page of a web server that it has no such thing says nothing of a case."""
    api.answer(page("<html>404 Not Found</html>", status=404))
    receipts = [f"IOE{number:010d}" for number in range(5)]
    async with parley(sqlite_store, api.url) as client:
        said = await client.statuses(receipts)
        assert all(isinstance(one, CaseProblem) for one in said.values())
        with pytest.raises(UpstreamRefused, match="404, with a page") as caught:
            await client.statuses(receipts)
        assert "paths" in caught.value.hint
        with pytest.raises(UpstreamRefused, match="404, with a page"):
            await client.history(FIRST, back_to=None)
