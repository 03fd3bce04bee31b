"""The tables, for SQLite and PostgreSQL alike.

Times are UTC microseconds (BIGINT). Sets of tags and flags are words with a space on both sides of
each (" deadline action "), so that one LIKE finds one word. Bodies are the exact bytes received.

Each row pays for every index, mostly before its delivery is acknowledged. So each index has a
comment with its readers, and an index without one is removed.
"""

from casebell.store.schema.asked import (
    FAILING,
    GOES_ON,
    UNREGISTERED,
    reconciliations,
    upstream_cases,
    upstream_days,
)
from casebell.store.schema.base import metadata
from casebell.store.schema.decided import (
    CONFIDENTIAL,
    FOR_HOURS,
    OUTSTANDING,
    REPORTED,
    SILENT,
    WAITING,
    alerts,
    attempts,
    cases,
    changes,
    targets,
    told_people,
)
from casebell.store.schema.followed_up import (
    OPEN,
    RUNNING,
    TO_BE_REMINDED,
    acknowledgements,
    escalations,
    feeds,
    links,
    queue,
)
from casebell.store.schema.kept import (
    BY_HAND,
    absences,
    accounts,
    failed_attempts,
    journal,
    keys,
    marks,
    recovery_codes,
    servers,
    sessions,
    tokens,
)
from casebell.store.schema.received import (
    PROVEN,
    UNPROVEN,
    conflicts,
    deliveries,
    events,
    held,
    pushed_out,
    refused,
    streaks,
    wordings,
)

__all__ = [
    "BY_HAND",
    "CONFIDENTIAL",
    "FAILING",
    "FOR_HOURS",
    "GOES_ON",
    "OPEN",
    "OUTSTANDING",
    "PROVEN",
    "REPORTED",
    "RUNNING",
    "SILENT",
    "TO_BE_REMINDED",
    "UNPROVEN",
    "UNREGISTERED",
    "WAITING",
    "absences",
    "accounts",
    "acknowledgements",
    "alerts",
    "attempts",
    "cases",
    "changes",
    "conflicts",
    "deliveries",
    "escalations",
    "events",
    "failed_attempts",
    "feeds",
    "held",
    "journal",
    "keys",
    "links",
    "marks",
    "metadata",
    "pushed_out",
    "queue",
    "reconciliations",
    "recovery_codes",
    "refused",
    "servers",
    "sessions",
    "streaks",
    "targets",
    "tokens",
    "told_people",
    "upstream_cases",
    "upstream_days",
    "wordings",
]
