"""The page of reports: what became of cases by month, in figures and pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from casebell.console.chart import Chart, Point, chart_of
from casebell.console.visit import Visit

#: What is counted, by its heading.
COUNTED: Mapping[str, str] = {
    "received": "Receipts",
    "rfe_issued": "Requests for evidence",
    "approved": "Approvals",
    "denied": "Denials",
}
#: How long it took from the receipt, by its heading.
TOOK: Mapping[str, str] = {
    "approval": "Days to approval",
    "denial": "Days to denial",
    "decision": "Days to a decision",
}


async def outcomes(visit: Visit) -> Mapping[str, Any]:
    """Receipts, requests for evidence and decisions by month, and how long decisions took."""
    report = await visit.ask("outcomes", **visit.arguments)
    return {
        "report": report,
        "columns": COUNTED,
        "took": TOOK,
        "charts": _charts(report["months"]),
        "any_partial": any(month["partial"] for month in report["months"]),
    }


def _charts(months: Sequence[Mapping[str, Any]]) -> Sequence[Chart]:
    counts = [
        chart_of(heading, [_point(month, month[name]) for month in months])
        for name, heading in COUNTED.items()
    ]
    days = [_point(month, month["decision"]["median_days"]) for month in months]
    return [*counts, chart_of("Days from receipt to decision, median", days)]


def _point(month: Mapping[str, Any], value: float | None) -> Point:
    return Point(month=month["month"], value=value, partial=month["partial"])
