"""How SQLite goes about a query, as it says itself."""

import re
from collections.abc import Iterable

#: A walk through a partial index meets only what waits.
_PARTIAL = (
    r"(?! USING (COVERING )?INDEX ix_"
    r"(events_unrouted|conflicts_unnotified|held_unnotified|alerts_waiting|alerts_outstanding|"
    r"refused_proven|refused_unproven|refused_unnotified|journal_by_hand|cases_confidential|"
    r"queue_open|queue_due)\b)"
)
_WHOLE_TABLE = re.compile(
    r"SCAN (queue|acknowledgements|escalations|events|deliveries|conflicts|held|refused|changes|"
    r"cases|alerts|attempts|journal)\b" + _PARTIAL
)


def walks_a_whole_table(plan: Iterable[str]) -> list[str]:
    """The lines that say so."""
    return [line for line in plan if _WHOLE_TABLE.match(line)]


def sorts(plan: Iterable[str]) -> list[str]:
    """The lines that say that what was found is sorted."""
    return [line for line in plan if "TEMP B-TREE" in line]
