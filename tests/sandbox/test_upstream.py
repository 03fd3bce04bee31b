"""The simulated upstream: what it posts is authentic unless told otherwise; it tries again."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from casebell.clock import SystemClock
from casebell.errors import (
    RefusedDelivery,
    SecretMismatch,
    SecretMissing,
    ServerUnreachable,
    SignatureMismatch,
    SignatureMissing,
)
from casebell.events import Delivery, Micros
from casebell.receive.signatures import Authenticator
from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpRequest, HttpSink
from casebell.sandbox.posting import Flaw
from casebell.sandbox.upstream import BACKOFF, Outgoing, Upstream
from casebell.settings import SourceSecret, SourceSettings

SECRETS = {"parley": "parley-secret-of-the-tests", "torch": "torch-secret-of-the-tests"}
SOURCES = {
    name: SourceSettings.model_validate(
        {
            "name": name,
            "kind": name,
            "header": {"torch": "X-Torch-Secret"}.get(name),
            "secrets": [SourceSecret(label="only", value=SecretStr(secret))],
        }
    )
    for name, secret in SECRETS.items()
}
RFE = Outgoing.of("parley", {"id": "evt-1", "raw_status_text": "Prueba “ñ”"})
SEEN = Outgoing.of("torch", {"data": {"receipt_number": "LIN2690000007"}})

STORED = HttpAnswer(body=b'{"status": "stored", "event_id": "evt-1"}')
BUSY = HttpAnswer(status=503, body=b'{"error": "storage_unavailable"}')
SLOW_DOWN = HttpAnswer(status=429, body=b'{"error": "too_many_refusals"}')
GONE = HttpAnswer(ending=Ending.CLOSE)


@dataclass
class FastClock:
    """A clock on which waiting takes no time, and is written down."""

    waits: list[float] = field(default_factory=list)

    def now(self) -> Micros:
        return SystemClock().now()

    def monotonic(self) -> float:
        return sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
async def receiver() -> AsyncIterator[HttpSink]:
    """Answers that everything is stored, unless told otherwise."""
    async with HttpSink() as sink:
        sink.answer(STORED)
        yield sink


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest.fixture
async def upstream(receiver: HttpSink, clock: FastClock) -> AsyncIterator[Upstream]:
    async with Upstream(
        url=lambda: receiver.url,
        sources=SOURCES,
        secrets=SECRETS,
        clock=clock,
        chance=random.Random(7),
    ) as upstream:
        yield upstream


def authenticate(request: HttpRequest) -> None:
    """Have Casebell prove where the request comes from."""
    source = request.path.removeprefix("/webhooks/")
    headers = tuple((name.encode(), value.encode()) for name, value in request.headers.items())
    delivery = Delivery(
        source=source,
        body=request.body,
        headers=headers,
        address="127.0.0.1",
        received_at=request.at,
        request_id="req_1",
    )
    verified = Authenticator(SOURCES[source]).authenticate(delivery, now=request.at)
    assert not verified.flags


@pytest.mark.parametrize("outgoing", [RFE, SEEN], ids=["parley", "torch"])
async def test_what_it_posts_is_authentic(
    upstream: Upstream, receiver: HttpSink, outgoing: Outgoing
) -> None:
    """The bytes arrive as they are, at the source's address, and prove where they come from."""
    answer = await upstream.post(outgoing)
    (request,) = receiver.requests
    assert (request.method, request.body) == ("POST", outgoing.body)
    authenticate(request)
    assert str(answer) == "200 stored"
    assert answer.posted_at <= request.at <= answer.answered_at
    assert upstream.answers == [(outgoing, answer)]


@pytest.mark.parametrize(
    ("outgoing", "flaw", "refusal"),
    [
        (RFE, Flaw.UNSIGNED, SignatureMissing),
        (RFE, Flaw.FORGED, SignatureMismatch),
        (RFE, Flaw.CUT_SHORT, SignatureMismatch),
        (SEEN, Flaw.UNSIGNED, SecretMissing),
        (SEEN, Flaw.FORGED, SecretMismatch),
    ],
)
async def test_a_flaw_is_noticed(
    upstream: Upstream,
    receiver: HttpSink,
    outgoing: Outgoing,
    flaw: Flaw,
    refusal: type[RefusedDelivery],
) -> None:
    """What is forged, unsigned or cut short does not authenticate, and for its own reason."""
    await upstream.post(outgoing, flaw)
    with pytest.raises(refusal):
        authenticate(receiver.requests[0])


