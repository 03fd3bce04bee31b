"""Understands a delivery: it becomes a CaseEvent, or is held with the reason.

A delivery is held if it has no identity or no content, or would need guessing: the body is not a
JSON object, the receipt is not valid, an identity field is given twice, a field has the wrong type,
or there is no status, category or text under a known name and the type implies none. Unknown words
and unreadable times are data: routing classifies them. The reasons: docs/decisions/upstream.md, B6
to B9, D7.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from casebell.clock import iso
from casebell.errors import HeldDelivery
from casebell.events import (
    CaseEvent,
    Delivery,
    Flag,
    HeldReason,
    KeyBasis,
    Micros,
    Origin,
    TimeBasis,
    VerifiedDelivery,
)
from casebell.json_text import UNSTORABLE
from casebell.kinds import status_of_type
from casebell.provider_time import time_of_status
from casebell.receive.bodies import JsonBody, find, read_body
from casebell.receive.provider_test import is_provider_test
from casebell.receive.unmapped import missing_receipt, missing_status
from casebell.settings import FieldMap, SourceSettings
from casebell.uscis.receipts import ReceiptError, canonical

#: Characters kept of the official text; the body has the whole text.
MAX_TEXT = 20_000
#: Characters kept of a type, a word, a raw time or receipt, an Idempotency-Key.
MAX_WORD = 200
#: Characters of an event id. A longer one is held: cut, it might equal another event's id.
MAX_ID = 200


class _When(NamedTuple):
    """The provider's time of the status."""

    at: Micros | None
    raw: str | None
    basis: TimeBasis | None
    flags: frozenset[Flag]


_NEVER = _When(None, None, None, frozenset())
_OCCURRED, _OBSERVED = TimeBasis.OCCURRED, TimeBasis.OBSERVED


def understand(verified: VerifiedDelivery, source: SourceSettings) -> CaseEvent:
    """Read a delivery of `source` as an event, not classified yet.

    A delivery whose verification says `hold` is held; to release it, pass it again without.

    Raises:
        HeldDelivery: its message never quotes the body.
    """
    if verified.hold is not None:
        raise HeldDelivery(verified.hold, "Validly signed, but at a time out of bounds.")
    delivery = verified.delivery
    body = read_body(delivery.body)
    fields = source.fields
    _require_single_identity(body, fields)

    receipt_raw, receipt = _receipt(body, source)
    whole_text = _text(body, fields.text)
    text = _capped(whole_text, MAX_TEXT)
    event_type = _capped(_text(body, fields.type), MAX_WORD)
    status = _capped(_text(body, fields.status), MAX_WORD)
    category = _capped(_text(body, fields.category), MAX_WORD)
    when = _when(body, source, received_at=delivery.received_at)
    if verified.origin is Origin.RECONCILED:
        key = reconciled_key(receipt, at=when.at, told=(status, category, whole_text))
        basis = KeyBasis.RECONCILED
    else:
        event_id = _id(body, fields)
        key, basis = _key(event_id, delivery, receipt=receipt, at=when.at, text=whole_text)
    if not (text or status or category or status_of_type(event_type)):
        raise HeldDelivery(HeldReason.MISSING_STATUS, missing_status(body.document, source))
    return CaseEvent(
        source=source.name,
        key=key,
        key_basis=basis,
        type=event_type,
        receipt=receipt,
        receipt_raw=receipt_raw,
        delivered_status=status or category or None,
        delivered_category=(category or None) if status else None,
        text=text,
        occurred_at=when.at,
        occurred_raw=when.raw,
        time_basis=when.basis,
        received_at=delivery.received_at,
        flags=verified.flags | when.flags,
        body=delivery.body,
        body_sha256=hashlib.sha256(delivery.body).hexdigest(),
        secret_label=verified.secret_label,
        address=delivery.address,
        idempotency_key=idempotency_key(delivery),
        request_id=delivery.request_id,
        origin=verified.origin,
    )


def reconciled_key(receipt: str, *, at: Micros | None, told: Sequence[str]) -> str:
    """The key of what the provider's API told: the same state at the same time is the same event.

    Like the name of a revision it has a no-break space, which no id of a source can have: what is
    found here takes no webhook's place, and the two are one change
    (docs/decisions/upstream.md, C1 and C7).

    Args:
        told: status, category and text as the API has them.
    """
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
    when = "undated" if at is None else iso(at)
    return f"{receipt}@{when}\N{NO-BREAK SPACE}(reconciled {digest})"


