"""The endpoint, spoken to as the web server does, over a real receiver and store."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from casebell.errors import NotThere, RequestError
from casebell.events import Delivery
from casebell.http.throttle import LINES_A_MINUTE
from casebell.http.webhook import MAX_ASKED, WebhookEndpoint
from casebell.receive.accept import Accepted, Receiver, source_receivers
from casebell.receive.refusals import Refusals
from casebell.settings.models import ServerSettings
from casebell.store.engine import Store
from casebell.store.event_log import EventLog
from casebell.store.repeats import ITEMISED_REPEATS
from casebell.store.schema import events, refused, streaks
from casebell.telemetry import Metrics
from contracts.case_events import json_content
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.decisions import decide_nothing
from contracts.stores import read_table, store_in
from contracts.writing import writing
from receive.builders import NOW, authorization_header, make_source
from waiting import until

BODY = json.dumps(
    {
        "id": "evt_1",
        "receipt_number": "IOE0912345678",
        "raw_status_text": "Request for Additional Evidence Was Sent",
    }
).encode()
HEADERS = [authorization_header(BODY)]


class WebhookHarness:
    """The endpoint with its receiver, store and metrics."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock(NOW)
        self.recording = RecordingLog()
        self.metrics = Metrics()
        self.limits = ServerSettings()
        self.event_log = EventLog(store=store, content_of=json_content, decide=decide_nothing)
        self.refusals = Refusals(
            store=store, clock=self.clock, log=self.recording.log, per_minute=lambda: 100
        )
        self.endpoint = self.with_receiver(Receiver)

    def with_receiver(self, kind: type[Receiver]) -> WebhookEndpoint:
        return WebhookEndpoint(
            receiver=kind(
                sources=lambda: source_receivers({"parley": make_source()}),
                store=self.store,
                event_log=self.event_log,
                refusals=self.refusals,
                clock=self.clock,
            ),
            limits=lambda: self.limits,
            clock=self.clock,
            metrics=self.metrics,
            log=self.recording.log,
        )

    def counted(self, source: str, outcome: str) -> float:
        labels = {"source": source, "outcome": outcome}
        return self.metrics.registry.get_sample_value("casebell_deliveries_total", labels) or 0.0

    def lines(self) -> list[dict[str, Any]]:
        return self.recording.named("delivery.received")


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebhookHarness]:
    async with store_in(tmp_path) as store:
        made = WebhookHarness(store)
        async with made.refusals, made.event_log:
            yield made