async def test_a_shared_secret_does_not_protect_the_body(
    upstream: Upstream, receiver: HttpSink
) -> None:
    """Torch's delivery that was cut short is authentic all the same: only half of it came."""
    await upstream.post(SEEN, Flaw.CUT_SHORT)
    authenticate(receiver.requests[0])
    assert receiver.requests[0].body == SEEN.body[: len(SEEN.body) // 2]


async def test_it_tries_again(upstream: Upstream, receiver: HttpSink, clock: FastClock) -> None:
    """After no answer, a 503 and a 429 it delivers the same again, signed, after growing waits."""
    receiver.answer(GONE, BUSY, SLOW_DOWN, STORED)
    answer = await upstream.deliver_with_retries(RFE, retry_for=30)
    assert (str(answer), answer.tries) == ("200 stored", 4)
    assert clock.waits == [0.1, 0.2, 0.4]
    for request in receiver.requests:
        authenticate(request)
    told = {(request.body, request.headers["idempotency-key"]) for request in receiver.requests}
    assert told == {(RFE.body, RFE.idempotency_key)}


async def test_a_refusal_is_final(upstream: Upstream, receiver: HttpSink, clock: FastClock) -> None:
    """A 401 is not tried again: the same secret will not do better."""
    receiver.answer(HttpAnswer(status=401, body=b'{"error": "signature_mismatch"}'))
    answer = await upstream.deliver_with_retries(RFE, retry_for=30)
    assert str(answer) == "401 signature_mismatch"
    assert (len(receiver.requests), clock.waits) == (1, [])


async def test_its_retries_end(upstream: Upstream, receiver: HttpSink, clock: FastClock) -> None:
    """When the time is over it settles for the last answer; the waits grow up to a limit."""
    receiver.answer(BUSY)
    answer = await upstream.deliver_with_retries(RFE, retry_for=5)
    assert str(answer) == "503 storage_unavailable"
    assert clock.waits[:4] == [0.1, 0.2, 0.4, BACKOFF.longest]
    assert set(clock.waits[4:]) == {BACKOFF.longest}
    assert 4 < clock.monotonic() <= 5
    assert answer.tries == len(receiver.requests) == len(clock.waits) + 1


async def test_nobody_there(upstream: Upstream, receiver: HttpSink) -> None:
    """A receiver that never answers is an error that says so, after `retry_for`."""
    receiver.answer(GONE)
    with pytest.raises(ServerUnreachable):
        await upstream.deliver_with_retries(RFE, retry_for=1)
    assert len(receiver.requests) == 4
    assert upstream.answers == []


async def test_an_answer_that_is_no_json_is_none(upstream: Upstream, receiver: HttpSink) -> None:
    """What answers there is not Casebell."""
    receiver.answer(HttpAnswer(body=b"<html>"))
    with pytest.raises(ServerUnreachable):
        await upstream.post(RFE)


async def test_a_storm(upstream: Upstream, receiver: HttpSink) -> None:
    """Each delivery comes as often as it should, each flaw once, and not in the order given."""
    outgoings = [Outgoing.of("parley", {"id": f"evt-{number}"}) for number in range(8)]
    answers = await upstream.storm(outgoings, copies=3, flaws=(Flaw.CUT_SHORT,))
    assert len(answers) == len(receiver.requests) == 32
    bodies = Counter(request.body for request in receiver.requests)
    whole = {outgoing.body: 3 for outgoing in outgoings}
    assert {body: count for body, count in bodies.items() if body in whole} == whole
    firsts = list(dict.fromkeys(r.body for r in receiver.requests if r.body in whole))
    assert sorted(firsts) == sorted(whole)
    assert firsts != list(whole)


async def test_a_storm_is_many_at_once(upstream: Upstream, receiver: HttpSink) -> None:
    """Deliveries do not wait for each other's answers."""
    all_there = asyncio.Event()
    receiver.answer(HttpAnswer(body=STORED.body, after=all_there))
    storm = asyncio.create_task(upstream.storm([RFE], copies=4))
    await receiver.received(4)
    assert not storm.done()
    all_there.set()
    assert len(await storm) == 4
