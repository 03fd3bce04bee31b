"""The report of outcomes: what became of cases by month, and how long that took."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import date, datetime
from itertools import accumulate
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from typing_extensions import TypedDict

from casebell.actors import Actor
from casebell.clock import SECOND, Clock
from casebell.errors import BadArgument
from casebell.events import Micros, Status
from casebell.service import Verb
from casebell.service.filters import word
from casebell.service.formats import Format, lines_of
from casebell.settings import Settings
from casebell.shapes import described
from casebell.store import outcomes
from casebell.store.engine import Store

#: Months of one report, and of one that says nothing else.
MAX_MONTHS = 36
MONTHS = 12

#: Before 1900 a month has no beginning that a time zone knows.
_MONTH = re.compile(r"(?:19|20)[0-9]{2}-[0-9]{2}(-[0-9]{2})?", re.ASCII)


@described
class Took(TypedDict):
    """How long cases took from their receipt to a decision."""

    median_days: float | None
    """Null without any of which both are on record."""
    of: int
    """Decisions of cases whose receipt is on record, too."""


@described
class Counts(TypedDict):
    """Changes by the provider's time."""

    received: int
    rfe_issued: int
    approved: int
    denied: int
    approval: Took
    denial: Took
    decision: Took
    """Both together."""


@described
class Month(Counts):
    """The counts of a month."""

    month: str
    """As in `2026-11`."""
    partial: bool
    """Whether the record began in this month or later: it is not all that happened."""


@described
class Report(TypedDict):
    """Outcomes by month, without those of cases that the reader may not see."""

    timezone: str
    """In which the months begin."""
    since: str
    until: str
    """The last month; it counts."""
    months: list[Month]
    """Oldest first."""
    in_all: Counts


class _Month(NamedTuple):
    year: int
    month: int

    @classmethod
    def numbered(cls, number: int) -> "_Month":
        """The month so many months after the beginning of our era."""
        return cls(number // 12, number % 12 + 1)

    @property
    def number(self) -> int:
        return 12 * self.year + self.month - 1

    def begins(self, zone: ZoneInfo) -> Micros:
        return round(datetime(self.year, self.month, 1, tzinfo=zone).timestamp()) * SECOND

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


class OutcomeReport:
    """The verb."""

    def __init__(self, *, store: Store, settings: Callable[[], Settings], clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"outcomes": self.outcomes, "outcome_lines": self.outcome_lines}

    async def outcomes(
        self, *, since: str | None = None, until: str | None = None, actor: Actor
    ) -> Report:
        """Receipts, requests for evidence and decisions by month.

        Args:
            since, until: the first and the last month, each as `2026-11`, or as a date in it; by
                default the twelve months that end with the present one.

        Raises:
            BadArgument: they are no months, or too many.
        """
        zone = ZoneInfo(self._settings().server.timezone)
        months = _span(since, until, now=self._clock.now(), zone=zone)
        async with self._store.read() as connection:
            began = await outcomes.began(connection)
        in_all: Counter[outcomes.Outcome] = Counter()
        shown: list[Month] = []
        for month in months:
            first, behind = (_Month.numbered(month.number + n).begins(zone) for n in (0, 1))
            # Each by itself: the reader is nobody's for longer than a month takes.
            async with self._store.read() as connection:
                found = await outcomes.between(connection, first, behind, seen_by=actor)
            in_all.update(found)
            partial = began is None or first <= began
            shown.append({"month": str(month), "partial": partial, **_counts(found)})
        return {
            "timezone": zone.key,
            "since": str(months[0]),
            "until": str(months[-1]),
            "months": shown,
            "in_all": _counts(in_all),
        }

    async def outcome_lines(
        self,
        *,
        since: str | None = None,
        until: str | None = None,
        format: str = Format.CSV,  # noqa: A002 - the key of exports
        actor: Actor,
    ) -> AsyncGenerator[str, None]:
        """The same as a table: a line for each month, and one for all of them; raises alike.

        It is no export: whoever may see the report may take it along, and nothing else is in it.
        """
        lines = lines_of(word(Format, format, noun="format"), _COLUMNS)
        report = await self.outcomes(since=since, until=until, actor=actor)

        async def written() -> AsyncGenerator[str, None]:
            if heading := lines.heading():
                yield heading
            for month in report["months"]:
                yield lines.row(_flat(month["month"], month, partial=month["partial"]))
            partial = any(month["partial"] for month in report["months"])
            yield lines.row(_flat(IN_ALL, report["in_all"], partial=partial))

        return written()


#: What a table's last line has in place of a month.
IN_ALL = "in all"
_COUNTED = ("received", "rfe_issued", "approved", "denied")
_TOOK = ("approval", "denial", "decision")
_COLUMNS = (
    *("month", "partial", *_COUNTED),
    *(f"{name}_{key}" for name in _TOOK for key in Took.__annotations__),
)


def _flat(month: str, counts: Counts, *, partial: bool) -> Mapping[str, object]:
    """A line of the table."""
    given: Mapping[str, Any] = counts
    took = {f"{name}_{key}": value for name in _TOOK for key, value in given[name].items()}
    counted = {name: given[name] for name in _COUNTED}
    return {"month": month, "partial": partial, **counted, **took}


def _span(since: str | None, until: str | None, *, now: Micros, zone: ZoneInfo) -> Sequence[_Month]:
    today = datetime.fromtimestamp(now / SECOND, zone)
    last = _Month(today.year, today.month) if until is None else _month(until, argument="until")
    first = (
        _Month.numbered(last.number - MONTHS + 1)
        if since is None
        else _month(since, argument="since")
    )
    count = last.number - first.number + 1
    if count < 1:
        raise BadArgument("Nothing can match: `since` is behind `until`.", argument="since")
    if count > MAX_MONTHS:
        raise BadArgument(f"A report has at most {MAX_MONTHS} months.", argument="since")
    return [_Month.numbered(first.number + n) for n in range(count)]


def _month(text: str, *, argument: str) -> _Month:
    wrong = BadArgument('Write a month or a date: "2026-11", "2026-11-21".', argument=argument)
    found = _MONTH.fullmatch(text)
    if found is None:
        raise wrong
    try:
        day = date.fromisoformat(text if found[1] else f"{text}-01")
    except ValueError:
        raise wrong from None
    return _Month(day.year, day.month)


def _counts(found: Mapping[outcomes.Outcome, int]) -> Counts:
    of_status: Counter[Status] = Counter()
    took: dict[Status, Counter[int]] = {status: Counter() for status in outcomes.DECISIONS}
    for (status, days), count in found.items():
        of_status[status] += count
        if days is not None:
            took[status][days] += count
    approval, denial = took[Status.APPROVED], took[Status.DENIED]
    return {
        "received": of_status[Status.RECEIVED],
        "rfe_issued": of_status[Status.RFE_ISSUED],
        "approved": of_status[Status.APPROVED],
        "denied": of_status[Status.DENIED],
        "approval": _took(approval),
        "denial": _took(denial),
        "decision": _took(approval + denial),
    }


def _took(counts: Counter[int]) -> Took:
    return {"median_days": _median(counts), "of": counts.total()}


def _median(counts: Counter[int]) -> float | None:
    """The middle of so many numbers of each; of two the mean."""
    total = counts.total()
    if not total:
        return None
    days = sorted(counts)
    up_to = list(accumulate(counts[one] for one in days))

    def at(place: int) -> int:
        return days[bisect_left(up_to, place + 1)]

    return (at((total - 1) // 2) + at(total // 2)) / 2
