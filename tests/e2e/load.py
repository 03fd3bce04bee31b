"""What sources send at a server that is killed: every kind of delivery, and what was acknowledged.

One delivery is on its way on each connection. What got no answer is sent again, as a source does.
"""

import asyncio
import contextlib
import hashlib
import random
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from e2e.sender import Answer, Wire, document, encoded, request, shared
from e2e.server import Server

#: The statuses delivered, how often, with their texts and Torch's categories.
STATUSES: dict[str, tuple[int, str, str]] = {
    "received": (55, "Case Was Received", "Case Received"),
    "approved": (35, "Case Was Approved", "Approved"),
    "rfe_issued": (10, "Request for Initial Evidence Was Sent", "Request for Evidence"),
}
#: Kinds of delivery, and how often: "again" repeats what was acknowledged, "conflict" brings other
#: content under its id, "sibling" the same change under another id.
KINDS = {"parley": 58, "torch": 14, "again": 12, "conflict": 6, "sibling": 10}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One delivery, ready to be signed."""

    kind: str
    source: str
    key: str
    receipt: str
    status: str
    body: bytes

    @property
    def sha256(self) -> str:
        """Of its body, as the database has it."""
        return hashlib.sha256(self.body).hexdigest()


class Load:
    """Deliveries without end, and a book of what was acknowledged.

    Args:
        chance: decides what comes next; the same seed brings the same deliveries.
    """

    def __init__(self, *, chance: random.Random) -> None:
        self._chance = chance
        #: Without an answer: sent again before anything new.
        self._unanswered: deque[Sent] = deque()
        #: Answered `stored` or `duplicate`, by source and key: the first content.
        self.stored: dict[tuple[str, str], Sent] = {}
        #: Answered `conflict`, by source and key of the revision.
        self.conflicts: dict[tuple[str, str], Sent] = {}
        self._known: list[Sent] = []
        #: 2xx answers by what they said, and other answers by status.
        self.answers: Counter[str] = Counter()
        #: What no answer should have been.
        self.wrong: list[str] = []

    @property
    def acknowledged(self) -> int:
        """Deliveries answered with a 2xx."""
        return sum(self.answers[word] for word in ("stored", "duplicate", "conflict"))

    def take(self) -> Sent:
        """What to send next."""
        if self._unanswered:
            return self._unanswered.popleft()
        (kind,) = self._chance.choices([*KINDS], [*KINDS.values()])
        if not self._known and kind not in ("parley", "torch"):
            kind = "parley"
        if kind in ("parley", "torch"):
            (status,) = self._chance.choices([*STATUSES], [n for n, *_ in STATUSES.values()])
            return _made(kind, kind, status)
        known = self._chance.choice(self._known)
        if kind == "again":
            return known
        if kind == "sibling":
            return _made(kind, known.source, known.status, receipt=known.receipt)
        return _made(
            kind, known.source, known.status, receipt=known.receipt, key=known.key, note=" Again."
        )

    def back(self, sent: Sent) -> None:
        """It got no answer, or was told to come again."""
        self._unanswered.append(sent)

    def answered(self, sent: Sent, answer: Answer) -> None:
        """Enter an answer into the book."""
        if answer.status == 503:
            self.answers["503"] += 1
            if int(answer.headers.get("retry-after", "0")) < 1:
                self.wrong.append("a 503 without Retry-After")
            self.back(sent)
            return
        said: dict[str, Any] = answer.json()
        word = str(said.get("status", answer.status))
        name = (sent.source, sent.key)
        self.answers[word] += 1
        if sent.kind == "conflict" and word == "conflict":
            self.conflicts[sent.source, sent.sha256] = sent
        elif sent.kind != "conflict" and word == "stored" and name not in self.stored:
            self.stored[name] = sent
            self._known.append(sent)
        elif sent.kind != "conflict" and word == "duplicate":
            # Of a known one, or the first answer to what was stored before the kill.
            if name not in self.stored:
                self._known.append(sent)
            self.stored[name] = sent
        else:
            self.wrong.append(f"{sent.kind} {sent.key} answered {answer.status} {word}")

    async def run(self, server: Server, *, pause: float) -> None:
        """Send on one connection until it breaks; `pause` seconds between two deliveries."""
        with contextlib.suppress(ConnectionError, EOFError):
            async with Wire(server) as wire:
                while True:
                    sent = self.take()
                    try:
                        headers = shared() if sent.source == "torch" else None
                        await wire.say(request(sent.body, headers, path=f"/webhooks/{sent.source}"))
                        answer = await wire.hear()
                    except BaseException:
                        self.back(sent)
                        raise
                    self.answered(sent, answer)
                    await asyncio.sleep(pause if answer.status < 300 else 0.05)


def _made(
    kind: str, source: str, status: str, *, receipt: str = "", key: str = "", note: str = ""
) -> Sent:
    """A delivery in its source's own words."""
    _, text, category = STATUSES[status]
    fields = document(normalized_status=status, raw_status_text=text + note)
    receipt, key = receipt or fields["receipt_number"], key or fields["id"]
    content = {**fields, "receipt_number": receipt, "id": key}
    if source == "torch":
        content = {
            "type": "case.status.updated",
            "data": {
                "receipt_number": receipt,
                "status_text": text + note,
                "status_category": category,
                "last_status_at": fields["occurred_at"],
            },
            "id": key,
        }
    return Sent(
        kind=kind,
        source=source,
        key=key,
        receipt=receipt,
        status=status,
        body=encoded(content),
    )
