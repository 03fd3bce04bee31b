"""The client of Torch against a real server: batches, and what becomes of one that is refused."""

import json
from collections import Counter
from typing import Any

import pytest

from casebell.errors import UpstreamFailed, UpstreamRefused, WrongReceipt
from casebell.sandbox.http_sink import HttpAnswer, HttpRequest, HttpSink
from casebell.store.engine import Store
from casebell.upstream.told import CaseProblem, CaseUnknown, Told
from upstream.harness import (
    FIRST,
    QUICK,
    SECOND,
    THIRD,
    asked_of,
    path_of,
    says,
    torch,
    torch_state,
)


async def test_a_batch(api: HttpSink, sqlite_store: Store) -> None:
    """One request, each case once; the bytes are those of each object."""
    api.answer(says([torch_state(SECOND), torch_state(FIRST, extra=[1])]))
    async with torch(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST, SECOND, FIRST, THIRD])
    assert path_of(api.requests[0]) == "/case-status/batch"
    assert asked_of(api.requests[0]) == [("receipt", one) for one in (FIRST, SECOND, THIRD)]
    told = said[FIRST]
    assert isinstance(told, Told)
    assert told.body == json.dumps(torch_state(FIRST, extra=[1])).encode()
    assert isinstance(said[SECOND], Told)
    assert said[THIRD] == CaseUnknown(receipt=THIRD)
    assert len(api.requests) == 1


class Server:
    """Answers batches by a rule of its own, whatever it is asked."""

    def __init__(self, api: HttpSink, **rules: Any) -> None:
        self.api = api
        #: Cases that are not known, and those that make the server fail.
        self.unknown: set[str] = set()
        self.poison: set[str] = set()
        #: Whether an unknown case has its batch refused; else it is left out.
        self.refuses = False
        #: Receipts of a batch at most, and whether there are batches at all.
        self.most = 1_000
        self.batches = True
        for name, value in rules.items():
            setattr(self, name, value)
        api.answer_by(self.answer)

    def answer(self, request: HttpRequest) -> HttpAnswer:
        asked = [value for _, value in asked_of(request)]
        known = [one for one in asked if one not in self.unknown]
        if self.poison & set(asked):
            return says({"error": "internal"}, status=500)
        if path_of(request) == "/case-status":
            return says(torch_state(asked[0])) if known else says({}, status=404)
        if not self.batches or not known or (self.refuses and known != asked):
            return says({"error": "not_found"}, status=404)
        if len(asked) > self.most or len(set(asked)) < len(asked):
            return says({"error": "batch"}, status=400)
        return says([torch_state(one) for one in known])


def numbers(count: int) -> list[str]:
    """So many receipts."""
    return [f"IOE{one:010d}" for one in range(count)]


async def _ask(server: Server, store: Store, receipts: list[str], **chosen: Any) -> Counter[str]:
    """How many of each kind were said of."""
    async with torch(store, server.api.url, **chosen) as client:
        said = await client.statuses(receipts)
    assert set(said) == set(receipts)
    assert {one for one in said if isinstance(said[one], CaseUnknown)} == server.unknown & {*said}
    return Counter(type(one).__name__ for one in said.values())


async def test_batches_of_the_settings(api: HttpSink, sqlite_store: Store) -> None:
    """A hundred cases are two requests, and one that is left over is asked alone."""
    server = Server(api)
    assert await _ask(server, sqlite_store, numbers(101)) == {"Told": 101}
    assert [len(asked_of(one)) for one in api.requests] == [50, 50, 1]
    assert path_of(api.requests[2]) == "/case-status"


async def test_unknown_cases_that_are_left_out(api: HttpSink, sqlite_store: Store) -> None:
    """They cost nothing; a whole batch of them, which is 404, costs one to be sure."""
    receipts = numbers(150)
    server = Server(api, unknown={receipts[3], *receipts[50:100]})
    assert await _ask(server, sqlite_store, receipts) == {"Told": 99, "CaseUnknown": 51}
    assert [len(asked_of(one)) for one in api.requests] == [50, 50, 1, 50]


async def test_unknown_cases_that_have_a_batch_refused(api: HttpSink, sqlite_store: Store) -> None:
    """Each is found by halves, and the others are told of."""
    receipts = numbers(100)
    server = Server(api, unknown={receipts[30], receipts[70]}, refuses=True)
    assert await _ask(server, sqlite_store, receipts) == {"Told": 98, "CaseUnknown": 2}
    assert len(api.requests) < 30


@pytest.mark.parametrize("refuses", [False, True])
async def test_the_first_cases_are_unknown(
    api: HttpSink, sqlite_store: Store, *, refuses: bool
) -> None:
    """Before anything is known of the server, no case is taken for unknown that is not."""
    receipts = numbers(20)
    server = Server(api, unknown={*receipts[:4], receipts[9]}, refuses=refuses)
    assert await _ask(server, sqlite_store, receipts) == {"Told": 15, "CaseUnknown": 5}


async def test_no_case_is_known(api: HttpSink, sqlite_store: Store) -> None:
    """Each is asked for alone: the address of batches may be wrong."""
    receipts = numbers(20)
    server = Server(api, unknown=set(receipts))
    assert await _ask(server, sqlite_store, receipts) == {"CaseUnknown": 20}
    assert len(api.requests) == 21


