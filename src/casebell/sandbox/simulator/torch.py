"""The endpoints of Torch's page."""

import random

from casebell.sandbox.simulator import bodies
from casebell.sandbox.simulator.models import ANY_OBJECT, RECEIPT_SCHEMA
from casebell.sandbox.simulator.operations import Call, Operation, Parameter, Result, Side
from casebell.sandbox.simulator.parley import RECEIPT, known_case, receipt_of
from casebell.sandbox.simulator.problems import Problem

#: Receipt numbers of one batch. The page says only that there are "batch constraints".
MAX_BATCH = 100


async def case_status(call: Call) -> Result:
    """`GET /case-status`."""
    world = call.simulator.world
    case = known_case(world, receipt_of(call.one("receipt")))
    return Result(content=bodies.torch_status(case, now=world.clock.now(), faults=world.faults))


async def batch(call: Call) -> Result:
    """`GET /case-status/batch`: those that are known, in the order asked."""
    world = call.simulator.world
    given = call.query.get("receipt", [])
    if not given:
        raise Problem.invalid("The query parameter receipt is missing.")
    if len(given) > MAX_BATCH:
        raise Problem.invalid(f"A batch may have {MAX_BATCH} receipts.")
    asked = [receipt_of(one) for one in given]
    if len(set(asked)) < len(asked):
        raise Problem(409, "A receipt is twice in this batch.")
    found = [case for receipt in asked if (case := world.case_of(receipt)) is not None]
    if not found or (world.faults.batch_whole and len(found) < len(asked)):
        raise Problem(404, "A receipt of this batch is not recognized at this time.")
    if world.faults.batch_shuffled:
        random.shuffle(found)
    now = world.clock.now()
    return Result(content=[bodies.torch_status(one, now=now, faults=world.faults) for one in found])


OPERATIONS = (
    Operation(
        method="GET",
        path="/case-status",
        side=Side.TORCH,
        summary="The latest status of a receipt.",
        handler=case_status,
        parameters=(RECEIPT,),
        answers={200: ANY_OBJECT},
        problems=(404,),
    ),
    Operation(
        method="GET",
        path="/case-status/batch",
        side=Side.TORCH,
        summary="The latest statuses of several receipts.",
        handler=batch,
        parameters=(
            Parameter(
                name="receipt",
                about="USCIS receipt number; repeat it for each",
                schema={
                    "type": "array",
                    "items": RECEIPT_SCHEMA,
                    "minItems": 1,
                    "maxItems": MAX_BATCH,
                },
                required=True,
                repeated=True,
            ),
        ),
        answers={200: {"type": "array", "items": ANY_OBJECT}},
        problems=(404, 409),
    ),
)
