"""What came in as one list: each row once, newest first, whatever arrives between two pages."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from casebell.actors import Actor, Role
from casebell.clock import SECOND, iso
from casebell.errors import BadArgument
from casebell.events import HeldReason
from casebell.service.arrivals import ArrivalReading
from casebell.store import held, refused, walk
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.case_events import RECEIVED_AT, case_event
from contracts.cases import change_case, say_of_case
from contracts.clock_and_log import ManualClock
from contracts.filled import append
from contracts.store_contract import refusal, verified
from contracts.writing import writing
from service.harness import settings_of

#: Before events that are received as those of other tests are.
BEGIN = RECEIVED_AT - 100 * SECOND
OPERATOR = Actor(name="token:ben", role=Role.OPERATOR)


class Deliveries:
    """Has deliveries of each kind come in, a second apart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._models = ArrivalReading(
            store=store, settings=lambda: settings_of("parley"), clock=ManualClock()
        )
        self._count = 0

    async def come(self, *kinds: str) -> list[str]:
        """One after the other; how each is listed."""
        return [await self._one(kind) for kind in kinds]

    async def _one(self, kind: str) -> str:
        self._count += 1
        at = BEGIN + self._count * SECOND
        if kind == "event":
            (number,) = await append(self._store, case_event(f"evt_{self._count}", received_at=at))
            return f"event {number}"
        async with writing(self._store) as connection:
            if kind == "held":
                one = verified(b"no JSON %d" % self._count)
                kept = await held.hold(
                    connection,
                    replace(one, delivery=replace(one.delivery, received_at=at)),
                    reason=HeldReason.INVALID_JSON,
                    detail="no JSON",
                    body_sha256=str(self._count),
                    idempotency_key=None,
                )
                return f"held {kept.held_id}"
            kept_off = refusal(at=at)
            entries = [refused.single_entry(kept_off)]
            await refused.refuse(connection, [kept_off], now=at, entries=entries)
        return "refused"

    async def page(self, **given: Any) -> Mapping[str, Any]:
        """A page of the list."""
        return await self._models.list_arrivals(**{"limit": 3, "actor": ADMIN, **given})

    async def pages(self, **given: Any) -> AsyncIterator[Sequence[str]]:
        """Every page to the end."""
        cursor = None
        while True:
            page = await self.page(cursor=cursor, **given)
            yield names(page)
            cursor = page["next"]
            if cursor is None:
                return


def names(page: Mapping[str, Any]) -> list[str]:
    """How each of a page is listed; the numbers of refusals are left out."""
    found = []
    for item in page["items"]:
        (kind,) = [kind for kind in ("event", "held", "refused") if item[kind] is not None]
        found.append(kind if kind == "refused" else f"{kind} {item[kind]['id']}")
    return found


@pytest.fixture
def deliveries(store: Store) -> Deliveries:
    """Nothing came in yet."""
    return Deliveries(store)


async def test_one_list_by_time(deliveries: Deliveries) -> None:
    """Each by what became of it, with the keys of its own list and without a body."""
    came = await deliveries.come("event", "refused", "held", "event")
    page = await deliveries.page(limit=9)
    assert names(page) == came[::-1]
    assert (page["next"], page["looked_back_to"]) == (None, None)
    assert [item["at"] for item in page["items"]] == [
        iso(BEGIN + second * SECOND) for second in (4, 3, 2, 1)
    ]
    one = page["items"][1]["held"]
    assert (one["reason"], one["state"]) == ("invalid_json", "held")
    assert "body" not in one


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("span", [{}, {"since": "2025-01-01"}], ids=["by arrival", "by time"])
async def test_every_row_comes_once(
    deliveries: Deliveries, seed: int, span: dict[str, str]
) -> None:
    """However they are mixed, and whatever comes in meanwhile."""
    chance = random.Random(seed)
    kinds = ["event", "held", "refused"][: 1 + seed % 3]
    came = await deliveries.come(*chance.choices(kinds, k=10))
    seen: list[str] = []
    async for page in deliveries.pages(limit=chance.randint(1, 4), **span):
        seen += page
        await deliveries.come("event", "held", "refused")
    assert seen == came[::-1]


async def test_a_span_and_a_source(deliveries: Deliveries) -> None:
    """All three are narrowed to it."""
    came = await deliveries.come("event", "held", "refused", "held", "event")
    since, until = iso(BEGIN + 2 * SECOND), iso(BEGIN + 4 * SECOND)
    assert names(await deliveries.page(since=since, until=until)) == [came[2], came[1]]
    assert names(await deliveries.page(source="parley", limit=9)) == came[::-1]
    with pytest.raises(BadArgument, match="There is no source of this name"):
        await deliveries.page(source="torch")


async def test_what_one_may_not_see_is_left_out(
    store: Store, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that had to look at too much ends where it stopped looking, and the next goes on."""
    monkeypatch.setattr(walk, "SCAN_LIMIT", 4)
    monkeypatch.setattr(walk, "SCAN_PER_RESULT", 1)
    (oldest,) = await deliveries.come("held")
    for _ in range(10):
        await change_case(store, 1)
    await say_of_case(store, 1, confidential=True)
    assert names(await deliveries.page(actor=ADMIN, limit=20))[:2] == ["event 10", "event 9"]
    first = await deliveries.page(actor=OPERATOR)
    assert first["looked_back_to"] is not None
    seen = [name async for page in deliveries.pages(actor=OPERATOR) for name in page]
    assert seen == [oldest]


@pytest.mark.parametrize(
    "cursor", ["1", "1_2", "1_2_3_4", "1-2_3_4", "x_2_3", "_2_3", "1_2_3\n", "1_2_-3"]
)
async def test_what_is_no_cursor(deliveries: Deliveries, cursor: str) -> None:
    """It has a place in each list, and no more; a list by time takes none of one by arrival."""
    with pytest.raises(BadArgument, match="none that this listing gave"):
        await deliveries.page(cursor=cursor)
