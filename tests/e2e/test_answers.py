"""Every row of the table of answers in docs/operations.md, over real sockets."""

import asyncio
import contextlib
import gzip
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpSink
from casebell.uscis.receipts import mask_in_log
from e2e.answers import REQUEST_ID, checked, events, refused
from e2e.sender import Wire, document, encoded, post, request, shared, signed
from e2e.server import SOURCES, STRICT, MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSALS = 40
LIMITS = f"""
body_timeout = "1s"
refusals_per_minute = {REFUSALS}
metrics_from = ["127.0.0.1"]
"""
DAY = 86_400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all these tests: each uses keys, receipts and addresses of its own."""
    running = Server(tmp_path_factory.mktemp("answers"), SOURCES + STRICT, server=LIMITS)
    yield await running.start()
    await running.gone()


# ── 200 and 202 ──────────────────────────────────────────────────────────────────────────────────


async def test_a_new_event_is_stored(server: Server) -> None:
    """A signed delivery answers 200 with the source's key, and is on disk by then."""
    sent = document()
    content = checked(await post(server, encoded(sent)), 200)
    assert content == {
        "status": "stored",
        "event_id": sent["id"],
        "request_id": content["request_id"],
    }
    assert server.rows("SELECT request_id, body FROM events WHERE key = ?", sent["id"]) == [
        (content["request_id"], encoded(sent))
    ]


async def test_a_delivery_is_one_line_of_the_log(server: Server) -> None:
    """Source, outcome, request, milliseconds, row and a masked receipt, each under its own name."""
    sent = document()
    begun = time.monotonic()
    content = checked(await post(server, encoded(sent)), 200)
    took = (time.monotonic() - begun) * 1000
    request_id = content["request_id"]
    (line,) = await server.logged(
        "delivery.received", where=lambda line: line["request_id"] == request_id
    )
    ((row, change),) = server.rows("SELECT id, change_id FROM events WHERE key = ?", sent["id"])
    ms = line.pop("ms")
    assert isinstance(ms, float)
    assert 0 < ms < took
    assert re.fullmatch(r"[\d-]+T[\d:.]+Z", line.pop("at"))
    assert line == {
        "event": "delivery.received",
        "level": "info",
        "source": "parley",
        "outcome": "stored",
        "request_id": request_id,
        "row": row,
        "receipt": mask_in_log(sent["receipt_number"]),
        "status": "rfe_issued",
        "decision": "nobody",
        "change": change,
    }


async def test_a_held_delivery_is_one_line_of_the_log(server: Server) -> None:
    """In the place of the receipt stands the reason; the row is that of what is held."""
    content = checked(await post(server, b"no JSON"), 202)
    request_id = content["request_id"]
    (line,) = await server.logged(
        "delivery.received", where=lambda line: line["request_id"] == request_id
    )
    ((row,),) = server.rows("SELECT id FROM held WHERE request_id = ?", request_id)
    assert (line["outcome"], line["row"], line["reason"]) == ("held", row, "invalid_json")
    assert "receipt" not in line
    assert isinstance(line["ms"], float)


async def test_a_repeat_is_a_duplicate(server: Server) -> None:
    """The same event again is a duplicate, also as other bytes and signed anew."""
    sent = document()
    first = checked(await post(server, encoded(sent)), 200)
    again = checked(await post(server, encoded(sent)), 200)
    spaced = checked(await post(server, json.dumps(sent, indent=2).encode()), 200)
    assert [first["status"], again["status"], spaced["status"]] == [
        "stored",
        "duplicate",
        "duplicate",
    ]
    assert {first["event_id"], again["event_id"], spaced["event_id"]} == {sent["id"]}


async def test_an_id_with_another_body_is_a_conflict(server: Server) -> None:
    """The second body is kept beside the first, and answers 200 under the same key."""
    sent = document()
    await post(server, encoded(sent))
    content = checked(await post(server, encoded({**sent, "normalized_status": "denied"})), 200)
    assert content == {
        "status": "conflict",
        "event_id": sent["id"],
        "request_id": content["request_id"],
    }
    assert server.rows("SELECT count(*) FROM events WHERE receipt = ?", sent["receipt_number"]) == [
        (2,)
    ]