def idempotency_key(delivery: Delivery) -> str | None:
    """The Idempotency-Key header, capped; several are joined. Recorded, never trusted."""
    values = [value for name, value in delivery.headers if name == b"idempotency-key"]
    if not values:
        return None
    text = b", ".join(values).decode("utf-8", "replace")
    return _capped(UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text), MAX_WORD)


def _require_single_identity(body: JsonBody, fields: FieldMap) -> None:
    """Hold a body with two ids, receipts or times in one object: it is ambiguous which counts."""
    paths = (*fields.id, *fields.receipt, *fields.occurred_at, *fields.observed_at)
    if repeated := body.repeated(paths):
        raise HeldDelivery(HeldReason.DUPLICATE_KEYS, f"A key of {repeated[0]} comes twice.")


def _receipt(body: JsonBody, source: SourceSettings) -> tuple[str, str]:
    """The receipt as delivered, and in canonical form."""
    found = find(body.document, source.fields.receipt)
    if found is None:
        if is_provider_test(body.document):
            raise HeldDelivery(HeldReason.PROVIDER_TEST, "The provider's own test: it arrived.")
        raise HeldDelivery(HeldReason.MISSING_RECEIPT, missing_receipt(body.document, source))
    path, value = found
    if not isinstance(value, str):
        raise HeldDelivery(HeldReason.INVALID_RECEIPT, f"{path} is not a string.")
    try:
        return _capped(_storable(value, body), MAX_WORD), canonical(value)
    except ReceiptError:
        # The value may name a person (an A-number), so no message repeats it.
        raise HeldDelivery(HeldReason.INVALID_RECEIPT, f"{path} is not a receipt number.") from None


def _id(body: JsonBody, fields: FieldMap) -> str | None:
    """The source's own id, unaltered; a whole number as decimal text."""
    found = find(body.document, fields.id)
    if found is None:
        return None
    path, value = found
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise HeldDelivery(HeldReason.INVALID_FIELD, f"{path} is not a string.")
    if len(value) > MAX_ID:
        raise HeldDelivery(HeldReason.INVALID_FIELD, f"{path} is longer than {MAX_ID} characters.")
    if not value.isprintable():
        raise HeldDelivery(
            HeldReason.INVALID_FIELD, f"{path} holds characters that cannot be shown."
        )
    return value


def _text(body: JsonBody, paths: Sequence[str]) -> str:
    """The text of a field, with characters that cannot be stored replaced; "" if absent."""
    found = find(body.document, paths)
    if found is None:
        return ""
    path, value = found
    if not isinstance(value, str):
        raise HeldDelivery(HeldReason.INVALID_FIELD, f"{path} is not a string.")
    return _storable(value, body)


def _when(body: JsonBody, source: SourceSettings, *, received_at: Micros) -> _When:
    fields = source.fields
    basis = _OCCURRED
    found = find(body.document, fields.occurred_at)
    if found is None:
        basis = _OBSERVED
        found = find(body.document, fields.observed_at)
        if found is None:
            return _NEVER
    _, value = found
    read = time_of_status(value, received_at=received_at, timezone=source.timezone)
    return _When(read.at, _raw(value, body), None if read.placeholder else basis, read.flags)


def _raw(value: object, body: JsonBody) -> str | None:
    """A scalar as it is in the body; None for an object or a list."""
    if isinstance(value, str):
        return _capped(_storable(value, body), MAX_WORD)
    if isinstance(value, bool | int | float):
        return _capped(json.dumps(value), MAX_WORD)
    return None


def _key(
    event_id: str | None, delivery: Delivery, *, receipt: str, at: Micros | None, text: str
) -> tuple[str, KeyBasis]:
    """The key: the source's id, else receipt and time, else a digest of the delivery."""
    if event_id is not None:
        return event_id, KeyBasis.ID
    if at is not None:
        return f"{receipt}@{iso(at)}", KeyBasis.RECEIPT_TIME
    # The first three hold no NUL, so that different deliveries have different input.
    parts = (delivery.source.encode(), receipt.encode(), text.encode(), delivery.body)
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
    return f"sha256:{digest}", KeyBasis.DIGEST


def _storable(text: str, body: JsonBody) -> str:
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text) if body.escapes else text


def _capped(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
