"""The client of Torch's case status API ("Endpoints" of its page)."""

from collections.abc import Sequence
from typing import ClassVar, Final

from casebell.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamKeyRefused,
    UpstreamRefused,
    UpstreamUnreadable,
)
from casebell.upstream.api_client import IN_A_ROW, ApiClient, Said
from casebell.upstream.told import CaseUnknown, Told

#: Answers by which an address says that it has no such thing; or that the cases are unknown.
_NOT_THERE: Final = (404, 405, 501)


class TorchClient(ApiClient):
    """Asks Torch; made by `client_for`, used with `async with`."""

    has_health: ClassVar[bool] = False
    #: Whether a batch was ever answered.
    _has_batches = False

    async def health(self) -> None:
        """Nothing: the API has no such question. Whether it is ready shows when it is asked.

        Raises:
            NotImplementedError: always; see `has_health`.
        """
        raise NotImplementedError

    async def _ask(self, receipts: Sequence[str], said: dict[str, Said]) -> None:
        size = self._settings.batch
        for start in range(0, len(receipts), size):
            await self._ask_batch(receipts[start : start + size], said)

    async def _ask_batch(self, receipts: Sequence[str], said: dict[str, Said]) -> None:
        """Ask for several at once; where that is refused, for the halves.

        A batch may be refused for one of its cases, and fail for one.
        """
        if len(receipts) == 1:
            said[receipts[0]] = await self._ask_singly(receipts[0])
            return
        try:
            found = await self._batch(receipts)
        except UpstreamKeyRefused:
            raise
        except UpstreamRefused as error:
            if error.status in _NOT_THERE and not self._has_batches:
                await self._see_batches(receipts, said, error)
                return
        except (UpstreamFailed, UpstreamUnreadable) as error:
            # One case makes all batches fail that it is in, one in the other and then alone.
            self._failed(error, at_most=IN_A_ROW + self._settings.batch.bit_length())
        else:
            for receipt in receipts:
                said[receipt] = found.get(receipt) or CaseUnknown(receipt=receipt)
            return
        middle = len(receipts) // 2
        await self._ask_batch(receipts[:middle], said)
        await self._ask_batch(receipts[middle:], said)

    async def _batch(self, receipts: Sequence[str]) -> dict[str, Told]:
        parameters = [("receipt", receipt) for receipt in receipts]
        answer = await self._asker.get(self._path("batch"), parameters)
        found = self._documents.several(answer, receipts=receipts)
        self._has_batches, self._failures = True, 0
        return found

    async def _see_batches(
        self, receipts: Sequence[str], said: dict[str, Said], error: UpstreamError
    ) -> None:
        """Find out whether it was a case that was not there, or the address of batches.

        Raises:
            UpstreamRefused: there is no such address; to ask for each case alone would use up the
                day.
        """
        first, *rest = receipts
        said[first] = alone = await self._ask_singly(first)
        if isinstance(alone, Told):
            try:
                await self._batch([first])
            except UpstreamRefused:
                raise UpstreamRefused(
                    error.message,
                    hint="Compare `paths.batch` with your onboarding pack. With `batch = 1` cases "
                    "are asked one by one.",
                ) from None
        if rest:
            await self._ask_batch(rest, said)