async def test_a_shared_secret_is_enough_for_torch(server: Server) -> None:
    """The example body of Torch's page is stored, keyed by its id."""
    data = {"receipt_number": "ABC1234567890", "status_category": "Case Received"}
    body = encoded({"id": "torch-1", "type": "case.status", "data": data})
    content = checked(await post(server, body, shared(), source="torch"), 200)
    assert (content["status"], content["event_id"]) == ("stored", "torch-1")


@pytest.mark.parametrize(
    ("reason", "body", "age"),
    [
        ("invalid_json", b"{", 0),
        ("invalid_encoding", b'{"id": "\xff"}', 0),
        ("duplicate_keys", b'{"receipt_number": "IOE0912345678", "receipt_number": "x"}', 0),
        ("not_an_object", b"[]", 0),
        ("missing_receipt", encoded({"id": "no receipt"}), 0),
        ("invalid_receipt", encoded(document(receipt_number="A123456789")), 0),
        ("invalid_field", encoded(document(raw_status_text={"nested": True})), 0),
        ("signature_too_old", encoded(document()), 8 * DAY),
        ("signature_in_future", encoded(document()), -DAY),
    ],
)
async def test_what_is_not_understood_is_held(
    server: Server, reason: str, body: bytes, age: float
) -> None:
    """An authentic delivery that makes no sense answers 202 with the reason, its bytes kept."""
    before = events(server)
    content = checked(await post(server, body, signed(body, age=age)), 202)
    assert content == {"status": "held", "reason": reason, "request_id": content["request_id"]}
    assert server.rows("SELECT reason FROM held WHERE body = ?", body) == [(reason,)]
    assert events(server) == before


async def test_stale_but_authentic_is_stored_and_flagged(server: Server) -> None:
    """What comes an hour late was signed by the source all the same: an outage loses nothing."""
    sent = document()
    body = encoded(sent)
    checked(await post(server, body, signed(body, age=3600)), 200)
    ((flags,),) = server.rows("SELECT flags FROM events WHERE key = ?", sent["id"])
    assert flags.split() == ["stale_signature"]


# ── 401 and 429 ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "source", "headers"),
    [
        ("signature_missing", "parley", {}),
        ("signature_missing", "parley", {"Authorization": "Basic dXNlcjpwYXNz"}),
        ("signature_malformed", "parley", {"Authorization": "Parley-Signature=garbage"}),
        ("signature_malformed", "parley", {"Authorization": "Parley-Signature=t=1,v1=" + "f" * 63}),
        ("signature_mismatch", "parley", {"Authorization": "Parley-Signature=t=1,v1=" + "f" * 64}),
        ("signature_mismatch", "parley", signed(b"another body")),
        ("signature_mismatch", "parley", signed(b"{}", secret="another secret")),
        ("stale_signature", "strict", signed(b"{}", age=3600)),
        ("stale_signature", "strict", signed(b"{}", age=-3600)),
        ("secret_missing", "torch", {}),
        ("secret_mismatch", "torch", shared("wrong")),
        ("secret_missing", "torch", shared("")),
    ],
)
async def test_what_does_not_authenticate_is_refused(
    server: Server, error: str, source: str, headers: dict[str, str]
) -> None:
    """Each way of not authenticating has its own code, and nothing is stored or held."""
    held = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM held)"
    before = server.rows(held)
    address = "127.0.0.3"
    refused(await post(server, b"{}", headers, source=source, address=address), 401, error)
    assert server.rows(held) == before


