"""An upgrade offer is ignored (RFC 9110 7.8), and no byte of a body is ever read as a request."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from e2e.answers import checked, events, refused
from e2e.sender import Wire, document, encoded, request, seen, signed
from e2e.server import SOURCES, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: As `curl --http2` and Java's HttpClient offer it over `http://`.
H2C = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQ"}
OFFERS = {
    "h2c": H2C,
    "websocket": {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket"},
    "unknown": {"Upgrade": "x", "Connection": "Upgrade"},
}
#: Swallows the head of whatever comes next, where it is read as a request.
UNFINISHED = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Swallow: "


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One for all of them: each delivers keys of its own."""
    running = Server(tmp_path_factory.mktemp("offers"), SOURCES)
    yield await running.start()
    await running.gone()


async def stored_next(wire: Wire, server: Server) -> None:
    """The next delivery on the connection is stored, and its answer is the next that comes."""
    content = document()
    before = events(server)
    await wire.say(request(encoded(content)))
    answer = checked(await wire.hear(), 200)
    assert (answer["status"], answer["event_id"]) == ("stored", content["id"])
    assert events(server) == before + 1


@pytest.mark.parametrize("offer", OFFERS)
async def test_a_body_is_never_a_request(server: Server, offer: str) -> None:
    """A stranger's body in a second segment is answered once, and swallows nothing."""
    forged = request(UNFINISHED, OFFERS[offer])
    async with Wire(server) as wire:
        for _ in range(5):
            await wire.say(forged.removesuffix(UNFINISHED))
            await seen(server)
            await wire.say(UNFINISHED)
            refused(await wire.hear(), 401, "signature_missing")
            await stored_next(wire, server)


@pytest.mark.parametrize("cut", [None, 1, 60, -300, -1])
@pytest.mark.parametrize("offer", OFFERS)
async def test_an_honest_offer_is_served(server: Server, offer: str, cut: int | None) -> None:
    """A delivery that offers an upgrade is stored with its whole body, wherever it is cut."""
    content = document()
    body = encoded(content)
    data = request(body, signed(body) | OFFERS[offer])
    async with Wire(server) as wire:
        if cut is not None:
            await wire.say(data[:cut])
            await seen(server)
        await wire.say(data[cut:] if cut else data)
        answer = checked(await wire.hear(), 200)
        assert (answer["status"], answer["event_id"]) == ("stored", content["id"])
        ((stored,),) = server.rows("SELECT body FROM events WHERE key = ?", content["id"])
        assert stored == body
        await stored_next(wire, server)


async def test_offers_behind_each_other(server: Server) -> None:
    """Of requests in one read, each with an offer, each is answered, in their order."""
    contents = [document() for _ in range(40)]
    bodies = [encoded(content) for content in contents]
    async with Wire(server) as wire:
        await wire.say(b"".join(request(body, signed(body) | H2C) for body in bodies))
        answers = [checked(await wire.hear(), 200) for _ in contents]
    assert [one["event_id"] for one in answers] == [content["id"] for content in contents]


async def test_an_offer_with_a_body_in_chunks(server: Server) -> None:
    """How the body is framed is read from the head as without the offer."""
    body = encoded(document())
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    headers = signed(body) | H2C | {"Transfer-Encoding": "chunked"}
    async with Wire(server) as wire:
        data = request(chunked, headers)
        await wire.say(data.removesuffix(chunked))
        await seen(server)
        await wire.say(chunked)
        assert checked(await wire.hear(), 200)["status"] == "stored"
        await stored_next(wire, server)


async def test_an_offer_that_waits_to_go_on(server: Server) -> None:
    """`Expect: 100-continue` beside an offer is answered, and then the delivery."""
    body = encoded(document())
    head = request(body, signed(body) | H2C | {"Expect": "100-continue"}).removesuffix(body)
    async with Wire(server) as wire:
        await wire.say(head)
        assert (await wire.hear()).status == 100
        await wire.say(body)
        assert checked(await wire.hear(), 200)["status"] == "stored"


