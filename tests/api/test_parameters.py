"""What a request may give: a parameter or a body that is wrong is named, and nothing is done."""

from typing import Any

import pytest

from api.running import CONFIDENTIAL, RunningApi, problem
from casebell.actors import Role
from casebell.api.requests import MAX_BODY

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("owner=ana", "`owner`: There is no such parameter."),
        ("sourc=parley", "`sourc`: There is no such parameter. Did you mean `source`?"),
        ("limit=0", "`limit`: "),
        ("limit=501", "`limit`: "),
        ("limit=٣", "`limit`: Write a whole number."),
        ("limit=+5", "`limit`: "),
        ("limit=1_0", "`limit`: "),
        ("limit=5.0", "`limit`: "),
        (f"limit={'9' * 40}", "`limit`: "),
        ("limit=", "`limit`: "),
        ("limit=5&limit=5", "`limit`: It is there more than once."),
        ("status=lost", "`status`: Input should be 'received'"),
        ("source=", "`source`: "),
        ("source=parlay", "`source`: There is no source of this name"),
        ("source=%00", "`source`: This is no text that can be stored."),
        ("text=%ed%a0%80", "`text`: This is no text that can be stored."),
        ("text=%ff", "`text`: This is no text that can be stored."),
        (f"text={'x' * 201}", "`text`: "),
        ("receipt=A12", "`receipt`: A receipt number is three letters and ten digits."),
        ("since=yesterday", "`since`: Write a date"),
        ("since=%00", "`since`: "),
        ("since=0001-01-01T00:00:00%2B23:59", "`since`: Write a date"),
        ("until=9999-12-31T23:59:59-23:59", "`until`: Write a date"),
        ("until=9999-12-31T23:59:59.999999Z", "`until`: Write a date"),
        ("since=1h&until=24h", "`since`: Nothing can match"),
        ("cursor=abc", "`cursor`: "),
        ("cursor=1-2-3", "`cursor`: "),
        (f"cursor={'9' * 19}", "`cursor`: "),
        # Of a listing in another order.
        ("cursor=7-7", "`cursor`: The cursor is none that this listing gave."),
        ("access_token=cbl_x", "`access_token`: There is no such parameter."),
        ("%C3%A9%0a=1", r"`\xe9\n`: There is no such parameter."),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(
    filled: RunningApi, query: str, named: str
) -> None:
    """400, and the message says which, never what was given."""
    status, code, message = await problem(filled, f"events?{query}")
    assert (status, code) == (400, "bad_argument")
    assert message.startswith(named)
    assert message.isascii()


async def test_what_was_given_is_not_repeated(filled: RunningApi) -> None:
    """A value may be a name or a token that got into the wrong place."""
    for name in ("limit", "status", "source", "since", "receipt", "cursor", "text"):
        value = "Jia-Chan-A123456789%00"
        _, _, message = await problem(filled, f"events?{name}={value}")
        assert "Jia" not in message


async def test_too_many_parameters(filled: RunningApi) -> None:
    """However many there are, few are looked at."""
    query = "&".join(f"a{n}=1" for n in range(1_000))
    assert (await problem(filled, f"events?{query}"))[:2] == (400, "bad_argument")