async def test_the_newest_refusals_are_kept_without_their_bodies(server: Server) -> None:
    """Operators can see that somebody knocked: when, from where and why, and no more."""
    content = refused(await post(server, b"{}", {}, address="127.0.0.4"), 401, "signature_missing")
    kept = "SELECT source, error, body_size FROM refused WHERE request_id = ? AND address = ?"
    found = await until(
        lambda: server.rows(kept, content["request_id"], "127.0.0.4"),
        "the refusal to be remembered",
    )
    assert found == [("parley", "signature_missing", 2)]


async def test_an_address_that_forges_is_told_to_wait(server: Server) -> None:
    """After its share of refusals an address gets 429; what is authentic is never limited."""
    address = "127.0.0.5"
    forged = request(b"{}", {"Authorization": "Parley-Signature=t=1,v1=" + "f" * 64})
    async with Wire(server, address=address) as wire:
        for _ in range(REFUSALS):
            await wire.say(forged)
            refused(await wire.hear(), 401, "signature_mismatch")
        await wire.say(forged)
        limited = await wire.hear()
        refused(limited, 429, "too_many_refusals")
        assert int(limited.headers["retry-after"]) > 0
        body = encoded(document())
        await wire.say(request(body))
        assert checked(await wire.hear(), 200)["status"] == "stored"
    elsewhere = await post(server, b"{}", {}, address="127.0.0.6")
    refused(elsewhere, 401, "signature_missing")


# ── 404, 405, 408, 413, 415 ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_an_unknown_source_is_not_found(server: Server, method: str) -> None:
    """A name that is not configured answers 404 whatever the method, and whatever was signed."""
    async with Wire(server) as wire:
        await wire.say(request(b"{}", path="/webhooks/nobody", method=method))
        refused(await wire.hear(), 404, "unknown_source")


@pytest.mark.parametrize(
    "path",
    ["//", "/webhooks", "/webhooks/", "/webhooks//", "/webhooks/parley/x", "//health", "/no"],
)
async def test_other_addresses_are_not_found(server: Server, path: str) -> None:
    """There is nothing else: no page, no redirect, no hint."""
    async with Wire(server) as wire:
        await wire.say(request(b"{}", path=path))
        refused(await wire.hear(), 404, "not_found")


@pytest.mark.parametrize("path", ["/webhooks/parley/", "//webhooks//parley", "/webhooks/parley//"])
async def test_surplus_slashes_are_forgiven(server: Server, path: str) -> None:
    """A provider that joins its addresses with one slash too many loses nothing."""
    body = encoded(document())
    async with Wire(server) as wire:
        await wire.say(request(body, signed(body), path=path))
        assert checked(await wire.hear(), 200)["status"] == "stored"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_deliveries_are_posted(server: Server, method: str) -> None:
    """Other methods answer 405 and say which one is taken."""
    async with Wire(server) as wire:
        await wire.say(request(b"", method=method))
        answer = await wire.hear()
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_the_pages_are_read(server: Server) -> None:
    """Posting to a page answers 405 in the same shape."""
    async with Wire(server) as wire:
        await wire.say(request(b"", path="/health"))
        answer = await wire.hear()
    refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_a_declared_length_is_refused_before_the_body(server: Server) -> None:
    """A Content-Length over the limit answers 413 at once, without a 100 Continue."""
    async with Wire(server) as wire:
        await wire.say(request(b"", {"Expect": "100-continue"}, length=300_000))
        answer = await wire.hear(seconds=1)
        refused(answer, 413, "body_too_large")
        assert answer.headers["connection"] == "close"
        assert await wire.closed() == b""


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_a_body_that_is_too_large_is_told_so(server: Server, chunked: bool) -> None:
    """A sender that sends a whole megabyte without listening reads its 413 afterwards."""
    body = b"x" * 2**20
    data = request(body, {})
    if chunked:
        head = request(b"", {"Transfer-Encoding": "chunked"})
        data = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    async with Wire(server) as wire:
        await wire.say(data)
        refused(await wire.hear(), 413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "br", "utf-8", "identity, gzip", "identity", ""])