class Request:
    """One request as the web server hands it over, and what it is answered.

    Args:
        pieces: of the body; None is a sender that goes away.
        ends: whether the body is complete with the last piece; else no more of it comes.
        clock: moves on a second for each piece.
    """

    def __init__(
        self,
        *pieces: bytes | None,
        headers: Sequence[tuple[bytes, bytes]] = HEADERS,
        source: str = "parley",
        method: str = "POST",
        peer: str = "192.0.2.7",
        ends: bool = True,
        clock: ManualClock | None = None,
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": f"/webhooks/{source}",
            "headers": list(headers),
            "client": (peer, 1),
            "path_params": {"source": source},
        }
        self._pieces = list(pieces)
        self._ends = ends
        self._clock = clock
        self.sent: list[Any] = []

    async def _receive(self) -> Any:
        if not self._pieces:
            await asyncio.Event().wait()
        piece = self._pieces.pop(0)
        if self._clock:
            self._clock.advance(1)
        if piece is None:
            return {"type": "http.disconnect"}
        more = bool(self._pieces) or not self._ends
        return {"type": "http.request", "body": piece, "more_body": more}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    async def to(self, endpoint: WebhookEndpoint) -> "Request":
        await endpoint(self.scope, self._receive, self._send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def content(self) -> dict[str, Any]:
        body = b"".join(message["body"] for message in self.sent[1:] if "body" in message)
        assert self.headers[b"content-length"] == b"%d" % len(body)
        content: dict[str, Any] = json.loads(body)
        assert self.headers[b"x-request-id"].decode() == content["request_id"]
        return content


@pytest.mark.parametrize("size", [len(BODY), 40, 1])
async def test_a_delivery_is_stored_and_told(harness: WebhookHarness, size: int) -> None:
    """Whole or in pieces: 200 with the source's key, and the bytes are on disk by then."""
    pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    request = await Request(*pieces).to(harness.endpoint)
    assert request.status == 200
    assert request.content == {
        "status": "stored",
        "event_id": "evt_1",
        "request_id": request.content["request_id"],
    }
    (row,) = await read_table(harness.store, events)
    assert row.body == BODY
    assert row.request_id == request.content["request_id"]


async def test_a_line_says_what_became_of_it(harness: WebhookHarness) -> None:
    """Each value under its own name, and the counters as well."""
    for _ in range(2):
        # The time is counted from its last byte on.
        request = await Request(BODY, clock=harness.clock).to(harness.endpoint)
    (row,) = await read_table(harness.store, events)
    assert harness.lines()[-1] == {
        "source": "parley",
        "outcome": "duplicate",
        "request_id": request.content["request_id"],
        "ms": 0.0,
        "row": row.id,
        "receipt": "IOE******5678",
    }
    assert harness.counted("parley", "stored") == harness.counted("parley", "duplicate") == 1


async def test_an_array_is_answered_for_each_event(harness: WebhookHarness) -> None:
    """In the order sent, with a count and a line for each; 202 where one is held."""
    body = b"[%b, {}, %b]" % (BODY, BODY)
    request = await Request(body, headers=[authorization_header(body)]).to(harness.endpoint)
    assert request.status == 202
    assert request.content == {
        "events": [
            {"status": "stored", "event_id": "evt_1"},
            {"status": "held", "reason": "missing_receipt"},
            {"status": "duplicate", "event_id": "evt_1"},
        ],
        "request_id": request.content["request_id"],
    }
    outcomes = ("stored", "held", "duplicate")
    assert [harness.counted("parley", outcome) for outcome in outcomes] == [1, 1, 1]
    assert tuple(line["outcome"] for line in harness.lines()) == outcomes
    body = b"[%b]" % BODY
    request = await Request(body, headers=[authorization_header(body)]).to(harness.endpoint)
    assert request.status == 200
    assert request.content["events"] == [{"status": "duplicate", "event_id": "evt_1"}]


async def test_what_is_not_understood_is_held(harness: WebhookHarness) -> None:
    """202, with the reason in the answer and in the line."""
    request = await Request(b"{", headers=[authorization_header(b"{")]).to(harness.endpoint)
    assert (request.status, request.content["reason"]) == (202, "invalid_json")
    (line,) = harness.lines()
    assert (line["outcome"], line["reason"], line["row"]) == ("held", "invalid_json", 1)


async def test_a_sender_that_goes_away_is_not_answered(harness: WebhookHarness) -> None:
    """A line says so; nothing is stored."""
    request = await Request(BODY[:9], None).to(harness.endpoint)
    assert request.sent == []
    assert harness.recording.named("delivery.abandoned") == [{"source": "parley"}]
    assert harness.lines() == []


async def test_what_is_refused_by_its_head_is_answered_before_its_body(
    harness: WebhookHarness,
) -> None:
    """The rest may come in for a moment, so that the sender reads the answer."""
    harness.limits = ServerSettings(max_body=1024)
    request = Request(b"x" * 2000, headers=[(b"content-length", b"2000")], ends=False)
    answering = asyncio.create_task(request.to(harness.endpoint))
    await until(lambda: request.sent, "the answer")
    assert not answering.done()
    assert (request.status, request.headers[b"connection"]) == (413, b"close")
    await answering
    assert not request.sent[-1].get("more_body", False)


RAW_DEFLATE = zlib.compress(BODY, wbits=-15)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        (b"gzip", gzip.compress(BODY, mtime=0), 415),
        (b"identity, gzip", gzip.compress(BODY, mtime=0), 415),
        (b"utf-8", gzip.compress(BODY, mtime=0), 415),
        (b"deflate", zlib.compress(BODY), 415),
        (b"deflate", RAW_DEFLATE, 415),
        (b"br", b"\x8b\x03\x80{}\x03", 415),
        (b"zstd", bytes.fromhex("28b52ffd2002110000") + b"{}", 415),
        (b"utf-8", BODY, 200),
        (b"UTF-8, identity", BODY, 200),
        (b"gzip", BODY, 200),
        (b"br", BODY, 200),
        (b"application/json", b"\xef\xbb\xbf" + BODY, 200),
        (b"identity", BODY, 200),
        (b"", BODY, 200),
        (b"utf-8", b"\xff", 202),
        (b"gzip", b"not json", 202),
    ],
)
async def test_only_what_really_is_compressed_is_refused(
    harness: WebhookHarness, coding: bytes, body: bytes, status: int
) -> None:
    """A signature covers the bytes, whatever a header calls them."""
    headers = [authorization_header(body), (b"content-encoding", coding)]
    request = await Request(body, headers=headers).to(harness.endpoint)
    assert request.status == status
    if status == 415:
        assert request.content["error"] == "encoded_body"