@pytest.mark.parametrize(
    "number", ["0", "x", "1" * 19, "1" * 4_000, "-1", "1.0", "٣", "%00", "1%20"]
)
@pytest.mark.parametrize("path", ["events/{}", "events/{}/why", "refused/{}/why"])
async def test_a_number_that_no_row_has(filled: RunningApi, path: str, number: str) -> None:
    """404, as for one that no row has yet."""
    assert (await problem(filled, path.format(number)))[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "content", "named"),
    [
        ("held/release", b"", "The body is no JSON."),
        ("held/release", b"{", "The body is no JSON."),
        ("held/release", b"\xff", "The body is no JSON."),
        ("held/release", b"[" * 30_000, "The body is no JSON."),
        ("held/release", b'{"ids": [NaN]}', "The body is no JSON."),
        ("held/release", b'{"ids": [%s]}' % (b"9" * 5_000), "The body is no JSON."),
        ("held/release", b"[1]", "The body is no JSON object."),
        ("held/release", b"{}", "Give either `ids` or `reason`."),
        ("held/release", b'{"ids": [1], "reason": "invalid_json"}', "Give either"),
        ("held/release", b'{"ids": [1], "ids": [2]}', "`ids`: It is there more than once."),
        ("held/release", b'{"ids": []}', "`ids`: "),
        ("held/release", b'{"ids": null}', "`ids`: Leave it out"),
        ("held/release", b'{"ids": [true]}', "`ids`: "),
        ("held/release", b'{"ids": ["1"]}', "`ids`: "),
        ("held/release", b'{"ids": [1.5]}', "`ids`: "),
        ("held/release", b'{"ids": [0]}', "`ids`: "),
        ("held/release", b'{"ids": [1000000000000000000]}', "`ids`: "),
        ("held/release", b'{"id": [1]}', "`id`: There is no such parameter. Did you mean `ids`?"),
        ("held/release", b'{"reason": "bored"}', "`reason`: "),
        ("held/release", rb'{"\ud800": 1}', r"`\ud800`: There is no such parameter."),
        ("refused/readmit", b'{"source": "parlay"}', "`source`: There is no source"),
        ("alerts/retry", b"{}", "Give either `ids` or `outstanding`."),
        ("alerts/retry", b'{"channel": "slack"}', "Give either `ids` or `outstanding`."),
        ("alerts/retry", b'{"outstanding": false}', "`outstanding`: "),
        ("alerts/retry", b'{"ids": [1], "outstanding": true}', "Give either"),
        ("alerts/retry", b'{"ids": [1], "channel": "slack"}', "Leave the filters out"),
        ("alerts/retry", b'{"outstanding": true, "channel": "slick"}', "`channel`: There is no"),
        ("alerts/dismiss", b'{"outstanding": true}', "`outstanding`: There is no such"),
        ("refused/readmit", rb'{"source": "\ud800"}', "`source`: This is no text"),
        ("alerts/1/dismiss", rb'{"note": "\udfff"}', "`note`: This is no text"),
        ("alerts/1/dismiss", rb'{"note": "a\u0000"}', "`note`: This is no text"),
        ("alerts/1/dismiss", b'{"note": 5}', "`note`: "),
        ("reload", b'{"force": true}', "`force`: There is no such parameter."),
    ],
)
async def test_a_body_that_is_wrong(
    filled: RunningApi, path: str, content: bytes, named: str
) -> None:
    """400, with the name of the key, and nothing is done."""
    before = filled.rows("SELECT max(seq) FROM journal")
    status, code, message = await problem(filled, path, content=content)
    assert (status, code) == (400, "bad_argument")
    assert message.startswith(named)
    assert filled.rows("SELECT max(seq) FROM journal") == before


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, 415, "body_not_json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "body_not_json"),
        ({"Content-Encoding": "gzip"}, 415, "encoded_body"),
        ({"Content-Length": str(MAX_BODY + 1)}, 413, "body_too_large"),
        ({"Content-Type": "Application/JSON ; charset=utf-8"}, 404, "not_found"),
        ({"Content-Encoding": "identity"}, 404, "not_found"),
    ],
)
async def test_the_form_of_a_body(
    filled: RunningApi, headers: dict[str, str], status: int, code: str
) -> None:
    """JSON, plain, and not too long."""
    found = await problem(filled, "held/release", content=b'{"ids": [999]}', headers=headers)
    assert found[:2] == (status, code)


async def test_a_body_that_is_too_large(filled: RunningApi) -> None:
    """Not read to its end, whatever its head said."""

    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 10_000

    answer = await filled.client.post(
        "/api/v1/held/release",
        content=pieces(),
        headers={"Authorization": f"Bearer {filled.tokens[Role.ADMIN]}"},
    )
    assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("journal?actor=a&actor=b", "`actor`: It is there more than once."),
        ("journal?actor_name=x", "`actor_name`: There is no such parameter."),
        ("cases?confidential=yes", "`confidential`: Write `true` or `false`."),
        ("cases?status=lost", "`status`: "),
        ("alerts?outstanding=1", "`outstanding`: Write `true` or `false`."),
        ("alerts?channel=slak", "`channel`: There is no channel of this name"),
        ("reports/outcomes?since=2026-13", "`since`: "),
        ("reports/outcomes?until=2026-02-31", "`until`: Write a month or a date"),
        ("reports/outcomes?since=1990-01", "`since`: A report has at most 36 months."),
        ("held?state=lost", "`state`: "),
        ("refused?error=lost", "`error`: There is no error of this name"),
        ("channels?limit=5", "`limit`: There is no such parameter."),
        ("openapi.json?pretty=1", "`pretty`: There is no such parameter."),
        ("events/1/body?download=1", "`download`: There is no such parameter."),
    ],
)
async def test_a_parameter_of_another_listing(filled: RunningApi, path: str, named: str) -> None:
    """The same for each listing."""
    status, code, message = await problem(filled, path)
    assert (status, code) == (400, "bad_argument")
    assert message.startswith(named)


async def test_filters_narrow(filled: RunningApi) -> None:
    """What is asked for is what is listed."""
    everything = {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"}
    entries = (await filled.get("journal", kind="token.added", **everything))["items"]
    assert {one["kind"] for one in entries} == {"token.added"}
    (confidential,) = (await filled.get("cases", confidential="true"))["items"]
    assert (confidential["receipt"], confidential["owner"]) == (CONFIDENTIAL, "ana")
    others = (await filled.get("cases", confidential="false"))["items"]
    assert others
    assert not any(one["confidential"] for one in others)
    alerts = (await filled.get("alerts", outstanding="true", kind="case"))["items"]
    assert alerts
    assert all(one["state"] == "failed" and one["dismissed_at"] is None for one in alerts)
    assert (await filled.get("alerts", channel="slack", target="nobody"))["items"] == []
    receipt = (await filled.get("events", limit=1))["items"][0]["receipt"]
    case = await filled.get(f"cases/{receipt[:3].lower()}-{receipt[3:]}")
    assert case["receipt"] == receipt
    assert (await filled.ask("GET", "cases/A12")).status_code == 404


async def test_every_page_of_a_listing(filled: RunningApi) -> None:
    """Pages have every row once, newest first, while deliveries come in."""
    ((there,),) = filled.rows("SELECT max(id) FROM events")
    seen: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await filled.get("events", limit=2, **cursor)
        assert set(page) == {"items", "next"}
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        await filled.deliver(normalized_status="received", raw_status_text="Case Was Received")
    assert seen == [*range(there, 0, -1)]
