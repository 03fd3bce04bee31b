"""Asks an API about cases: what each is now, and its history where that may have news."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from casebell.clock import DAY, Clock
from casebell.errors import (
    HeldDelivery,
    UpstreamError,
    UpstreamFailed,
    UpstreamKeyRefused,
    UpstreamRefused,
    UpstreamUnreadable,
)
from casebell.events import CaseEvent, Delivery, Flag, Micros, Origin, VerifiedDelivery
from casebell.receive.parts import Part
from casebell.receive.understand import understand
from casebell.settings import SourceSettings
from casebell.store.tracked import Tracked
from casebell.upstream.client import UpstreamClient
from casebell.upstream.news import digest
from casebell.upstream.parley import ParleyClient
from casebell.upstream.told import CaseProblem, CaseUnknown, Told
from casebell.uscis.receipts import is_test

#: How far behind the last look a history is read again: what is published late is found.
MARGIN: Final[Micros] = 30 * DAY
#: Of a case that the API does not know.
UNKNOWN: Final = "The API does not know this case."


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What an API said of a case."""

    row: Tracked
    #: Understood; None where it says nothing of it, or what it says is not understood.
    present: CaseEvent | None = None
    verified: VerifiedDelivery | None = None
    #: Newest first; None where it was not asked for.
    history: Sequence[Part] | None = None
    problem: str | None = None
    #: What was not understood.
    held: Sequence[Part] = ()
    #: Whether its history could not be read: the next look asks for it again.
    partial: bool = False


class Asking:
    """Asks one API; what it tells is understood as a delivery of its source would be.

    Args:
        source: the one to which it belongs.
        test_receipts: globs of receipts that are not asked for.
        request_id: by which the journal leads from what is told to whoever had it asked for.
        progress: called whenever something was asked.
    """

    def __init__(
        self,
        api: UpstreamClient,
        *,
        source: SourceSettings,
        test_receipts: Sequence[str],
        clock: Clock,
        request_id: str,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._source = source
        self._test_receipts = test_receipts
        self._clock = clock
        self._request_id = request_id
        self._progress = progress

    async def about(
        self, rows: Sequence[Tracked], *, whole: bool = False
    ) -> tuple[list[Look], UpstreamError | None]:
        """What an API says of cases, as far as it does; and what kept it from saying more.

        Args:
            whole: also the history of a case whose state is as it was.
        """
        looks = [Look(row=row) for row in rows if self._is_test(row.receipt)]
        asked = [row for row in rows if not self._is_test(row.receipt)]
        if not asked:
            return looks, None
        try:
            said = await self._api.statuses([row.receipt for row in asked])
            for row in asked:
                match said.get(row.receipt):
                    case None:
                        # What stopped it concerns others, too, and is raised by the next call.
                        break
                    case CaseUnknown():
                        looks.append(Look(row=row, problem=UNKNOWN))
                    case CaseProblem() as problem:
                        looks.append(Look(row=row, problem=problem.message))
                    case Told() as told:
                        looks.append(await self._told(row, told, whole=whole))
                self._progress()
        except UpstreamError as error:
            return looks, error
        return looks, None

    async def _told(self, row: Tracked, told: Told, *, whole: bool) -> Look:
        """What was told of a case, with its history where that may have news.

        Raises:
            UpstreamError: the API fails whatever it is asked.
        """
        part = self._understood(told)
        if isinstance(part.said, HeldDelivery):
            problem = f"What it told was not understood, and is held: {part.said.message}"
            first = row.first_told_at is None
            flags = frozenset({Flag.BASELINE}) if first else frozenset[Flag]()
            marked = replace(part.verified, flags=flags)
            held = () if row.problem == problem else (Part(marked, part.said),)
            return Look(row=row, problem=problem, held=held)
        present, verified = part.said, part.verified
        look = Look(row=row, present=present, verified=verified)
        if not isinstance(self._api, ParleyClient):
            return look
        if (
            not whole
            and row.first_told_at is not None
            and digest(present, dated=True) == row.last_state
        ):
            return look
        # What could not be read for long is longer ago than the last look.
        whole_history = row.first_told_at is None or row.problem is not None
        back_to = None if whole_history else max(row.checked_at - MARGIN, 0)
        try:
            history = await self._api.history(row.receipt, back_to=back_to)
        except UpstreamKeyRefused:
            raise
        except (UpstreamFailed, UpstreamUnreadable, UpstreamRefused) as error:
            if row.first_told_at is None:
                # Without its history, all of that would be news to the next look.
                return Look(row=row, problem=error.message)
            return Look(
                row=row, present=present, verified=verified, problem=error.message, partial=True
            )
        parts = [self._understood(one) for one in history]
        return Look(
            row=row,
            present=present,
            verified=verified,
            history=[one for one in parts if isinstance(one.said, CaseEvent)],
            held=[one for one in parts if isinstance(one.said, HeldDelivery)],
        )

    def _understood(self, told: Told) -> Part:
        verified = VerifiedDelivery(
            delivery=Delivery(
                source=self._source.name,
                body=told.body,
                headers=(),
                address="",
                received_at=self._clock.now(),
                request_id=self._request_id,
            ),
            secret_label="",
            origin=Origin.RECONCILED,
        )
        try:
            return Part(verified, understand(verified, self._source))
        except HeldDelivery as why:
            return Part(verified, why)

    def _is_test(self, receipt: str) -> bool:
        return is_test(receipt, self._test_receipts)