async def test_a_body_over_the_limit_in_force_is_refused(harness: WebhookHarness) -> None:
    """Without a length as well; the limit is asked for anew each time."""
    large = b" " * 1025 + BODY
    first = await Request(large, headers=[authorization_header(large)]).to(harness.endpoint)
    harness.limits = ServerSettings(max_body=1024)
    second = await Request(large[:1000], large[1000:]).to(harness.endpoint)
    assert (first.status, second.status) == (200, 413)


async def test_a_trusted_proxy_says_for_whom(harness: WebhookHarness) -> None:
    """X-Forwarded-For names the address only where the settings in force trust the peer."""
    forged = (b"authorization", b"Parley-Signature=t=1,v1=" + b"f" * 64)
    for trusted in ([], ["192.0.2.0/24"]):
        harness.limits = ServerSettings.model_validate({"trusted_proxies": trusted})
        headers = [forged, (b"x-forwarded-for", b"198.51.100.9")]
        assert (await Request(b"{}", headers=headers).to(harness.endpoint)).status == 401

    async def addresses() -> list[str]:
        return [row.address for row in await read_table(harness.store, refused)]

    await until(addresses, "the refusals to be kept")
    assert await addresses() == ["192.0.2.7", "198.51.100.9"]


async def test_a_proxy_that_is_not_trusted_is_named(harness: WebhookHarness) -> None:
    """Once, until the settings trust it; a stranger from outside names nobody."""
    headers = [authorization_header(BODY), (b"x-forwarded-for", b"198.51.100.9")]

    async def deliver(peer: str) -> None:
        request = await Request(BODY, headers=headers, peer=peer).to(harness.endpoint)
        assert request.status == 200

    await deliver("8.8.8.8")
    assert harness.endpoint.untrusted_proxy() == ""
    for peer in ("172.17.0.1", "172.17.0.1", "::ffff:172.17.0.1"):
        await deliver(peer)
    assert harness.endpoint.untrusted_proxy() == "172.17.0.1"
    warned = harness.recording.named("proxy.not_trusted")
    assert [line["address"] for line in warned] == ["172.17.0.1"]
    # Two nodes of a cluster take turns.
    for number in range(2 * LINES_A_MINUTE):
        await deliver(f"172.17.0.{1 + number % 2}")
    assert len(harness.recording.named("proxy.not_trusted")) == LINES_A_MINUTE
    harness.limits = ServerSettings.model_validate({"trusted_proxies": ["172.16.0.0/12"]})
    assert harness.endpoint.untrusted_proxy() == ""


async def test_a_delivery_that_comes_without_end_fills_no_log(harness: WebhookHarness) -> None:
    """Each is answered and counted; after the first hundred repeats few are logged."""
    further = LINES_A_MINUTE + 5
    for _ in range(1 + ITEMISED_REPEATS + further):
        assert (await Request(BODY).to(harness.endpoint)).status == 200
    assert harness.counted("parley", "duplicate") == ITEMISED_REPEATS + further
    assert len(harness.lines()) == 1 + ITEMISED_REPEATS + LINES_A_MINUTE
    harness.clock.advance(60)
    await Request(BODY).to(harness.endpoint)
    assert harness.lines()[-1]["left_out"] == 5


async def test_a_name_of_a_stranger_is_no_label(harness: WebhookHarness) -> None:
    """An unknown source is counted and logged as that, and of many few are logged."""
    for _ in range(LINES_A_MINUTE + 5):
        request = await Request(BODY, source="nobody").to(harness.endpoint)
        assert (request.status, request.content["error"]) == (404, "unknown_source")
    assert harness.counted("unknown", "unknown_source") == LINES_A_MINUTE + 5
    assert harness.counted("nobody", "unknown_source") == 0
    assert len(harness.lines()) == LINES_A_MINUTE
    assert {line["source"] for line in harness.lines()} == {"unknown"}
    harness.clock.advance(60)
    await Request(BODY, source="nobody").to(harness.endpoint)
    assert harness.lines()[-1]["left_out"] == 5