async def test_bodies_come_as_they_are(server: Server, encoding: str) -> None:
    """A compressed body answers 415, so that nothing small can unfold; a plain one is taken."""
    body = encoded(document())
    headers = {"Content-Encoding": encoding}
    assert checked(await post(server, body, signed(body) | headers), 200)["status"] == "stored"
    packed = gzip.compress(encoded(document()))
    if encoding not in ("", "identity"):
        refused(await post(server, packed, signed(packed) | headers), 415, "encoded_body")


# ── 503 ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
async def test_storage_trouble_is_ours_not_the_senders(make_server: MakeServer) -> None:
    """While another process holds the database everything authentic answers 503, and never 4xx.

    Once it lets go the same deliveries are taken, without a restart.
    """
    server = await make_server().start()
    sent, nonsense = encoded(document()), b"{"
    other = sqlite3.connect(server.database, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=15) as client:
            *failures, ready = await asyncio.gather(
                post(server, sent), post(server, nonsense), client.get("/ready")
            )
            for failure in failures:
                refused(failure, 503, "storage_unavailable")
                assert int(failure.headers["retry-after"]) > 0
            assert (ready.status_code, ready.json()) == (
                503,
                {
                    "status": "not_ready",
                    "checks": {"storage": "failing", "loops": "ok", "settings": "ok"},
                },
            )
            assert int(ready.headers["retry-after"]) > 0
            assert (await client.get("/health")).status_code == 200
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert checked(await post(server, sent), 200)["status"] == "stored"
    assert checked(await post(server, nonsense), 202)["status"] == "held"
    assert events(server) == 1
    await until(
        lambda: httpx2.get(f"{server.url}/ready", trust_env=False).status_code == 200,
        "the server to be ready",
    )


@pytest.mark.slow
async def test_operations_hear_of_storage_trouble(make_server: MakeServer) -> None:
    """One message while another process holds the database, one when it has let go."""
    async with HttpSink() as room:
        config = f"""{SOURCES}
[channels.room]
url = "json://127.0.0.1:{room.port}/ops"
[ops]
notify = ["room"]
"""
        server = await make_server(config).start()
        other = sqlite3.connect(server.database, isolation_level=None)
        try:
            other.execute("BEGIN EXCLUSIVE")
            refused(await post(server, encoded(document())), 503, "storage_unavailable")
            await until(lambda: len(room.requests) >= 1, "the first message")
            other.execute("ROLLBACK")
        finally:
            other.close()
        await until(lambda: len(room.requests) >= 2, "the second message")
        assert [json.loads(request.body)["title"] for request in room.requests] == [
            "Casebell operations: Casebell cannot store deliveries",
            "Casebell operations: Casebell stores deliveries again",
        ]


# ── Concurrency and the wire ─────────────────────────────────────────────────────────────────────


