"""Answers for every address that is not a webhook."""

import inspect
import json
import re
from collections.abc import Iterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from casebell import errors
from casebell.errors import CasebellError, ConfigError, ConfigNotFound, HeldDelivery
from casebell.events import HeldReason
from casebell.http.answers import (
    RequestIds,
    error_response,
    on_defect,
    on_http_exception,
)

REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")


def every_error() -> Iterator[CasebellError]:
    """One of each kind, with a message of its own."""
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, CasebellError):
            if kind is ConfigError:
                yield ConfigError([], message="vermilion", hint="quixotic")
            elif kind is ConfigNotFound:
                yield ConfigNotFound("vermilion", where="quixotic")
            elif kind is HeldDelivery:
                yield HeldDelivery(HeldReason.INVALID_JSON, "vermilion")
            else:
                yield kind("vermilion", hint="quixotic")


async def page(_request: Request) -> Response:
    """A page that works."""
    return PlainTextResponse("1")


async def broken(_request: Request) -> Response:
    """A page with a defect."""
    raise ZeroDivisionError("vermilion")


async def with_an_id(_request: Request) -> Response:
    """A page that gives its own id."""
    return PlainTextResponse("", headers={"X-Request-Id": "req_own"})


@pytest.fixture
def client() -> httpx2.AsyncClient:
    """Speaks to an application put together as the server's is."""
    app = Starlette(
        routes=[
            Route("/pages/{id}", page),
            Route("/broken", broken),
            Route("/with-an-id", with_an_id),
        ],
        middleware=[Middleware(RequestIds)],
        exception_handlers={HTTPException: on_http_exception, Exception: on_defect},
    )
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://casebell")


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: type(error).__name__)
def test_a_stranger_reads_the_kind_of_error_and_no_more(error: CasebellError) -> None:
    """The answer has the code and the class's sentence, not what was said of this instance."""
    response = error_response(error)
    content = json.loads(bytes(response.body))
    assert set(content) == {"error", "message", "request_id"}
    assert content["error"] == error.code
    assert content["message"] == (type(error).__doc__ or "").strip()
    assert b"vermilion" not in bytes(response.body)
    assert b"quixotic" not in bytes(response.body)
    assert response.status_code == error.http_status
    assert response.headers["x-request-id"] == content["request_id"]
    assert REQUEST_ID.fullmatch(content["request_id"])
    assert ("retry-after" in response.headers) == (error.http_status in {429, 503})


async def test_nothing_there(client: httpx2.AsyncClient) -> None:
    """An unknown address answers 404 in the shape of docs/contract.md."""
    answer = await client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_another_method(client: httpx2.AsyncClient) -> None:
    """A page that is only read answers 405 to anything else, and says what it takes."""
    answer = await client.post("/pages/1")
    assert answer.status_code == 405
    assert answer.json()["error"] == "method_not_allowed"
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_a_defect_tells_nothing(client: httpx2.AsyncClient) -> None:
    """Something unexpected is a 500 of the same shape, without a word of what it was."""
    answer = await client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["error"] == "error"
    assert "vermilion" not in answer.text
    assert "ZeroDivision" not in answer.text


async def test_every_answer_has_an_id(client: httpx2.AsyncClient) -> None:
    """Answers without an id get one, each its own; one that is there stays."""
    ids = [(await client.get("/pages/1")).headers["x-request-id"] for _ in range(2)]
    assert all(REQUEST_ID.fullmatch(one) for one in ids)
    assert ids[0] != ids[1]
    assert (await client.get("/with-an-id")).headers.get_list("x-request-id") == ["req_own"]
