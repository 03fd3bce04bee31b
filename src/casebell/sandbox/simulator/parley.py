"""The endpoints of Parley's page."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from casebell.clock import SECOND
from casebell.events import Micros
from casebell.json_text import canonical as canonical_json
from casebell.sandbox.simulator import bodies
from casebell.sandbox.simulator.cases import Case
from casebell.sandbox.simulator.models import (
    ANY_OBJECT,
    RECEIPT_SCHEMA,
    Health,
    Receipts,
    Registered,
    Subscribed,
    SubscriptionIn,
    as_receipt,
)
from casebell.sandbox.simulator.operations import (
    MAX_KEY,
    Call,
    Operation,
    Parameter,
    Result,
    Side,
)
from casebell.sandbox.simulator.problems import Problem
from casebell.sandbox.simulator.subscriptions import check_url
from casebell.sandbox.simulator.world import Kept, World

#: Events of a page where nobody says how many, and at most.
USUAL_LIMIT = 50
MAX_LIMIT = 200

RECEIPT = Parameter(
    name="receipt", about="USCIS receipt number", schema=RECEIPT_SCHEMA, required=True
)


def receipt_of(text: str | None) -> str:
    """A receipt number in capitals.

    Raises:
        Problem: there is none, or it is none.
    """
    if not text:
        raise Problem.invalid("The query parameter receipt is missing.")
    try:
        return as_receipt(text)
    except ValueError:
        raise Problem.invalid("receipt is not three letters and ten digits.") from None


def known_case(world: World, receipt: str) -> Case:
    """The case of a receipt number.

    Raises:
        Problem: nobody knows it.
    """
    case = world.case_of(receipt)
    if case is None:
        raise Problem(404, "This receipt is not recognized at this time.")
    return case


def time_of(text: str, name: str) -> Micros:
    """A time of ISO 8601; one without a zone is in UTC.

    Raises:
        Problem: it is none, or from before 1970 or after 2199.
    """
    try:
        # A plus that was not encoded has become a blank.
        parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        moment = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        seconds = moment.timestamp()
    except (ValueError, OverflowError):
        raise Problem.invalid(f"{name} must be a time of ISO 8601.") from None
    if not 0 <= seconds < datetime(2200, 1, 1, tzinfo=UTC).timestamp():
        raise Problem.invalid(f"{name} must lie between 1970 and 2199.")
    return round(seconds * SECOND)


async def case_status(call: Call) -> Result:
    """`GET /v1/case-status`."""
    world = call.simulator.world
    case = known_case(world, receipt_of(call.one("receipt")))
    return Result(content=bodies.parley_status(case, world.faults))


async def events(call: Call) -> Result:
    """`GET /v1/events`: newest first, those before a time."""
    world = call.simulator.world
    receipt = receipt_of(call.one("receipt"))
    limit = call.whole("limit", least=1, most=MAX_LIMIT, default=USUAL_LIMIT)
    given = call.one("before")
    before = None if given is None else time_of(given, "before")
    history = known_case(world, receipt).history
    if world.faults.partial_history:
        history = history[len(history) // 2 :]
    found = [one for one in reversed(history) if before is None or one.at < before]
    return Result(content=bodies.parley_history(receipt, found[:limit], world.faults))


async def receipts(call: Call) -> Result:
    """`POST /v1/receipts`."""
    asked = call.body(Receipts)
    given = [one.model_dump(exclude_none=True) for one in asked.receipts]
    return _once(call, "register", receipts=given)


async def subscribe(call: Call) -> Result:
    """`POST /v1/subscriptions`."""
    asked = call.body(SubscriptionIn)
    check_url(asked.url)
    return _once(call, "subscribe", url=asked.url, events=asked.events, secret=asked.secret or "")


async def health(_call: Call) -> Result:
    """`GET /health`."""
    return Result(content={"status": "ok"})


def _once(call: Call, verb: str, **values: Any) -> Result:
    """Carry out a command, or repeat the answer that its key had.

    Raises:
        Problem: the key was used for another body.
    """
    world, path = call.simulator.world, call.operation.path
    given = call.request.headers.get("idempotency-key")
    if given is not None and not 1 <= len(given) <= MAX_KEY:
        raise Problem.invalid(f"Idempotency-Key must have from 1 to {MAX_KEY} characters.")
    key = given or ""
    digest = hashlib.sha256(canonical_json(call.value).encode()).hexdigest() if key else ""
    kept: Kept | None = world.answers.get((path, key)) if key else None
    if kept is not None and kept.digest != digest:
        raise Problem(409, "This Idempotency-Key was used with another body.")
    if kept is None:
        kept = world.perform(verb, path=path, key=key, digest=digest, **values)
    return Result(content=kept.content, status=kept.status)


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/case-status",
        side=Side.PARLEY,
        summary="The latest status of a receipt.",
        handler=case_status,
        parameters=(RECEIPT,),
        answers={200: ANY_OBJECT},
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/v1/events",
        side=Side.PARLEY,
        summary="The status changes of a receipt, newest first.",
        handler=events,
        parameters=(
            RECEIPT,
            Parameter(
                name="limit",
                about="how many",
                schema={
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": USUAL_LIMIT,
                },
            ),
            Parameter(
                name="before",
                about="only those before this time",
                schema={"type": "string", "format": "date-time"},
            ),
        ),
        answers={200: ANY_OBJECT},
        problems=(404,),
    ),
    Operation(
        method="POST",
        path="/v1/receipts",
        side=Side.PARLEY,
        summary="Register receipt numbers for tracking. 201 where one is new.",
        handler=receipts,
        body=Receipts,
        answers={200: Registered, 201: Registered},
        problems=(409,),
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/subscriptions",
        side=Side.PARLEY,
        summary="Have webhooks posted to an address.",
        handler=subscribe,
        body=SubscriptionIn,
        answers={201: Subscribed},
        problems=(409,),
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/health",
        side=Side.OPEN,
        summary="Whether the service is ready.",
        handler=health,
        answers={200: Health},
    ),
)
