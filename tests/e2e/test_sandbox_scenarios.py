"""What Casebell makes of each scenario of the sandbox, over real sockets."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from casebell.sandbox.simulator.scenarios import SCENARIOS
from e2e.server import PARLEY_SECRET, TORCH_SECRET, MakeServer, Server
from sandbox.simulator.firm import Firm, rehearsing

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SOURCES = """
[sources.parley]
kind = "parley"
secrets = ["${PARLEY_WEBHOOK_SECRET}"]

[sources.compact]
kind = "parley"
signed_body = "compact-json"
secrets = ["${PARLEY_WEBHOOK_SECRET}"]

[sources.torch]
kind = "torch"
header = "X-Torch-Secret"
secrets = ["${TORCH_WEBHOOK_SECRET}"]
"""
RECEIPT = "IOE0912345678"


@pytest_asyncio.fixture(loop_scope="module")
async def firm() -> AsyncIterator[Firm]:
    async with rehearsing(
        parley_secret=PARLEY_SECRET, torch_secret=TORCH_SECRET, speed=10_000.0
    ) as firm:
        yield firm


async def _begin(firm: Firm, server: Server, scenario: str, source: str = "parley") -> None:
    await firm.register(RECEIPT)
    await firm.subscribe(f"{server.url}/webhooks/{source}")
    hook = {"url": f"{server.url}/webhooks/torch"}
    assert (await firm.post("/control/torch-webhook", hook)).status_code == 200
    assert (await firm.post("/control/scenario", {"name": scenario})).status_code == 200


async def _told(firm: Firm) -> Counter[str]:
    """The answers to all deliveries, by their word."""
    found = await firm.settled()
    assert found["counts"]["gave_up"] == 0
    return Counter(one["said"] for each in found["deliveries"] for one in each["answers"])


async def _rows(server: Server, *words: str) -> list[dict[str, Any]]:
    result = await server.run(*words, "--json")
    assert result.code == 0, result.err
    return result.lines()


#: By scenario: the answers' words, the statuses of the case's events, and flags that one has.
EXPECTED: dict[str, tuple[set[str], set[str], set[str]]] = {
    "calm": ({"stored"}, {"rfe_issued", "denied"}, set()),
    "lossy": ({"stored", "duplicate"}, {"rfe_issued", "denied"}, set()),
    "duplicates": ({"stored", "duplicate"}, {"rfe_issued", "denied"}, set()),
    "reordered": ({"stored"}, {"rfe_issued", "denied"}, set()),
    "late": ({"stored"}, {"rfe_issued", "denied"}, set()),
    "stale": ({"stored"}, {"rfe_issued", "denied"}, {"stale_signature"}),
    "missing-ids": ({"stored", "conflict"}, {"rfe_issued", "denied"}, set()),
    "moving-times": ({"stored"}, {"rfe_issued", "denied"}, {"repeat"}),
    "unknown-words": ({"stored"}, {"rfe_issued", "denied"}, set()),
    "renamed-fields": ({"held"}, set(), set()),
    "dateless": ({"stored"}, {"rfe_issued", "denied"}, set()),
    "spanish": ({"stored"}, {"rfe_issued", "denied"}, set()),
}


@pytest.mark.parametrize("scenario", EXPECTED)
async def test_what_casebell_makes_of_it(
    firm: Firm, make_server: MakeServer, scenario: str
) -> None:
    """Nothing is lost silently: it is stored with the right status, or held for a person."""
    words, statuses, flags = EXPECTED[scenario]
    server = await make_server(SOURCES).start()
    await _begin(firm, server, scenario)
    for status, at in (("rfe_issued", "2025-10-14T19:22:03Z"), ("denied", "2025-12-01T10:00:00Z")):
        await firm.move(status, at=at)
    told = await _told(firm)
    assert set(told) == words, told
    events = await _rows(server, "events", "list")
    assert {one["status"] for one in events} == statuses
    assert flags <= {flag for one in events for flag in one["flags"]}
    if words == {"held"}:
        held = await _rows(server, "held", "list")
        assert {one["source"] for one in held} == {"parley", "torch"}


async def test_forged_deliveries_come_right(firm: Firm, make_server: MakeServer) -> None:
    """What was refused is stored at the next try."""
    server = await make_server(SOURCES).start()
    await _begin(firm, server, "forged")
    assert (await firm.post("/control/torch-webhook", {"url": None})).status_code == 200
    for number in range(20):
        await firm.move("other", text=f"Case Was Transferred To Office {number}")
    told = await _told(firm)
    assert told["stored"] == 20
    assert told.keys() - {"stored"} <= {"signature_missing", "signature_mismatch"}
    assert len(told) > 1


async def test_the_sample_sender(firm: Firm, make_server: MakeServer) -> None:
    """A source with `signed_body = "compact-json"` takes what the sample on Parley's page signs."""
    server = await make_server(SOURCES).start()
    await _begin(firm, server, "sample-sender", "compact")
    await firm.move("rfe_issued", text="Prueba “ñ” \\ / \u00e9")
    assert (await _told(firm)).keys() == {"stored"}


async def test_a_rotation(firm: Firm, make_server: MakeServer) -> None:
    """A source with the old secret takes both; after the rotation only the new one is right."""
    server = await make_server(SOURCES).start()
    await _begin(firm, server, "rotation")
    await firm.move("received")
    assert (await _told(firm)).keys() == {"stored"}


async def test_every_scenario_of_deliveries_is_tried() -> None:
    """Those of the APIs are tried by the clients."""
    of_apis = {
        name
        for name, one in SCENARIOS.items()
        if "api" in one.faults
        or name in {"renamed-api", "partial-history", "any-receipt", "strict-batches"}
        or name == "tight-limits"
    }
    here = {*EXPECTED, "forged", "sample-sender", "rotation", "silent"}
    assert here | of_apis == set(SCENARIOS)
