"""What the clients of both APIs have in common: a session, and the states of cases."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

from casebell.clock import Clock
from casebell.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamKeyRefused,
    UpstreamRefused,
    UpstreamUnreadable,
)
from casebell.settings import SourceSettings
from casebell.settings.upstream import UpstreamSettings
from casebell.upstream.asking import Asker, Patience
from casebell.upstream.budget import Budget
from casebell.upstream.documents import Documents
from casebell.upstream.told import CaseProblem, CaseUnknown, Told

#: What an API says of a case.
Said: TypeAlias = Told | CaseUnknown | CaseProblem
#: Cases in a row of which an API fails to tell, until it is the API that fails.
IN_A_ROW: Final = 3


class ApiClient(ABC):
    """Asks one API, one request at a time; use it with `async with`.

    Args:
        source: the one to which belongs what the API tells.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        *,
        source: SourceSettings,
        budget: Budget,
        clock: Clock,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._asker = Asker(settings, budget=budget, clock=clock, patience=patience)
        self._documents = Documents(source, self._asker.translate)
        #: Requests in a row that failed, each for another case as far as one could tell.
        self._failures = 0
        #: A case that was told of.
        self._told: str | None = None

    async def __aenter__(self) -> Self:
        await self._asker.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._asker.__aexit__(kind, error, trace)

    async def statuses(self, receipts: Sequence[str]) -> Mapping[str, Said]:
        """What the API says of cases now.

        Args:
            receipts: canonical.

        Returns:
            By receipt. One that is missing was not asked: what stopped it concerns more than one
            case, and the next call raises it if it lasts.

        Raises:
            UpstreamError: nothing was said of any case.
        """
        said = dict[str, Said]()
        try:
            await self._ask(tuple(dict.fromkeys(receipts)), said)
        except UpstreamError:
            if not said:
                raise
        return said

    @abstractmethod
    async def _ask(self, receipts: Sequence[str], said: dict[str, Said]) -> None:
        """Note what the API says of cases.

        Raises:
            UpstreamError: it concerns more than one of them.
        """

    async def _ask_singly(self, receipt: str) -> Said:
        try:
            told = await self._tell(receipt)
        except UpstreamKeyRefused:
            raise
        except UpstreamRefused as error:
            if error.is_page:
                await self._failed(error)
                return CaseProblem.of(receipt, error)
            self._failures = 0
            if error.is_unknown:
                return CaseUnknown(receipt=receipt)
            return CaseProblem.of(receipt, error)
        except (UpstreamFailed, UpstreamUnreadable) as error:
            await self._failed(error)
            return CaseProblem.of(receipt, error)
        self._failures, self._told = 0, receipt
        return told

    async def _tell(self, receipt: str) -> Told:
        answer = await self._asker.get(self._path("case_status"), [("receipt", receipt)])
        return self._documents.one(answer, receipt=receipt)

    @property
    def _most_failures(self) -> int:
        """Requests in a row that may fail for one case each."""
        return IN_A_ROW

    async def _failed(self, error: UpstreamError) -> None:
        """Count a failure. Of several in a row it shows at a known case whose they are.

        Raises:
            UpstreamError: this one; the API fails whatever it is asked.
        """
        self._failures += 1
        if self._failures < self._most_failures:
            return
        if self._told is None:
            raise error
        try:
            await self._tell(self._told)
        except (UpstreamFailed, UpstreamRefused, UpstreamUnreadable):
            raise error from None
        self._failures = 0

    def _path(
        self, name: Literal["case_status", "batch", "events", "receipts", "subscriptions"]
    ) -> str:
        path: str = getattr(self._settings.paths, name)
        return f"{self._settings.prefix}{path}"
