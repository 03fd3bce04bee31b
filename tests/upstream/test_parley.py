"""The client of Parley against a real server: requests as its page has them, and what is read."""

import json

import pytest

from casebell import __version__
from casebell.clock import iso
from casebell.errors import UpstreamConflict, UpstreamFailed, UpstreamUnreadable, WrongReceipt
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.store.engine import Store
from casebell.upstream.told import (
    CaseProblem,
    CaseUnknown,
    NewReceipt,
    Registered,
    Subscription,
    Told,
)
from upstream.harness import (
    FIRST,
    SECOND,
    THIRD,
    TOKEN,
    asked_of,
    parley,
    path_of,
    says,
    source_settings,
    state,
)


async def test_a_state(api: HttpSink, sqlite_store: Store) -> None:
    """The request is the page's, and the body is the bytes that came."""
    api.answer(answer := says(state(new_field={"kept": True})))
    async with parley(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST])
    told = said[FIRST]
    assert isinstance(told, Told)
    assert (told.receipt, told.body) == (FIRST, answer.body)
    assert told.at is not None
    assert iso(told.at) == "2025-10-14T19:22:03.000000Z"
    request = api.requests[0]
    assert (request.method, path_of(request)) == ("GET", "/v1/case-status")
    assert asked_of(request) == [("receipt", FIRST)]
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["user-agent"] == f"casebell/{__version__}"


async def test_one_by_one(api: HttpSink, sqlite_store: Store) -> None:
    """Each case once, however often it is named; one is unknown, one cannot be told of."""
    error = {"error": "invalid_receipt", "message": "No such form.", "request_id": "req_9"}
    api.answer(says(state()), says({}, status=404), says(error, status=400))
    async with parley(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST, SECOND, FIRST, THIRD])
    assert isinstance(said[FIRST], Told)
    assert said[SECOND] == CaseUnknown(receipt=SECOND)
    problem = said[THIRD]
    assert isinstance(problem, CaseProblem)
    assert problem.message == (
        'The API "api" does not take this request '
        '(400 invalid_receipt: "No such form."; request req_9).'
    )
    assert len(api.requests) == 3


async def test_another_case(api: HttpSink, sqlite_store: Store) -> None:
    """An answer about another case is used for none, and says whose it is not in full."""
    api.answer(says(state(SECOND)))
    async with parley(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST])
    problem = said[FIRST]
    assert isinstance(problem, CaseProblem)
    assert problem.code == WrongReceipt.code
    assert "IOE…3210" in problem.message
    assert SECOND not in problem.message


async def test_names_may_vary(api: HttpSink, sqlite_store: Store) -> None:
    """Receipt and time are found by the field map of the source; the prefix is a setting."""
    source = source_settings(fields={"receipt": ["case.no"], "observed_at": ["seen"]})
    api.answer(says({"case": {"no": "ioe-0912345678"}, "seen": 1760469723}))
    async with parley(sqlite_store, api.url, source=source, prefix="/v2/beta") as client:
        said = await client.statuses([FIRST])
    told = said[FIRST]
    assert isinstance(told, Told)
    assert told.at == 1760469723 * 1_000_000
    assert path_of(api.requests[0]) == "/v2/beta/case-status"


async def test_a_history(api: HttpSink, sqlite_store: Store) -> None:
    """Each entry gets the receipt that only the whole has, and keeps its own bytes."""
    entry = '{"type":"case.status.updated", "raw_status_text": "Case Was Approved",'
    entry += ' "occurred_at": "2025-11-02T16:01:17Z", "score": 1.50}'
    whole = f'{{"receipt_number": "{FIRST}", "events": [{entry}, {{}}]}}'
    api.answer(HttpAnswer(body=whole.encode()), says({"receipt_number": FIRST, "events": []}))
    async with parley(sqlite_store, api.url) as client:
        history = await client.history(FIRST, back_to=None)
    assert [one.body for one in history] == [
        f'{{"receipt_number": "{FIRST}", {entry[1:]}'.encode(),
        f'{{"receipt_number": "{FIRST}"}}'.encode(),
    ]
    assert all(json.loads(one.body)["receipt_number"] == FIRST for one in history)
    assert path_of(api.requests[0]) == "/v1/events"
    assert asked_of(api.requests[0]) == [("receipt", FIRST), ("limit", "50")]
    assert asked_of(api.requests[1])[2] == ("before", "2025-11-02T16:01:17Z")


