"""The client of Parley's case status API ("Endpoints" of its page)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from casebell.errors import UpstreamFailed, UpstreamRefused, UpstreamUnreadable
from casebell.events import Micros
from casebell.json_text import encode
from casebell.upstream.answer import Answer
from casebell.upstream.api_client import ApiClient, Said
from casebell.upstream.history import Pages, read_history
from casebell.upstream.told import (
    NewReceipt,
    Registered,
    Subscription,
    Told,
)
from casebell.uscis.receipts import ReceiptError, canonical, mask
from casebell.visible import visible

#: Characters that are kept of the id of a subscription.
MAX_ID: Final = 200


class ParleyClient(ApiClient):
    """Asks Parley; made by `client_for`, used with `async with`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Of all histories.
        self._pages = Pages()

    async def health(self) -> None:
        """See that the API is ready.

        Raises:
            UpstreamError: it is not.
        """
        answer = await self._asker.get(self._settings.paths.health, open_to_all=True)
        status = self._object(answer).get("status")
        if status != "ok":
            word = self._asker.translate.shown(str(status))
            message = f'The API "{self._settings.name}" says that it is not ready: {word}.'
            raise UpstreamFailed(message)

    async def _ask(self, receipts: Sequence[str], said: dict[str, Said]) -> None:
        for receipt in receipts:
            said[receipt] = await self._ask_singly(receipt)

    async def history(self, receipt: str, *, back_to: Micros | None) -> Sequence[Told]:
        """The changes of a case, newest first; none where the API has none.

        Args:
            back_to: those before it are not needed; None: all are.

        Raises:
            UpstreamError: it cannot be read to its end.
        """

        async def page(limit: int, before: str | None) -> Sequence[Told]:
            parameters = [("receipt", receipt), ("limit", str(limit))]
            if before is not None:
                parameters.append(("before", before))
            try:
                answer = await self._asker.get(self._path("events"), parameters)
            except UpstreamRefused as error:
                if error.is_unknown:
                    return ()
                raise
            return self._documents.history(answer, receipt=receipt)

        return await read_history(page, back_to=back_to, pages=self._pages, endless=self._endless)

    async def register(self, cases: Sequence[NewReceipt], *, key: str) -> Registered:
        """Have cases tracked.

        Args:
            cases: at least one.
            key: the Idempotency-Key; the same for the same cases, and for no others.

        Raises:
            UpstreamConflict: the key was used for other cases.
            UpstreamError: they are not known to be registered.
        """
        receipts = []
        for case in cases:
            one = {"receipt_number": case.receipt}
            if case.label and self._settings.labels:
                one["label"] = case.label
            receipts.append(one)
        body = encode({"receipts": receipts}).encode()
        answer = await self._asker.post(self._path("receipts"), body, key=key)
        document = self._object(answer)
        asked = frozenset(case.receipt for case in cases)
        return Registered(
            registered=self._receipts(document, "registered", asked),
            already=self._receipts(document, "already_registered", asked),
        )

    async def subscribe(
        self, *, url: str, events: Sequence[str], secret: str, key: str
    ) -> Subscription:
        """Have deliveries sent to an address.

        Args:
            secret: what they are to be signed with.
            key: the Idempotency-Key.

        Raises:
            UpstreamError: it is not known to be made.
        """
        body = encode({"url": url, "events": list(events), "secret": secret}).encode()
        path = self._path("subscriptions")
        answer = await self._asker.post(path, body, key=key, secrets=[secret])
        document = self._object(answer)
        made, at = document.get("id"), document.get("created_at", "")
        kept, types = document.get("url", url), document.get("events", list(events))
        made = " ".join(visible(made).split())[:MAX_ID] if isinstance(made, str) else ""
        if not (made and isinstance(kept, str)):
            raise self._asker.translate.unreadable("it names no subscription")
        if not isinstance(types, list):
            raise self._asker.translate.unreadable("the types of the subscription are no list")
        return Subscription(
            id=made,
            url=kept,
            events=tuple(str(one) for one in types),
            created_at=at if isinstance(at, str) else "",
        )

    def _object(self, answer: Answer) -> Mapping[str, object]:
        return self._documents.object_in(answer)

    def _receipts(
        self, document: Mapping[str, object], name: str, asked: frozenset[str]
    ) -> tuple[str, ...]:
        """The receipts in a list of an answer, canonical.

        Raises:
            UpstreamUnreadable: it is no list of receipts.
            WrongReceipt: one was not asked for.
        """
        listed = document.get(name)
        if not isinstance(listed, list):
            raise self._asker.translate.unreadable(f"{name} is no list")
        found = dict[str, None]()
        for one in listed:
            raw = one.get("receipt_number") if isinstance(one, Mapping) else one
            try:
                receipt = canonical(raw if isinstance(raw, str) else "")
            except ReceiptError:
                why = f"{name} has what is no receipt number"
                raise self._asker.translate.unreadable(why) from None
            if receipt not in asked:
                raise self._asker.translate.wrong_receipt(mask(receipt))
            found[receipt] = None
        return tuple(found)

    def _endless(self, why: str) -> UpstreamUnreadable:
        return self._asker.translate.unreadable(
            f"the history cannot be read to its end, because {why}"
        )
