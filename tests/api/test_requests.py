"""What is read of any request: what the models allow, or an error that names what is wrong."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casebell.api import parameters
from casebell.api.parameters import MAX_LIMIT, Parameters
from casebell.api.requests import arguments_of, body_of, query_of
from casebell.api.routes import ROUTES
from casebell.api.slots import Slots
from casebell.errors import BadArgument, TooManyRequests
from casebell.events import MAX_NUMBER, Status
from waiting import until

QUERIES = sorted({route.query for route in ROUTES}, key=lambda one: one.__name__)
BODIES = sorted({route.body for route in ROUTES if route.body}, key=lambda one: one.__name__)
NAMES = sorted({name for model in (*QUERIES, *BODIES) for name in model.model_fields})
#: A text that every database takes.
STORABLE = re.compile("[^\x00\ud800-\udfff]*")


def _read(model: type[Parameters], query: bytes) -> Mapping[str, Any]:
    return arguments_of(model, query_of({"query_string": query}), in_address=True)


def _outcome(model: type[Parameters], query: bytes) -> Mapping[str, Any] | BadArgument:
    try:
        return _read(model, query)
    except BadArgument as error:
        return error


@given(
    model=st.sampled_from(QUERIES),
    query=st.one_of(
        st.binary(max_size=200),
        st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=30)), max_size=4).map(
            lambda pairs: "&".join(
                f"{n}={quote(v, errors='surrogatepass')}" for n, v in pairs
            ).encode()
        ),
    ),
)
@example(model=parameters.Events, query=b"text=%ed%a0%80")
@example(model=parameters.Events, query=b"limit=%c2%b2")
@example(model=parameters.Events, query=b"=&=&;")
def test_any_query(model: type[Parameters], query: bytes) -> None:
    """It is what the model allows, or 400: never another error, and never an odd value."""
    found = _outcome(model, query)
    if isinstance(found, BadArgument):
        assert found.argument.isascii()
        return
    for name, value in found.items():
        if isinstance(value, str) and name not in ("since", "until"):
            assert STORABLE.fullmatch(value), name
    assert 1 <= found.get("limit", 1) <= MAX_LIMIT


@given(
    limit=st.integers(1, MAX_LIMIT),
    status=st.sampled_from(Status),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1),
)
def test_what_was_meant_is_read(limit: int, status: Status, text: str) -> None:
    """Whatever characters a text has, and in whatever order the parameters stand."""
    text = text[:200]
    query = urlencode({"text": text, "status": status, "limit": limit}).encode()
    assert _read(parameters.Events, query) == {"limit": limit, "status": status, "text": text}


@given(
    name=st.sampled_from([name for name in parameters.Events.model_fields if name != "text"]),
    value=st.from_regex(r"[a-z]{8,20}", fullmatch=True).map(lambda word: f"q{word}q"),
)
def test_a_value_is_not_repeated(name: str, value: str) -> None:
    """It may be a person's name, or a token in the wrong place."""
    found = _outcome(parameters.Events, f"{name}={value}".encode())
    if isinstance(found, BadArgument):
        assert found.argument == name
        assert value not in f"{found.message} {found.hint}"


async def _body(content: bytes, model: type[Parameters]) -> Mapping[str, Any]:
    async def receive() -> Any:
        return {"type": "http.request", "body": content, "more_body": False}

    scope = {"headers": [(b"content-type", b"application/json")]}
    return arguments_of(model, await body_of(scope, receive, needed=True))


#: JSON of every kind, with names that mean something among them.
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["invalid_json", "csv", "true", "1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(
    model=st.sampled_from(BODIES),
    content=st.binary(max_size=100) | _JSON.map(lambda value: json.dumps(value).encode()),
)
async def test_any_body(model: type[Parameters], content: bytes) -> None:
    """As for a query; the numbers of rows are numbers, and there is one at least."""
    try:
        found = await _body(content, model)
    except BadArgument:
        return
    if "ids" in found:
        assert found["ids"]
        assert all(type(one) is int and 1 <= one <= MAX_NUMBER for one in found["ids"])


@pytest.mark.parametrize("model", [parameters.Release, parameters.Readmit])
async def test_all_are_never_meant_by_nothing(model: type[Parameters]) -> None:
    """A verb takes no numbers for all of them: a request has to say which."""
    for content in (b"{}", b'{"ids": []}', b'{"ids": null}'):
        with pytest.raises(BadArgument):
            await _body(content, model)


async def test_a_slot_is_free_again() -> None:
    """After an error, and after a wait that was too long."""
    slots = Slots(2, max_wait=0.01)

    async def fail() -> None:
        async with slots.one("token:a"):
            # The other slot is not for the same.
            with pytest.raises(TooManyRequests):
                await slots.one("token:a").__aenter__()
            async with slots.one("token:b"):
                with pytest.raises(TooManyRequests):
                    await slots.one("token:c").__aenter__()
                raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await fail()
    assert not slots._shares


async def test_no_actor_keeps_others_waiting() -> None:
    """Whatever one asks for, another is let in at once, and has room to wait."""
    slots = Slots(2, max_waiting=5, max_waiting_of_one=3)

    async def ask() -> None:
        async with slots.one("token:a"):
            await asyncio.Event().wait()

    asked = [asyncio.create_task(ask()) for _ in range(9)]
    # One is let in, three wait.
    await until(lambda: sum(one.done() for one in asked) == 5, "five refusals")
    async with slots.one("token:b"):
        assert {type(one.exception()) for one in asked if one.done()} == {TooManyRequests}
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert not slots._shares
