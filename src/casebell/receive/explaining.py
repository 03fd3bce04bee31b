"""Explains what was refused, one by one or in a row: to an operator who asks, and in a message."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from casebell.clock import SECOND, in_zone
from casebell.events import Micros
from casebell.ops_messages import DeliveriesRefused, OpsMessage, RequestsRefused
from casebell.receive.causes import Cause, cause_of
from casebell.settings import SourceSettings
from casebell.store import refused, streaks
from casebell.store.engine import Connection
from casebell.telemetry import Log, get_logger

#: Refusals of a streak that are looked at for its cause.
LOOKED_AT = 3


#: After a defect of ours.
_NOT_FOUND = Cause(
    code="unknown",
    says="Its cause is unknown: looking for it failed.",
    then="Look at it yourself; refusal.defect in the log has the place. Please report it.",
    certain=False,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """A refusal with its cause."""

    row: Any
    cause: Cause
    #: The names of the headers that came.
    headers: Sequence[str]


async def explain(
    connection: Connection, ids: Sequence[int], *, sources: Mapping[str, SourceSettings]
) -> list[Explained]:
    """Those of the refusals that are still kept, each with its cause."""
    rows = await refused.read_some(connection, ids)
    key = await refused.existing_digest_key(connection)
    # A large body takes a while, and deliveries must not wait for it.
    return [await asyncio.to_thread(_explained, row, sources=sources, key=key) for row in rows]


def _explained(row: Any, *, sources: Mapping[str, SourceSettings], key: bytes | None) -> Explained:
    try:
        return Explained(
            row=row,
            cause=cause_of(row, sources=sources, key=key),
            headers=json.loads(row.seen).get("headers", ()),
        )
    except Exception as error:  # noqa: BLE001 - what a stranger sent must not keep the rest from being told
        return _unexplained(row, error, log=get_logger())


def _unexplained(row: Any, error: Exception, *, log: Log) -> Explained:
    log.error("refusal.defect", row=row.id, error=error)
    return Explained(row=row, cause=_NOT_FOUND, headers=())


async def explain_streak(
    connection: Connection,
    streak: streaks.Streak,
    *,
    error: str | None,
    sources: Mapping[str, SourceSettings],
) -> Explained | None:
    """The refusal of a streak with an error that tells most; None if none is kept."""
    ids = await streaks.latest_of(connection, streak, error=error, limit=LOOKED_AT)
    found = await explain(connection, ids, sources=sources)
    # The newest of those whose cause is certain.
    return max(found, key=lambda one: (one.cause.certain, one.row.id), default=None)


async def message_on(
    connection: Connection,
    streak: streaks.Streak,
    *,
    carried_proof: int,
    now: Micros,
    sources: Mapping[str, SourceSettings],
    timezone: str,
) -> OpsMessage:
    """What operations are told of a streak.

    Args:
        carried_proof: refusals with a proof of which they were not told.
        timezone: of the times that they read.
    """
    explained = None
    for error in (*streak.new_errors(now=now), *streak.long_errors, *streak.errors, None):
        # Of what was answered 429 nothing is kept.
        explained = explained or await explain_streak(
            connection, streak, error=error, sources=sources
        )
    origin = await streaks.origin_of(connection, streak)
    since = in_zone(datetime.fromtimestamp(streak.since // SECOND, UTC), timezone)
    words = {
        "errors": errors_in_words(streak) or (explained.row.error if explained else "-"),
        "origin": origin_in_words(origin, source=streak.source),
        "cause": _cause_in_words(explained, streak=streak),
        "then": explained.cause.then if explained else "see what is kept.",
        "look": f"casebell refused why {explained.row.id}"
        if explained
        else f"casebell refused list --source {streak.source}",
    }
    if streak.source == streaks.UNKNOWN:
        return RequestsRefused(count=streak.count, since=since, telling=streak.tellings, **words)
    return DeliveriesRefused(
        source=streak.source,
        count=streak.count if streak.is_long else carried_proof,
        how=f"in a row since {since}, and none was authentic"
        if streak.is_long
        else "while others were authentic",
        telling=streak.tellings,
        **words,
    )


def _cause_in_words(explained: Explained | None, *, streak: streaks.Streak) -> str:
    if explained is None:
        return "none of them is kept."
    if explained.row.at < streak.since:
        return f"none of them is kept. Of the latest one before them: {explained.cause.says}"
    return explained.cause.says


def errors_in_words(streak: streaks.Streak) -> str:
    """Each error and how often: `signature_missing 40`."""
    ordered = sorted(streak.errors.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{code} {number}" for code, number in ordered)


def origin_in_words(origin: streaks.Origin, *, source: str) -> str:
    """From how many addresses they came, and whether authentic ones do."""
    if origin.addresses == 0:
        return "Their addresses are not kept."
    many = f"{origin.addresses} addresses" if origin.addresses != 1 else "1 address"
    if origin.familiar:
        return f"They came from {many}; authentic ones of late came from there, too."
    if source == streaks.UNKNOWN:
        return f"They came from {many}."
    return f"They came from {many}, of which the latest authentic ones came from none."