async def test_an_offer_of_http_1_0_is_ignored(server: Server) -> None:
    """It closes as any HTTP/1.0 does, after one answer (RFC 9110 7.8)."""
    body = encoded(document())
    async with Wire(server) as wire:
        await wire.say(request(body, signed(body) | OFFERS["unknown"], version="HTTP/1.0"))
        assert checked(await wire.hear(), 200)["status"] == "stored"
        assert await wire.closed() == b""


@pytest.mark.parametrize("target", ["casebell.test:443", "/webhooks/parley"])
async def test_connect_is_answered_and_ends(server: Server, target: str) -> None:
    """What stands behind it is read as nothing, not even where it is a whole delivery."""
    before = events(server)
    behind = request(encoded(document()))
    async with Wire(server) as wire:
        await wire.say(request(behind, {}, method="CONNECT", path=target))
        answer = await wire.hear()
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["connection"] == "close"
        assert await wire.closed() == b""
    await seen(server)
    assert events(server) == before


#: What is no request that can be served, and the status of its answer.
NONSENSE = {
    "CONNECT": (request(UNFINISHED, {}, method="CONNECT", path="casebell.test:443"), 405),
    "no request": (b"no request at all\r\n\r\n", 400),
    "a doubtful length": (request(UNFINISHED, length="5, 5"), 400),
    # The parser takes it, and the web server finds no path in it.
    "no path": (b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no path, an offer": (request(UNFINISHED, H2C, path="http://x?y"), 400),
    "a broken body": (request(b"5\rhello\r\n", {"Transfer-Encoding": "chunked"}), 400),
    "a broken body, an offer": (request(b"zz", H2C | {"Transfer-Encoding": "chunked"}), 400),
}


@pytest.mark.parametrize("before", [0, 1, 2, 40])
@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_is_answered_after_the_deliveries_before_it(
    server: Server, nonsense: str, before: int
) -> None:
    """Each delivery gets its own answer, then the nonsense gets one, and the connection ends."""
    contents = [document() for _ in range(before)]
    said, status = NONSENSE[nonsense]
    async with Wire(server) as wire:
        await wire.say(b"".join(request(encoded(content)) for content in contents) + said)
        for content in contents:
            answer = checked(await wire.hear(), 200)
            assert (answer["status"], answer["event_id"]) == ("stored", content["id"])
        last = await wire.hear()
        assert last.status == status
        assert last.headers["connection"] == "close"
        assert await wire.closed() == b""
    assert '"level":"error"' not in server.text()


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_behind_an_answered_request(server: Server, nonsense: str) -> None:
    """On a connection that was used before it is answered as on a new one."""
    said, status = NONSENSE[nonsense]
    async with Wire(server) as wire:
        await wire.say(request(b"", {}, path="/health", method="GET"))
        assert (await wire.hear()).status == 200
        await wire.say(said)
        assert (await wire.hear()).status == status
        assert await wire.closed() == b""


CHUNKED = {"Transfer-Encoding": "chunked"}
#: Answered at once, and the last of its connection.
LAST = request(b"{}", {"Connection": "close"}, path="/webhooks/nobody")
HEALTH = request(b"", {}, path="/health", method="GET")


async def test_nothing_behind_a_last_answer_is_taken(server: Server) -> None:
    """What stands behind it in the same read is neither stored nor answered."""
    before = events(server)
    for behind in (request(encoded(document())) * 2, HEALTH * 3):
        async with Wire(server) as wire:
            await wire.say(LAST + behind)
            refused(await wire.hear(), 404, "unknown_source")
            assert await wire.closed() == b""
    await seen(server)
    assert events(server) == before
    assert '"level":"error"' not in server.text()


@pytest.mark.parametrize("headers", [{}, {"Expect": "100-continue"}])
async def test_a_sender_that_leaves_with_requests_waiting(
    server: Server, headers: dict[str, str]
) -> None:
    """What was begun is stored and logged though nobody reads the answer; no line says defect."""
    contents = [document() for _ in range(3)]
    bodies = [encoded(content) for content in contents]
    async with Wire(server) as wire:
        await wire.say(b"".join(request(body, signed(body) | headers) for body in bodies))
    key = contents[0]["id"]
    stored = "SELECT id FROM events WHERE key = ?"
    ((row,),) = await until(lambda: server.rows(stored, key), "the first delivery")
    await server.logged("delivery.received", where=lambda line: line.get("row") == row)
    assert '"level":"error"' not in server.text()


async def test_a_trailer_can_end_the_connection(server: Server) -> None:
    """`Connection: close` behind the last chunk: the answer comes, and then the end."""
    body = encoded(document())
    data = request(
        b"%x\r\n%b\r\n0\r\nConnection: close\r\n\r\n" % (len(body), body), signed(body) | CHUNKED
    )
    async with Wire(server) as wire:
        await wire.say(data[:-30])
        await seen(server)
        await wire.say(data[-30:] + request(encoded(document())))
        assert checked(await wire.hear(), 200)["status"] == "stored"
        assert await wire.closed() == b""


@pytest.mark.parametrize(
    ("begins", "path", "headers", "status"),
    [
        (b"5\r\nhello\r\n", "/nothing", CHUNKED, 404),
        (b"%x\r\n%b\r\n" % (300_000, b"x" * 300_000), "/webhooks/parley", CHUNKED, 413),
    ],
)
async def test_a_broken_body_that_was_answered_already(
    server: Server, begins: bytes, path: str, headers: dict[str, str], status: int
) -> None:
    """Where the answer came before the end of the body, there is no second one, but the end."""
    async with Wire(server) as wire:
        await wire.say(request(begins, headers, path=path))
        assert (await wire.hear()).status == status
        await wire.say(b"zz no chunk\r\n" + request(encoded(document())))
        assert await wire.closed() == b""


@pytest.mark.parametrize("offer", [{}, H2C])
async def test_a_body_that_comes_after_its_answer(server: Server, offer: dict[str, str]) -> None:
    """The connection is kept for the next request."""
    async with Wire(server) as wire:
        await wire.say(request(b"", offer, path="/nothing", length=3))
        refused(await wire.hear(), 404, "not_found")
        await wire.say(b"abc")
        await stored_next(wire, server)


#: Heads that give the length of a body in a way that two readers may read in two ways.
LENGTHS = {
    "folded": "Content-Length:\r\n {}",
    "folded after": "Content-Length: {}\r\n 5",
    "equal": "Content-Length: {}\r\nContent-Length: {}",
    "conflicting": "Content-Length: 5\r\nContent-Length: {}",
    "list": "Content-Length: {}, {}",
    "signed": "Content-Length: +{}",
    "hexadecimal": "Content-Length: 0x5",
    "space before the colon": "Content-Length : {}",
    "chunked too": "Content-Length: {}\r\nTransfer-Encoding: chunked",
    "chunked first": "Transfer-Encoding: chunked\r\nContent-Length: {}",
    "no chunked": "Transfer-Encoding: xchunked",
    "chunked and more": "Transfer-Encoding: chunked, identity",
    "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "a tab": "Transfer-Encoding: chunked\t",
}


@pytest.mark.parametrize("offer", ["", "Connection: Upgrade\r\nUpgrade: x\r\n"])
@pytest.mark.parametrize("length", LENGTHS)
async def test_a_doubtful_length_ends_the_connection(
    server: Server, length: str, offer: str
) -> None:
    """One answer, 400, whether the body comes at once or later; nothing of it is a request."""
    body = request(encoded(document()))
    said = LENGTHS[length].format(len(body), len(body))
    head = f"POST /webhooks/parley HTTP/1.1\r\nHost: x\r\n{offer}{said}\r\n\r\n".encode()
    before = events(server)
    for pieces in ([head + body], [head, body]):
        async with Wire(server) as wire:
            for piece in pieces:
                try:
                    await wire.say(piece)
                except ConnectionError:
                    # It is answered and closed by now.
                    break
                await seen(server)
            answer = await wire.hear()
            refused(answer, 400, "bad_request")
            assert await wire.closed() == b""
    assert events(server) == before
