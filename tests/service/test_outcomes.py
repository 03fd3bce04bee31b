"""The report of outcomes: what is counted where, and for whom."""

from collections import Counter
from datetime import datetime
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.actors import Actor, Role
from casebell.clock import DAY
from casebell.errors import BadArgument
from casebell.events import Status, Tag
from casebell.service.outcomes import OutcomeReport, _median
from casebell.store.engine import Store
from contracts.actors import ADMIN
from contracts.cases import change_case, say_of_case
from contracts.clock_and_log import ManualClock
from service.harness import settings_of

ZONE = "America/New_York"
STRANGER = Actor(name="token:x", role=Role.VIEWER, person="ana")


def at(text: str) -> int:
    """A time in the firm's zone."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp()) * 10**6


async def report(store: Store, *, actor: Actor = ADMIN, **given: Any) -> Any:
    """What is told."""
    settings = settings_of("parley", timezone=ZONE)
    models = OutcomeReport(store=store, settings=lambda: settings, clock=ManualClock())
    return await models.outcomes(actor=actor, **given)


async def change(store: Store, number: int, status: Status, when: str, **fields: Any) -> None:
    """A change of a case at a time."""
    await change_case(store, number, status=status, at=at(when), tags=frozenset(), **fields)


async def test_by_the_month_of_the_change(store: Store) -> None:
    """By the provider's time, in months that begin where the firm is."""
    for number, (status, when) in enumerate(
        [
            (Status.RECEIVED, "2026-01-31T23:59:59"),
            (Status.RFE_ISSUED, "2026-02-01T00:00:00"),
            (Status.APPROVED, "2026-02-28T23:59:59"),
            (Status.DENIED, "2026-03-01T00:00:00"),
            (Status.INTERVIEW_SCHEDULED, "2026-02-10T00:00:00"),
        ]
    ):
        await change(store, number, status, when)
    found = await report(store, since="2026-01", until="2026-03-15")
    counted = [
        (month["month"], *(month[one] for one in ("received", "rfe_issued", "approved", "denied")))
        for month in found["months"]
    ]
    assert counted == [("2026-01", 1, 0, 0, 0), ("2026-02", 0, 1, 1, 0), ("2026-03", 0, 0, 0, 1)]
    assert found["in_all"].items() >= {"received": 1, "rfe_issued": 1, "approved": 1}.items()
    assert (found["timezone"], found["since"], found["until"]) == (ZONE, "2026-01", "2026-03")


async def test_how_long_it_took(store: Store) -> None:
    """The median of those of which both ends are on record, and of how many that is."""
    for number, days in enumerate((10, 20, 90)):
        await change(store, number, Status.RECEIVED, "2026-01-01T12:00:00")
        await change(store, number, Status.RFE_ISSUED, "2026-01-02T12:00:00")
        await change_case(
            store, number, status=Status.APPROVED, at=at("2026-01-01T12:00:00") + days * DAY
        )
    await change(store, 7, Status.APPROVED, "2026-01-20T12:00:00")
    await change(store, 8, Status.RECEIVED, "2026-01-05T12:00:00")
    await change(store, 8, Status.DENIED, "2026-01-06T11:00:00")
    january, *_, april = (await report(store, since="2026-01", until="2026-04"))["months"]
    assert january["approved"] == 3
    assert january["approval"] == {"median_days": 15.0, "of": 2}
    assert january["denial"] == {"median_days": 0.0, "of": 1}
    assert january["decision"] == {"median_days": 10.0, "of": 3}
    assert april["approval"] == {"median_days": 90.0, "of": 1}
    assert april["denial"] == {"median_days": None, "of": 0}
    in_all = (await report(store, since="2026-01", until="2026-04"))["in_all"]
    assert in_all["approval"] == {"median_days": 20.0, "of": 3}


async def test_a_receipt_that_is_told_after_the_decision(store: Store) -> None:
    """What is later than the decision, or comes in later, is no beginning of it."""
    await change(store, 1, Status.APPROVED, "2026-01-20T12:00:00")
    await change(store, 1, Status.RECEIVED, "2026-01-25T12:00:00")
    await change(store, 1, Status.DENIED, "2026-01-22T12:00:00")
    (month,) = (await report(store, since="2026-01", until="2026-01"))["months"]
    assert (month["received"], month["approved"], month["denied"]) == (1, 1, 1)
    assert month["decision"] == {"median_days": None, "of": 0}


