"""Reads what APIs tell of cases: the objects of an answer as they came, and whose each is.

Both pages say that names may vary, so receipt and times are found by the source's field map, and
lists by what they are. Whatever else an object has is kept: its bytes become an event's body.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from casebell.errors import HeldDelivery, WrongReceipt
from casebell.events import HeldReason, Micros
from casebell.provider_time import read_time
from casebell.receive.bodies import JsonBody, elements, find, read_body
from casebell.settings import SourceSettings
from casebell.upstream.answer import Answer, Translator
from casebell.upstream.told import Told
from casebell.uscis.receipts import ReceiptError, canonical, mask

#: Objects of a list: as many as a batch may have.
MOST_ENTRIES: Final = 1_000
#: What stands before an object or a list.
_BLANKS = b" \t\r\n\xef\xbb\xbf"
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class Documents:
    """Reads the answers of one API.

    Args:
        source: the one to which belongs what it tells.
    """

    def __init__(self, source: SourceSettings, translate: Translator) -> None:
        self._source = source
        self._translate = translate

    def one(self, answer: Answer, *, receipt: str) -> Told:
        """The state of the case that was asked for.

        Raises:
            UpstreamUnreadable: it is none.
            WrongReceipt: it is another case's.
        """
        if _first_byte(answer.body) == b"[":
            several = self._list(answer, answer.body)
            if len(several) != 1:
                raise self._translate.unreadable(f"it has {len(several)} states of one case")
            return self.told(several[0], receipt=receipt)
        self.object_in(answer)
        return self.told(answer.body, receipt=receipt)

    def several(self, answer: Answer, *, receipts: Sequence[str]) -> dict[str, Told]:
        """The states of cases that were asked for, by receipt; some may be missing.

        Raises:
            UpstreamUnreadable: it is no list of such, or has two states of one case.
            WrongReceipt: there is a case which was not asked for.
        """
        asked, found = frozenset(receipts), dict[str, Told]()
        for body in self.list_in(answer):
            document = self._read(body)
            receipt = self._receipt(document)
            if receipt is None:
                raise self._translate.unreadable("a state in it names no case")
            if receipt not in asked:
                raise self._wrong(receipt)
            told = Told(receipt=receipt, body=body, at=self._time(document))
            if found.setdefault(receipt, told).body != told.body:
                raise self._translate.unreadable("it has two states of one case")
        return found

    def history(self, answer: Answer, *, receipt: str) -> list[Told]:
        """The entries of a page of the history that was asked for.

        The answer names the case, and its entries do not; each is given its receipt.

        Raises:
            UpstreamUnreadable: it is none.
            WrongReceipt: the whole or an entry is another case's.
        """
        entries = self.list_in(answer)
        if _first_byte(answer.body) == b"{":
            named = self._receipt(self._read(answer.body))
            if named is not None and named != receipt:
                raise self._wrong(named)
        return [self.told(one, receipt=receipt, adding=True) for one in entries]

    def list_in(self, answer: Answer) -> Sequence[bytes]:
        """The objects of an answer that is a list, or an object with one list of objects.

        Raises:
            UpstreamUnreadable: it is neither.
        """
        if _first_byte(answer.body) == b"[":
            return self._list(answer, answer.body)
        if len(self.object_in(answer)) > MOST_ENTRIES:
            raise self._translate.unreadable(f"it has more than {MOST_ENTRIES:,} fields")
        parts = [one.encode() for one in _values(answer.body.decode("utf-8-sig"))]
        lists = [self._list(answer, one) for one in parts if _first_byte(one) == b"["]
        # Of several all are empty but the one.
        filled = [one for one in lists if one]
        if not lists or len(filled) > 1:
            raise self._translate.unreadable("it has no list, or more than one")
        return filled[0] if filled else ()

    def told(self, body: bytes, *, receipt: str, adding: bool = False) -> Told:
        """An object as what was told of a case.

        Args:
            adding: where it names no case, it is the one that was asked for.

        Raises:
            UpstreamUnreadable: it is none.
            WrongReceipt: it is another case's.
        """
        document = self._read(body)
        named = self._receipt(document)
        if named is None and adding:
            body = self._with_receipt(body, document, receipt)
            document, named = self._read(body), receipt
        if named is None:
            raise self._translate.unreadable("it names no case")
        if named != receipt:
            raise self._wrong(named)
        return Told(receipt=receipt, body=body, at=self._time(document))

    def object_in(self, answer: Answer) -> Mapping[str, object]:
        """The object that an answer is.

        Raises:
            UpstreamUnreadable: it is none.
        """
        try:
            return read_body(answer.body).document
        except HeldDelivery as error:
            if error.reason is HeldReason.NOT_AN_OBJECT:
                raise self._translate.unreadable("it is JSON of another shape") from None
            raise self._translate.no_json(answer) from None

    def _list(self, answer: Answer, body: bytes) -> Sequence[bytes]:
        """The objects of a list, each as it was sent."""
        try:
            if found := elements(body, at_most=MOST_ENTRIES):
                return found
            is_empty = json.loads(body) == []
        except HeldDelivery:
            why = f"it is a list of more than {MOST_ENTRIES:,} objects"
            raise self._translate.unreadable(why) from None
        except (ValueError, RecursionError):
            raise self._translate.no_json(answer) from None
        if not is_empty:
            raise self._translate.unreadable("it is a list in which something is no object")
        return ()

    def _read(self, body: bytes) -> JsonBody:
        try:
            return read_body(body)
        except HeldDelivery as error:
            raise self._translate.unreadable(error.message.removesuffix(".")) from None

    def _receipt(self, document: JsonBody) -> str | None:
        """The case that it names, canonical; None where it names none."""
        paths = self._source.fields.receipt
        if document.repeated(paths):
            raise self._translate.unreadable("it names its case twice")
        found = find(document.document, paths)
        if found is None:
            return None
        _, value = found
        try:
            return canonical(value) if isinstance(value, str) else self._no_receipt()
        except ReceiptError:
            return self._no_receipt()

    def _no_receipt(self) -> str:
        raise self._translate.unreadable("what names its case is no receipt number")

    def _wrong(self, receipt: str) -> WrongReceipt:
        return self._translate.wrong_receipt(mask(receipt))

    def _time(self, document: JsonBody) -> Micros | None:
        fields = self._source.fields
        found = find(document.document, fields.occurred_at)
        found = found or find(document.document, fields.observed_at)
        return read_time(found[1], timezone=self._source.timezone).at if found else None

    def _with_receipt(self, body: bytes, document: JsonBody, receipt: str) -> bytes:
        """The object with its receipt where the field map looks for it."""
        path = next(
            (one for one in self._source.fields.receipt if "." not in one),
            self._source.fields.receipt[0],
        )
        if "." not in path and path not in document.document:
            # The rest of the bytes stay as they came.
            rest = body.lstrip(_BLANKS)[1:]
            comma = b"" if rest.lstrip().startswith(b"}") else b", "
            return (
                b"{" + json.dumps(path).encode() + b': "' + receipt.encode() + b'"' + comma + rest
            )
        whole = dict(document.document)
        place = whole
        *above, name = path.split(".")
        for one in above:
            inner = place.get(one)
            place[one] = dict(inner) if isinstance(inner, dict) else {}
            place = place[one]  # type: ignore[assignment]
        place[name] = receipt
        return json.dumps(whole, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _first_byte(body: bytes) -> bytes:
    return body[:64].lstrip(_BLANKS)[:1]


def _values(text: str) -> Iterator[str]:
    """The values of an object, which is known to be one, as they are written."""
    place = text.index("{") + 1
    while (place := _past_blanks(text, place)) < len(text) and text[place] == '"':
        _, place = _DECODER.raw_decode(text, place)
        begin = _past_blanks(text, _past_blanks(text, place) + 1)
        _, place = _DECODER.raw_decode(text, begin)
        yield text[begin:place]
        # The comma, or the end.
        place = _past_blanks(text, place) + 1


def _past_blanks(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    return found.end() if found else place