async def test_32_connections_one_event(server: Server) -> None:
    """However many deliver an event at the same moment, it is stored once and each is told so."""
    sent = document()
    wires = [Wire(server) for _ in range(32)]
    async with contextlib.AsyncExitStack() as stack:
        for wire in wires:
            await stack.enter_async_context(wire)
        whole = [request(encoded(sent)) for _ in wires]
        await asyncio.gather(*(w.say(data[:-1]) for w, data in zip(wires, whole, strict=True)))
        await asyncio.gather(*(w.say(data[-1:]) for w, data in zip(wires, whole, strict=True)))
        answers = await asyncio.gather(*(wire.hear() for wire in wires))
    statuses = sorted(checked(answer, 200)["status"] for answer in answers)
    assert statuses == ["duplicate"] * 31 + ["stored"]
    assert server.rows("SELECT count(*) FROM events WHERE key = ?", sent["id"]) == [(1,)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 32


async def test_a_connection_is_kept(server: Server) -> None:
    """Several deliveries go over one connection, one after the other or all at once, in order."""
    bodies = [encoded(document()) for _ in range(20)]
    async with Wire(server) as wire:
        for body in bodies[:3]:
            await wire.say(request(body))
            assert checked(await wire.hear(), 200)["event_id"] == json.loads(body)["id"]
        await wire.say(b"".join(request(body) for body in bodies))
        answers = [checked(await wire.hear(), 200) for _ in bodies]
    assert [answer["event_id"] for answer in answers] == [json.loads(body)["id"] for body in bodies]
    assert [answer["status"] for answer in answers] == ["duplicate"] * 3 + ["stored"] * 17


@pytest.mark.slow
async def test_an_idle_connection_waits_for_the_next_delivery(server: Server) -> None:
    """A proxy that keeps its connections for some seconds never meets one that closes just then."""
    body, later = encoded(document()), encoded(document())
    async with Wire(server) as wire:
        await wire.say(request(body))
        assert (await wire.hear()).status == 200
        # Not a wait: the time for which it must be kept.
        await asyncio.sleep(6)
        await wire.say(request(later))
        assert (await wire.hear()).status == 200


async def test_expect_100_continue(server: Server) -> None:
    """A sender that asks first, as curl does for large bodies, is told to go on."""
    body = encoded(document())
    async with Wire(server) as wire:
        await wire.say(request(body, signed(body, Expect="100-continue"))[: -len(body)])
        assert (await wire.hear()).status == 100
        await wire.say(body)
        assert checked(await wire.hear(), 200)["status"] == "stored"


async def test_chunks(server: Server) -> None:
    """A body in chunks is a body."""
    body = encoded(document())
    head = request(b"", signed(body) | {"Transfer-Encoding": "chunked"})
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    async with Wire(server) as wire:
        await wire.say(head + chunks + b"0\r\n\r\n")
        assert checked(await wire.hear(), 200)["status"] == "stored"


async def test_http_1_0(server: Server) -> None:
    """Old proxies are served, and their connection ends with the answer."""
    body = encoded(document())
    async with Wire(server) as wire:
        await wire.say(request(body, version="HTTP/1.0"))
        assert checked(await wire.hear(), 200)["status"] == "stored"
        assert await wire.closed() == b""


# ── The pages ────────────────────────────────────────────────────────────────────────────────────


async def test_health_and_readiness(server: Server) -> None:
    """Both answer in a few words, with a request id, and without data."""
    async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as client:
        health, ready = await client.get("/health"), await client.get("/ready")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "checks": {"storage": "ok", "loops": "ok", "settings": "ok"}},
    )
    for page in (health, ready):
        assert REQUEST_ID.fullmatch(page.headers["x-request-id"])


async def test_metrics_are_for_those_who_may_read_them(server: Server) -> None:
    """Prometheus text for the configured addresses; to others, or through a proxy, not there."""
    outside = httpx2.AsyncHTTPTransport(local_address="127.0.0.8")
    async with (
        httpx2.AsyncClient(base_url=server.url, trust_env=False) as inside,
        httpx2.AsyncClient(base_url=server.url, trust_env=False, transport=outside) as stranger,
    ):
        read = await inside.get("/metrics")
        assert read.status_code == 200
        assert read.headers["content-type"].startswith("text/plain")
        assert REQUEST_ID.fullmatch(read.headers["x-request-id"])
        assert re.search(
            r'^casebell_deliveries_total\{outcome="stored",source="parley"\} [1-9]',
            read.text,
            re.MULTILINE,
        )
        refused(await stranger.get("/metrics"), 404, "not_found")
        forwarded = {"X-Forwarded-For": "198.51.100.7"}
        refused(await inside.get("/metrics", headers=forwarded), 404, "not_found")


@pytest.mark.parametrize("number", ["1", "9" * 18, "9" * 5000])
async def test_the_link_of_an_alert_shows_nothing(server: Server, number: str) -> None:
    """Whoever is not signed in is sent to do that, whether or not there is such an event."""
    async with Wire(server) as wire:
        await wire.say(request(b"", {}, path=f"/events/{number}", method="GET"))
        answer = await wire.hear()
    assert answer.status == 303
    assert answer.headers["location"] == f"/sign-in?next=%2Fevents%2F{number}"
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
    assert b"IOE" not in answer.body
