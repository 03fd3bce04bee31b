"""A delivery is answered alike, whether it came whole in one read or piece by piece."""

import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio

from e2e.answers import checked, events
from e2e.sender import Wire, document, encoded, request, seen, signed
from e2e.server import SOURCES, MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One for all of them: each delivers keys of its own."""
    running = Server(tmp_path_factory.mktemp("direct"), SOURCES)
    yield await running.start()
    await running.gone()


@pytest.mark.parametrize("cut", [1, 20, 60, -300, -1])
async def test_in_two_pieces(server: Server, cut: int) -> None:
    """Wherever the network cuts it, in the head or in the body."""
    data = request(encoded(document()))
    async with Wire(server) as wire:
        await wire.say(data[:cut])
        await seen(server)
        await wire.say(data[cut:])
        assert checked(await wire.hear(), 200)["status"] == "stored"


async def test_in_three_pieces_of_body(server: Server) -> None:
    """A body that begins with its head and ends later."""
    body = encoded(document(raw_status_text="x" * 50_000))
    data = request(body)
    async with Wire(server) as wire:
        for piece in (data[:-40_000], data[-40_000:-10], data[-10:]):
            await wire.say(piece)
            await seen(server)
        assert checked(await wire.hear(), 200)["status"] == "stored"


async def test_one_and_a_half(server: Server) -> None:
    """A read that ends in the middle of the second delivery."""
    first, second = request(encoded(document())), request(encoded(document()))
    both = first + second
    async with Wire(server) as wire:
        await wire.say(both[:-50])
        assert checked(await wire.hear(), 200)["status"] == "stored"
        await wire.say(both[-50:])
        assert checked(await wire.hear(), 200)["status"] == "stored"


async def test_others_between_them(server: Server) -> None:
    """Answers come in the order of the requests, whichever way each of them takes."""
    delivery = [request(encoded(document())) for _ in range(3)]
    forged = request(encoded(document()), signed(b"something else"))
    page = request(b"", {}, path="/health", method="GET")
    async with Wire(server) as wire:
        await wire.say(
            delivery[0] + page + forged + delivery[1] + forged + page + delivery[2] + page
        )
        answers = [(await wire.hear()).status for _ in range(8)]
    assert answers == [200, 200, 401, 200, 401, 200, 200, 200]


async def test_the_last_one(server: Server) -> None:
    """A sender that says it is the last gets its answer, and then the end."""
    body = encoded(document())
    async with Wire(server) as wire:
        await wire.say(request(body, signed(body, Connection="close")))
        answer = await wire.hear()
        assert checked(answer, 200)["status"] == "stored"
        assert answer.headers["connection"] == "close"
        assert await wire.closed() == b""


async def test_refused_whole(server: Server) -> None:
    """What is refused without a look at its body ends the connection, as it does in pieces."""
    body = encoded(document(raw_status_text="x" * 300 * 1024))
    async with Wire(server) as wire:
        await wire.say(request(body, signed(body)))
        answer = await wire.hear()
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert await wire.closed() == b""


async def test_gone_before_the_answer(server: Server) -> None:
    """A delivery whose sender does not wait is stored all the same."""
    before = events(server)
    async with Wire(server) as wire:
        await wire.say(request(encoded(document())))
    await until(lambda: events(server) == before + 1, "the event")


async def test_the_end_does_not_leave_them_waiting(make_server: MakeServer) -> None:
    """Where the disk does not answer and the server must end, the sender is asked to come again."""
    server = await make_server().start()
    with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        async with Wire(server) as wire:
            await wire.say(request(encoded(document())))
            await seen(server)
            server.process.send_signal(signal.SIGTERM)
            answer = await wire.hear()
        other.execute("ROLLBACK")
    assert answer.status == 503
    assert answer.headers["retry-after"]
    assert await server.ended() == 0


async def test_many_in_one_read(server: Server) -> None:
    """A sender that hands over a hundred at once gets a hundred answers, in order."""
    bodies = [encoded(document()) for _ in range(90)]
    forged = request(encoded(document()), signed(b"something else"))
    async with Wire(server) as wire:
        for some in (bodies[:45], bodies[45:]):
            await wire.say(forged + b"".join(map(request, some)))
            assert (await wire.hear()).status == 401
            for body in some:
                answer = checked(await wire.hear(), 200)
                assert answer["event_id"] == json.loads(body)["id"]
