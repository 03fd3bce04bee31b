"""The client of Torch's case status API ("Endpoints" of its page).

The page has "batch constraints" and says neither what they are nor what becomes of a case that is
not known. So a batch that is refused is halved, down to the case for which it was; and what 404
means is found out once.
"""

from collections.abc import Sequence
from typing import Any, Final

from casebell.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamKeyRefused,
    UpstreamRefused,
    UpstreamUnreadable,
)
from casebell.upstream.api_client import IN_A_ROW, ApiClient, Said
from casebell.upstream.told import CaseUnknown, Told

#: Answers by which an address says that it has no such thing; or that no case is known.
_NOT_THERE: Final = (404, 405, 501)


class TorchClient(ApiClient):
    """Asks Torch; made by `client_for`, used with `async with`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Receipts of one request: fewer once the API takes no more.
        self._size = self._settings.batch
        #: Whether a batch leaves out cases that are not known; if not, they have it refused. None
        #: until one of both was seen.
        self._leaves_out: bool | None = None

    @property
    def _most_failures(self) -> int:
        # One case makes fail its batch, a half, a quarter, and so on until it is alone.
        return IN_A_ROW + self._settings.batch.bit_length()

    async def _ask(self, receipts: Sequence[str], said: dict[str, Said]) -> None:
        start = 0
        while start < len(receipts):
            batch = receipts[start : start + self._size]
            await self._ask_batch(batch, said)
            start += len(batch)

    async def _ask_batch(self, receipts: Sequence[str], said: dict[str, Said]) -> bool:
        """Ask for several at once; where that is refused, for the halves.

        Returns:
            Whether it was one request.
        """
        if len(receipts) == 1:
            said[receipts[0]] = await self._ask_singly(receipts[0])
            return True
        refused = False
        try:
            found = await self._batch(receipts)
        except UpstreamKeyRefused:
            raise
        except UpstreamRefused as error:
            if error.status in _NOT_THERE and self._leaves_out is not False:
                await self._ask_unknown(receipts, said, error)
                return False
            refused = True
        except (UpstreamFailed, UpstreamUnreadable) as error:
            await self._failed(error)
        else:
            for receipt in receipts:
                said[receipt] = found.get(receipt) or CaseUnknown(receipt=receipt)
            return True
        middle = (len(receipts) + 1) // 2
        halves = [
            await self._ask_batch(half, said) for half in (receipts[:middle], receipts[middle:])
        ]
        if refused and all(halves) and middle > 1:
            # For its size, and for no case in it.
            self._size = min(self._size, middle)
        return False

    async def _batch(self, receipts: Sequence[str]) -> dict[str, Told]:
        parameters = [("receipt", receipt) for receipt in receipts]
        answer = await self._asker.get(self._path("batch"), parameters)
        found = self._documents.several(answer, receipts=receipts)
        self._failures = 0
        self._told = next(iter(found), self._told)
        if len(found) < len(receipts):
            self._leaves_out = True
        return found

    async def _ask_unknown(
        self, receipts: Sequence[str], said: dict[str, Said], error: UpstreamError
    ) -> None:
        """Find out what it means that a batch is not there: none of its cases, one, or batches.

        Raises:
            UpstreamRefused: there is no address of batches; to ask for each case alone would use
                up the day.
        """
        for place, receipt in enumerate(receipts):
            said[receipt] = await self._ask_singly(receipt)
            if isinstance(said[receipt], Told):
                rest = receipts[place + 1 :]
                break
            if self._leaves_out:
                # One was asked for to be sure: an answer may have been a proxy's.
                said.update({one: CaseUnknown(receipt=one) for one in receipts[1:]})
                return
        else:
            return
        # It is known, so a batch with it was refused for another, or there are no batches.
        try:
            await self._batch([receipt])
        except UpstreamRefused:
            raise UpstreamRefused(
                error.message,
                hint="Compare `paths.batch` with your onboarding pack. With `batch = 1` cases are "
                "asked one by one.",
            ) from None
        self._leaves_out = False
        if rest:
            await self._ask_batch(rest, said)