@pytest.mark.parametrize(
    ("body", "header", "error"),
    [
        (BODY, (b"content-length", b"999999999"), "body_too_large"),
        (b"\x1f\x8b\x08", (b"content-encoding", b"gzip"), "encoded_body"),
        (b"\xff", None, "held"),
    ],
)
async def test_what_costs_a_stranger_nothing_fills_no_log(
    harness: WebhookHarness, body: bytes, header: tuple[bytes, bytes] | None, error: str
) -> None:
    """Of many that are too large, compressed or held few are logged; each is counted."""
    headers = [authorization_header(body), *([header] if header else [])]
    for _ in range(LINES_A_MINUTE + 5):
        await Request(body, headers=headers).to(harness.endpoint)
    assert harness.counted("parley", error) == LINES_A_MINUTE + 5
    assert len(harness.lines()) == LINES_A_MINUTE
    harness.clock.advance(60)
    await Request(body, headers=headers).to(harness.endpoint)
    assert harness.lines()[-1]["left_out"] == 5


async def test_senders_that_go_away_fill_no_log(harness: WebhookHarness) -> None:
    """Whoever can connect can go away again."""
    for _ in range(LINES_A_MINUTE + 5):
        await Request(BODY[:9], None).to(harness.endpoint)
    assert len(harness.recording.named("delivery.abandoned")) == LINES_A_MINUTE
    harness.clock.advance(60)
    await Request(BODY[:9], None).to(harness.endpoint)
    (*_, last) = harness.recording.named("delivery.abandoned")
    assert last == {"source": "parley", "left_out": 5}


async def test_another_method_is_not_taken(harness: WebhookHarness) -> None:
    """405, and it says which one is."""
    request = await Request(BODY, method="PUT").to(harness.endpoint)
    assert (request.status, request.headers[b"allow"]) == (405, b"POST")


async def test_the_end_of_the_server_asks_to_try_again(harness: WebhookHarness) -> None:
    """A request that is cancelled while it waits for the disk hears 503, and is not stored."""
    async with writing(harness.store):
        request = Request(BODY)
        answering = asyncio.create_task(request.to(harness.endpoint))
        await asyncio.sleep(0.05)
        assert not answering.done()
        answering.cancel()
        await answering
    assert (request.status, request.content["error"]) == (503, "shutting_down")
    assert request.headers[b"retry-after"] == b"5"
    assert harness.lines()[-1]["outcome"] == "shutting_down"


async def test_a_defect_of_ours_asks_to_try_again(harness: WebhookHarness) -> None:
    """503 and no word of it to the sender; the log names it."""

    class Broken(Receiver):
        async def accept(self, delivery: Delivery) -> Accepted:
            raise ZeroDivisionError("vermilion")

    request = await Request(BODY).to(harness.with_receiver(Broken))
    assert (request.status, request.content["error"]) == (503, "unavailable")
    (line,) = harness.recording.named("delivery.defect")
    assert isinstance(line["error"], ZeroDivisionError)
    assert line["request_id"] == request.content["request_id"]


async def in_a_row(store: Store) -> dict[str, dict[str, int]]:
    """What is counted of each source since its last authentic delivery."""
    return {row.source: json.loads(row.errors) for row in await read_table(store, streaks)}


async def test_what_stops_a_delivery_counts_for_its_source(harness: WebhookHarness) -> None:
    """Whatever the error, and also where its name is misspelt; an authentic one ends it."""
    await Request(BODY, headers=[]).to(harness.endpoint)
    packed = [(b"content-encoding", b"gzip")]
    await Request(gzip.compress(BODY, mtime=0), headers=packed).to(harness.endpoint)
    await Request(BODY, method="GET").to(harness.endpoint)
    await Request(BODY, source="Parley").to(harness.endpoint)
    await Request(BODY, source="nobody").to(harness.endpoint)
    expected = {
        "parley": dict.fromkeys(
            ("encoded_body", "method_not_allowed", "signature_missing", "unknown_source"), 1
        ),
        "unknown": {"unknown_source": 1},
    }

    async def counted() -> bool:
        harness.clock.advance(1)
        return await in_a_row(harness.store) == expected

    await until(counted, "all to be counted")
    rows = await read_table(harness.store, refused)
    assert [row.error for row in rows if row.source == "parley"] == [
        "signature_missing",
        "encoded_body",
        "method_not_allowed",
        "unknown_source",
    ]
    assert json.loads(rows[1].seen)["encoding"] == "gzip"
    assert json.loads(rows[3].seen)["path"] == "/webhooks/Parley"
    await Request(BODY).to(harness.endpoint)

    async def ended() -> bool:
        harness.clock.advance(1)
        return (await in_a_row(harness.store))["parley"] == {}

    await until(ended, "the end")


