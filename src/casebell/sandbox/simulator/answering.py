"""From a request to its answer: who asks, what the budget has left, and what goes wrong."""

import asyncio
import hmac
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from casebell.clock import new_request_id
from casebell.json_text import encode
from casebell.networks import is_loopback
from casebell.sandbox.simulator.faults import ApiFault
from casebell.sandbox.simulator.limits import whole_seconds
from casebell.sandbox.simulator.operations import (
    MAX_BODY,
    Call,
    Operation,
    Result,
    Side,
    read_json,
)
from casebell.sandbox.simulator.problems import Problem, code_of

if TYPE_CHECKING:
    from casebell.sandbox.simulator.app import Simulator

#: What answers requests.
Answering: TypeAlias = Callable[[Request], Awaitable[Response]]
#: Begins a token that exists and is not enabled: `disabled-` and the token.
DISABLED = "disabled-"
#: What is asked about where the answer shall be about another receipt.
OTHER_RECEIPT = "ZZZ0000000000"
_HTML = "<!doctype html><html><head><title>502</title></head><body><h1>502 Bad Gateway</h1></html>"


class JsonAnswer(Response):
    """JSON that any text fits into."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Written as we write JSON everywhere."""
        return encode(content).encode()


class CutAnswer(Response):
    """An answer that ends in its middle, and the connection with it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send half; the server closes a connection whose answer is not whole."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def problem_answer(problem: Problem, request_id: str) -> Response:
    """The Error schema."""
    content = {"error": problem.code, "message": problem.message, "request_id": request_id}
    headers = {**problem.headers, "X-Request-Id": request_id}
    return JsonAnswer(content, status_code=problem.status, headers=headers)


def endpoint(simulator: "Simulator", operation: Operation) -> Answering:
    """What answers the requests of an operation."""

    async def answer(request: Request) -> Response:
        request_id = new_request_id()
        try:
            fault = _admit(simulator, operation, request)
            if fault is not None and not fault.after and fault.answer in _INSTEAD:
                return await _failed(fault, None, request_id)
            call = await _read(simulator, operation, request)
            response = _written(await operation.handler(call), request_id)
        except Problem as problem:
            response = problem_answer(problem, request_id)
        except OSError:
            # The journal cannot be written: nothing was done.
            response = problem_answer(Problem(503, "The state cannot be kept."), request_id)
        else:
            if fault is not None:
                return await _failed(fault, response, request_id)
        return response

    return answer


def check_host(request: Request) -> None:
    """See that the request is for this machine by its name, and not by one that leads here.

    Raises:
        Problem: it is not.
    """
    try:
        host = request.url.hostname or ""
    except ValueError:
        host = ""
    if not is_loopback(host):
        raise Problem(421, "The sandbox answers to 127.0.0.1 and localhost only.")


def check_token(simulator: "Simulator", request: Request) -> None:
    """See that whoever asks has the token.

    Raises:
        Problem: they have not, or one that is not enabled.
    """
    given = request.headers.get("authorization", "")
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        raise Problem(401, "Send the token as Authorization: Bearer.")
    value, right = token.strip().encode("latin-1"), simulator.token
    disabled = hmac.compare_digest(value, (DISABLED + right).encode())
    if not hmac.compare_digest(value, right.encode()) and not disabled:
        raise Problem(401, "This token is not known.")
    if disabled:
        raise Problem(403, "This token is not enabled for this environment.")


def _admit(simulator: "Simulator", operation: Operation, request: Request) -> ApiFault | None:
    """Let a request in; the fault that it meets.

    Raises:
        Problem: it is not let in.
    """
    check_host(request)
    side, world = operation.side, simulator.world
    if side is Side.OPEN:
        return None
    check_token(simulator, request)
    if side is Side.CONTROL:
        return None
    simulator.asked[operation.method, operation.path] += 1
    if (left := world.budgets[side].take(world.clock.now())) is not None:
        seconds = whole_seconds(world.clock.machine_seconds(left))
        raise Problem(429, "Too many requests in this window.", retry_after=seconds)
    for place, fault in enumerate(world.faults.api_faults):
        times = world.api_faults_left[place]
        if times == 0 or not fault.meets(side, operation.path):
            continue
        if random.random() >= fault.share:  # noqa: S311 - no secret
            continue
        if times is not None:
            world.api_faults_left[place] = times - 1
        return fault
    return None


async def _read(simulator: "Simulator", operation: Operation, request: Request) -> Call:
    call = Call(simulator=simulator, operation=operation, request=request)
    for name, value in parse_qsl(
        request.scope["query_string"].decode("latin-1"), keep_blank_values=True
    ):
        call.query.setdefault(name, []).append(value)
    if operation.body is not None:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise Problem.invalid("Content-Type must be application/json.")
        call.value = read_json(await read_body(request))
    return call


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        Problem: it is too large, or does not come.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY:
                raise Problem.invalid(f"The body may have {MAX_BODY} bytes.")
            parts.append(part)
    except ClientDisconnect:
        raise Problem.invalid("The body did not come.") from None
    return b"".join(parts)


def _written(result: Result, request_id: str) -> Response:
    headers = {"X-Request-Id": request_id}
    return JsonAnswer(result.content, status_code=result.status, headers=headers)


#: What needs no right answer to begin with.
_INSTEAD = frozenset({"error", "other_error", "html", "redirect", "silence", "empty"})


async def _failed(fault: ApiFault, right: Response | None, request_id: str) -> Response:
    """The answer of a fault, in the place of the right one or made of it."""
    headers: dict[str, str] = {"X-Request-Id": request_id}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    body = b"{}" if right is None else bytes(right.body)
    content: Any
    usual = 200 if right is None else right.status_code
    match fault.answer:
        case "other_error":
            content = {"detail": [{"msg": "upstream connect error", "type": "gateway"}]}
            return JsonAnswer(content, status_code=fault.status or 502, headers=headers)
        case "html":
            return HTMLResponse(_HTML, status_code=fault.status or 200, headers=headers)
        case "redirect":
            headers["Location"] = "https://login.invalid/maintenance"
            return Response(status_code=fault.status or 302, headers=headers)
        case "silence":
            await asyncio.sleep(fault.seconds)
            return problem_answer(Problem(fault.status or 504, "No answer in time."), request_id)
        case "empty":
            media = "application/json"
            return Response(status_code=fault.status or 200, headers=headers, media_type=media)
        case "truncated":
            half, media = body[: len(body) // 2], "application/json"
            status = fault.status or usual
            return Response(half, status_code=status, headers=headers, media_type=media)
        case "cut":
            media = "application/json"
            return CutAnswer(body, status_code=fault.status or usual, media_type=media)
        case "wrong_receipt":
            content = _about_another(read_json(body))
            return JsonAnswer(content, status_code=fault.status or usual, headers=headers)
        case "wrong_shape":
            said = read_json(body)
            content = {"data": said} if isinstance(said, list) else [said]
            return JsonAnswer(content, status_code=fault.status or usual, headers=headers)
        case "error":
            pass
    status = fault.status or 503
    message = f"This answer was asked for ({code_of(status)})."
    problem = Problem(status, message, retry_after=fault.retry_after)
    return problem_answer(problem, request_id)


def _about_another(said: Any) -> Any:
    if isinstance(said, list):
        return [_about_another(one) for one in said]
    if not isinstance(said, Mapping):
        return said
    return {
        name: OTHER_RECEIPT
        if name in {"receipt_number", "receiptNumber"}
        else [OTHER_RECEIPT for _ in value]
        if name in {"registered", "already_registered"}
        else value
        for name, value in said.items()
    }