async def test_there_are_no_batches(api: HttpSink, sqlite_store: Store) -> None:
    """It is said, with the setting, instead of using up the day one by one."""
    server = Server(api, batches=False)
    async with torch(sqlite_store, api.url) as client:
        # What was told until then is not lost.
        assert len(await client.statuses(numbers(50))) == 1
        assert len(api.requests) == 3
    async with torch(sqlite_store, api.url, batch=1) as client:
        assert len(await client.statuses(numbers(5))) == 5
    assert server.batches is False


async def test_the_address_of_batches_is_named(api: HttpSink, sqlite_store: Store) -> None:
    """Where nothing was told, the error says what to look at."""
    api.answer_by(
        lambda request: says({}, status=405 if path_of(request) == "/case-status/batch" else 401)
    )
    async with torch(sqlite_store, api.url) as client:
        with pytest.raises(UpstreamRefused, match="does not take the token"):
            await client.statuses(numbers(5))


async def test_a_batch_that_is_too_large(api: HttpSink, sqlite_store: Store) -> None:
    """It is halved, and no other is as large."""
    server = Server(api, most=20)
    assert await _ask(server, sqlite_store, numbers(100)) == {"Told": 100}
    sizes = [len(asked_of(one)) for one in api.requests]
    assert sizes[:4] == [50, 25, 13, 12]
    assert max(sizes[6:]) <= 13


async def test_an_answer_that_is_too_large(api: HttpSink, sqlite_store: Store) -> None:
    """Its batch is halved; only a single state that is too large is a problem."""

    def answer(request: HttpRequest) -> HttpAnswer:
        states = [torch_state(value, source_hint="x" * 8_192) for _, value in asked_of(request)]
        return says(states[0] if path_of(request) == "/case-status" else states)

    api.answer_by(answer)
    async with torch(sqlite_store, api.url, batch=200) as client:
        said = await client.statuses(numbers(200))
    assert all(isinstance(one, Told) for one in said.values())
    assert [len(asked_of(one)) for one in api.requests] == [200, 100, 100]


async def test_a_batch_that_fails_once(api: HttpSink, sqlite_store: Store) -> None:
    """Its halves are asked for; later ones are as large as before."""
    server = Server(api)
    rule = server.answer

    def answer(request: HttpRequest) -> HttpAnswer:
        return says({}, status=503) if len(api.requests) < QUICK.tries else rule(request)

    api.answer_by(answer)
    assert await _ask(server, sqlite_store, numbers(100)) == {"Told": 100}
    assert [len(asked_of(one)) for one in api.requests] == [50, 50, 50, 25, 25, 50]


async def test_one_case_makes_the_server_fail(api: HttpSink, sqlite_store: Store) -> None:
    """The others are told of, wherever it stands."""
    for place in (0, 31, 49):
        receipts = numbers(50)
        server = Server(api, poison={receipts[place]})
        assert await _ask(server, sqlite_store, receipts) == {"Told": 49, "CaseProblem": 1}


async def test_the_server_fails(api: HttpSink, sqlite_store: Store) -> None:
    """It is not asked for each case."""
    api.answer(says({"error": "internal"}, status=500))
    async with torch(sqlite_store, api.url) as client:
        # One was alone when the others still might have been told of.
        assert len(await client.statuses(numbers(500))) <= 3
        with pytest.raises(UpstreamFailed, match="500 internal"):
            await client.statuses(numbers(500))
    assert len(api.requests) < 50


async def test_another_case_is_in_the_batch(api: HttpSink, sqlite_store: Store) -> None:
    """Nothing of that answer is used; alone each case may have its own."""

    def answer(request: HttpRequest) -> HttpAnswer:
        asked = [value for _, value in asked_of(request)]
        if path_of(request) == "/case-status":
            return says(torch_state(THIRD if asked[0] == SECOND else asked[0]))
        return says([torch_state(FIRST), torch_state(THIRD)])

    api.answer_by(answer)
    async with torch(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST, SECOND])
    assert isinstance(said[FIRST], Told)
    problem = said[SECOND]
    assert isinstance(problem, CaseProblem)
    assert problem.code == WrongReceipt.code


async def test_two_states_of_one_case(api: HttpSink, sqlite_store: Store) -> None:
    """Nobody can tell which counts, so each is asked for alone."""

    def answer(request: HttpRequest) -> HttpAnswer:
        asked = [value for _, value in asked_of(request)]
        if path_of(request) == "/case-status":
            return says(torch_state(asked[0]))
        states = [torch_state(one) for one in asked]
        return says([*states, torch_state(asked[0], status_text="Case Was Denied")])

    api.answer_by(answer)
    async with torch(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST, SECOND])
    assert all(isinstance(one, Told) for one in said.values())
    assert len(api.requests) == 3


@pytest.mark.parametrize("around", ["data", "results"])
async def test_a_batch_in_an_object(api: HttpSink, sqlite_store: Store, around: str) -> None:
    """The exact shape may vary by environment."""
    states = [torch_state(FIRST), torch_state(SECOND)]
    api.answer(says({around: states, "total": 2, "warnings": []}))
    async with torch(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST, SECOND])
    assert all(isinstance(one, Told) for one in said.values())
