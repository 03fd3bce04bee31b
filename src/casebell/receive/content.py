"""What a body says, however it is spelt: it tells a repeat with other bytes from a conflict."""

import contextlib
import json
from collections.abc import Iterator

from casebell.errors import HeldDelivery
from casebell.events import Content, Place
from casebell.provider_time import read_time
from casebell.receive.bodies import read_body
from casebell.settings import SourceSettings
from casebell.uscis.receipts import ReceiptError, canonical


def content_of(body: bytes, source: SourceSettings) -> Content:
    """The content of a body, without the source's volatile fields.

    Order of keys and white space do not count, nor does the spelling of a time or a receipt. Other
    numbers count as written: 1 and 1.0 differ. The content of a body that is not a JSON object is
    its bytes.
    """
    try:
        return dict(_Values(source).inside(read_body(body).document))
    except (HeldDelivery, RecursionError):
        return {(): body.hex()}


class _Values:
    """Lists the values of a body, each with its place, in one spelling."""

    def __init__(self, source: SourceSettings) -> None:
        volatile = {tuple(path.split(".")) for path in source.volatile}
        # A name without a dot is one at top level or in `data`, where both providers keep theirs.
        self._volatile = volatile | {("data", *path) for path in volatile if len(path) == 1}
        times = source.fields.occurred_at + source.fields.observed_at
        self._timezone = source.timezone
        self._times = {tuple(path.split(".")) for path in times}

    def inside(
        self, value: object, place: Place = (), names: tuple[str, ...] = ()
    ) -> Iterator[tuple[Place, str]]:
        """The values inside a value; `names` is its place without positions in lists."""
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                if (*names, name) not in self._volatile:
                    yield from self.inside(inner, (*place, name), (*names, name))
        elif isinstance(value, list) and value:
            for position, inner in enumerate(value):
                yield from self.inside(inner, (*place, position), names)
        else:
            time = names in self._times
            yield place, _spelling(value, time=time, timezone=self._timezone)


def _spelling(value: object, *, time: bool, timezone: str) -> str:
    """One text for all spellings of a value; no JSON begins like those of receipts and times."""
    if isinstance(value, str):
        with contextlib.suppress(ReceiptError):
            return f"receipt {canonical(value)}"
        # Elsewhere than in a time field, digits alone may be any number.
        time = time or "-" in value
    if time and (at := read_time(value, timezone=timezone).at) is not None:
        return f"time {at}"
    return json.dumps(value)