async def test_an_entry_of_another_case(api: HttpSink, sqlite_store: Store) -> None:
    """It spoils the history: nobody can tell what else is mixed up."""
    api.answer(says({"events": [{"receipt_number": SECOND, "occurred_at": "2025-11-02"}]}))
    async with parley(sqlite_store, api.url) as client:
        with pytest.raises(WrongReceipt):
            await client.history(FIRST, back_to=None)


async def test_no_history(api: HttpSink, sqlite_store: Store) -> None:
    """A case that is not known has none."""
    api.answer(says({}, status=404))
    async with parley(sqlite_store, api.url) as client:
        assert not await client.history(FIRST, back_to=None)


async def test_registering(api: HttpSink, sqlite_store: Store) -> None:
    """Labels stay here unless the settings say otherwise."""
    cases = [NewReceipt(receipt=FIRST, label="Acme-O1A"), NewReceipt(receipt=SECOND)]
    api.answer(says({"registered": [SECOND], "already_registered": [FIRST]}, status=201))
    for labels, first in ((False, {}), (True, {"label": "Acme-O1A"})):
        async with parley(sqlite_store, api.url, labels=labels) as client:
            done = await client.register(cases, key="key-1")
        assert done == Registered(registered=(SECOND,), already=(FIRST,))
        request = api.requests[-1]
        assert (request.method, path_of(request)) == ("POST", "/v1/receipts")
        assert request.headers["idempotency-key"] == "key-1"
        assert json.loads(request.body) == {
            "receipts": [{"receipt_number": FIRST, **first}, {"receipt_number": SECOND}]
        }


async def test_registering_again(api: HttpSink, sqlite_store: Store) -> None:
    """A POST is tried again with its key; the same key for other cases is a conflict."""
    done = says({"registered": [FIRST], "already_registered": []})
    api.answer(says({}, status=503), done, says({"error": "idempotency_conflict"}, status=409))
    async with parley(sqlite_store, api.url) as client:
        await client.register([NewReceipt(receipt=FIRST)], key="key-1")
        assert [one.headers["idempotency-key"] for one in api.requests] == ["key-1", "key-1"]
        with pytest.raises(UpstreamConflict, match="idempotency_conflict"):
            await client.register([NewReceipt(receipt=SECOND)], key="key-1")


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"registered": [SECOND], "already_registered": []}, WrongReceipt),
        ({"registered": ["A123"], "already_registered": []}, UpstreamUnreadable),
        ({"registered": [FIRST]}, UpstreamUnreadable),
        ([FIRST], UpstreamUnreadable),
    ],
)
async def test_registered_something_else(
    api: HttpSink, sqlite_store: Store, document: object, error: type[Exception]
) -> None:
    """What was registered must be what was asked for."""
    api.answer(says(document))
    async with parley(sqlite_store, api.url) as client:
        with pytest.raises(error):
            await client.register([NewReceipt(receipt=FIRST)], key="key-1")


async def test_subscribing(api: HttpSink, sqlite_store: Store) -> None:
    """As the page has it."""
    url, secret = "https://cases.example-firm.com/webhooks/parley", "a-secret-of-ours-0123"
    made = {"id": "sub_01", "url": url, "events": ["case.denied"], "created_at": "2025-12-12"}
    api.answer(says(made, status=201))
    async with parley(sqlite_store, api.url) as client:
        done = await client.subscribe(url=url, events=["case.denied"], secret=secret, key="key-2")
    assert done == Subscription(
        id="sub_01", url=url, events=("case.denied",), created_at="2025-12-12"
    )
    request = api.requests[0]
    assert (request.method, path_of(request)) == ("POST", "/v1/subscriptions")
    assert json.loads(request.body) == {"url": url, "events": ["case.denied"], "secret": secret}


async def test_its_health(api: HttpSink, sqlite_store: Store) -> None:
    """It is asked without a prefix and without the token."""
    api.answer(says({"status": "ok"}), says({"status": "draining"}))
    async with parley(sqlite_store, api.url) as client:
        await client.health()
        with pytest.raises(UpstreamFailed, match="draining"):
            await client.health()
    assert path_of(api.requests[0]) == "/health"
    assert "authorization" not in api.requests[0].headers