async def test_cases_that_one_may_not_see(store: Store) -> None:
    """They are in no count, and in no median."""
    for number, days in ((1, 5), (2, 25)):
        await change(store, number, Status.RECEIVED, "2026-01-01T12:00:00")
        await change_case(
            store, number, status=Status.APPROVED, at=at("2026-01-01T12:00:00") + days * DAY
        )
    await say_of_case(store, 1, confidential=True)
    span = {"since": "2026-01", "until": "2026-01"}

    async def seen(actor: Actor) -> tuple[int, Any]:
        (month,) = (await report(store, actor=actor, **span))["months"]
        return month["received"], month["approval"]

    assert await seen(ADMIN) == (2, {"median_days": 15.0, "of": 2})
    assert await seen(STRANGER) == (1, {"median_days": 25.0, "of": 1})
    await say_of_case(store, 1, owner="ana")
    assert await seen(STRANGER) == await seen(ADMIN)


async def test_test_cases_are_none(store: Store) -> None:
    """The staging cases of the provider are in no report."""
    await change_case(
        store,
        1,
        status=Status.APPROVED,
        at=at("2026-01-20T12:00:00"),
        tags=frozenset({Tag.DECISION, Tag.TEST}),
    )
    assert (await report(store, since="2026-01", until="2026-01"))["in_all"]["approved"] == 0


async def test_partial_history(store: Store) -> None:
    """A month is whole once the record had begun before it."""
    assert all(month["partial"] for month in (await report(store))["months"])
    # The first decision is at RECEIVED_AT: in October 2025.
    await change_case(store, 1)
    found = await report(store, since="2025-09", until="2025-11")
    assert [month["partial"] for month in found["months"]] == [True, True, False]


async def test_the_last_twelve_months(store: Store) -> None:
    """That is what is told where nothing is asked for; one end alone gives the other."""
    now = datetime.fromtimestamp(ManualClock().now() / 10**6, ZoneInfo(ZONE))
    found = await report(store)
    assert len(found["months"]) == 12
    assert found["until"] == f"{now:%Y-%m}"
    assert (await report(store, until="2026-03"))["since"] == "2025-04"
    assert (await report(store, until="1900-01"))["since"] == "1899-02"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"since": "2026-13"}, "Write a month or a date"),
        ({"since": "2026-02-30"}, "Write a month or a date"),
        ({"until": "24h"}, "Write a month or a date"),
        ({"until": "0001-01"}, "Write a month or a date"),
        ({"since": "2026-03", "until": "2026-02"}, "`since` is behind `until`"),
        ({"since": "1990-01", "until": "2026-02"}, "at most 36 months"),
    ],
    ids=str,
)
async def test_what_cannot_be_understood(store: Store, given: dict[str, Any], said: str) -> None:
    """Whoever asks is told what can be."""
    with pytest.raises(BadArgument, match=said):
        await report(store, **given)


@given(st.lists(st.integers(min_value=0, max_value=20)))
def test_the_median_of_counts(days: list[int]) -> None:
    """It is that of all of them one by one."""
    assert _median(Counter(days)) == (median(days) if days else None)


async def test_as_a_table(store: Store) -> None:
    """A line for each month and one for all of them, with the figures of the report."""
    await change(store, 1, Status.RECEIVED, "2026-01-01T12:00:00")
    await change_case(store, 1, status=Status.APPROVED, at=at("2026-02-05T12:00:00"))
    settings = settings_of("parley", timezone=ZONE)
    models = OutcomeReport(store=store, settings=lambda: settings, clock=ManualClock())
    span = {"since": "2026-01", "until": "2026-02"}
    lines = [line async for line in await models.outcome_lines(**span, actor=ADMIN)]
    assert lines[0].startswith("month,partial,received,rfe_issued,approved,denied,approval_median")
    assert [line.rstrip().split(",") for line in lines[1:]] == [
        ["2026-01", "False", "1", "0", "0", "0", "", "0", "", "0", "", "0", ""],
        ["2026-02", "False", "0", "0", "1", "0", "35.0", "1", "", "0", "35.0", "1", ""],
        ["in all", "False", "1", "0", "1", "0", "35.0", "1", "", "0", "35.0", "1", ""],
    ]
    with pytest.raises(BadArgument, match="no such format"):
        await models.outcome_lines(format="xlsx", actor=ADMIN)