async def test_a_line_says_what_was_asked(harness: WebhookHarness) -> None:
    """Short, in visible ASCII, and without a whole receipt number."""
    for hostile in ("\x1b[2J\nIOE0912345678", "whsec_" + "a" * 40, "x/" * 1_000):
        await Request(BODY, source=hostile).to(harness.endpoint)
    escaped, cut, long = [line["asked"] for line in harness.lines()]
    assert escaped == "/webhooks/\\x1b[2J\\nIOE******5678"
    assert cut == "/webhooks/whse..."
    assert len(long) == MAX_ASKED


@pytest.mark.parametrize(
    "path",
    [
        "parley/0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "parley/Zk3v9QmXw2Lr7TbYp0Hd5g",
        "x" * 30 + "/" + "y" * 30 + "/" + "z" * 30 + "/" + "a1b2c3d4" * 5,
        "x" * 30 + "/" + "y" * 30 + "/" + "z" * 30 + "/a-b-c-d/IOE0912345678",
    ],
)
async def test_what_may_be_a_secret_in_a_path_is_cut(harness: WebhookHarness, path: str) -> None:
    """Some put a token into the address; neither it nor a receipt is shown by half."""
    await Request(BODY, source=path).to(harness.endpoint)
    (line,) = harness.lines()
    secret = path.rpartition("/")[2]
    assert not any(secret[start : start + 8] in line["asked"] for start in range(len(secret) - 7))


async def test_what_led_nowhere_is_noted(harness: WebhookHarness) -> None:
    """A line, a count, and for which source it was meant."""
    scope = Request(BODY).scope | {"path": "/webhook/parley"}
    for _ in range(LINES_A_MINUTE + 5):
        harness.endpoint.note_elsewhere(NotThere(), scope)
    lines = harness.recording.named("request.refused")
    assert len(lines) == LINES_A_MINUTE
    assert lines[0] == {"source": "parley", "outcome": "not_found", "asked": "/webhook/parley"}
    assert harness.counted("parley", "not_found") == LINES_A_MINUTE + 5
    for path in ("/", "/cgi-bin/luci", "/webhook"):
        harness.endpoint.note_elsewhere(NotThere(), scope | {"path": path})
    # Each has a signature.
    assert harness.refusals._noted["unknown"].errors == {"not_found": 3}
    harness.endpoint.note_elsewhere(RequestError(), scope | {"path": ""}, what="TLS")
    assert harness.recording.named("request.refused")[-1] == {
        "source": "unknown",
        "outcome": "bad_request",
        "asked": "",
        "what": "TLS",
    }


@pytest.mark.parametrize(
    ("asked", "noise"),
    [
        ({"method": "GET", "path": "/wp-login.php"}, True),
        ({"method": "GET", "path": "/.env"}, True),
        ({"method": "GET", "path": "/webhooks/.env"}, True),
        ({"method": "POST", "path": "/cgi-bin/luci"}, True),
        ({"method": "POST", "path": "/", "headers": {"authorization": "Basic YTpi"}}, True),
        ({"method": "", "path": "", "what": "no HTTP/1: Invalid method encountered"}, True),
        ({"method": "", "path": "", "what": "more than 65,536 bytes without an end"}, True),
        ({"method": "GET", "path": "/webhook/parley"}, False),
        ({"method": "POST", "path": "/Webhook/other"}, False),
        ({"method": "", "path": "/webhooks/x", "what": "more than 100 headers"}, False),
        ({"method": "POST", "path": "/", "headers": {"content-type": "Application/JSON"}}, False),
        ({"method": "POST", "path": "/", "headers": {"authorization": "X t=1,v1=ab"}}, False),
        ({"method": "PUT", "path": "/x", "headers": {"x-torch-secret": "s"}}, True),
        ({"method": "", "path": "", "what": "TLS on a port that speaks plain HTTP"}, False),
        ({"method": "", "path": "", "what": "HTTP/2 without an offer to upgrade"}, False),
        ({"method": "", "path": "", "what": "the PROXY protocol"}, False),
    ],
)
async def test_what_scanners_ask_is_told_from_misdirected_deliveries(
    harness: WebhookHarness, asked: dict[str, Any], noise: bool
) -> None:
    """By path, method, a header with a proof, a JSON body, a protocol that a proxy speaks."""
    headers = [(n.encode(), v.encode()) for n, v in asked.get("headers", {}).items()]
    scope = Request(BODY).scope | asked | {"headers": headers}
    harness.endpoint.note_elsewhere(RequestError(), scope, what=asked.get("what", ""))
    ((source, counted),) = harness.refusals._noted.items()
    assert counted.errors == {"bad_request": 1}
    assert (source == "noise") is noise
    assert harness.counted(source, "bad_request") == 1
    (line,) = harness.recording.named("request.refused")
    assert line["source"] == source
