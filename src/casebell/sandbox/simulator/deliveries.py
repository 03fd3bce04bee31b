"""The deliveries that a movement makes: what is posted where, when, and what becomes of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from casebell.clock import iso, iso_or_none
from casebell.events import Micros
from casebell.sandbox.posting import Flaw

#: Characters of an answer's word that are kept.
MAX_SAID = 200


class State(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    #: A 2xx came.
    DELIVERED = "delivered"
    #: As many tries as are made have failed.
    GAVE_UP = "gave_up"
    #: It was lost on purpose.
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What came of one try."""

    at: Micros
    #: None: no answer came.
    status: int | None
    #: The answer's word: `stored`, `duplicate`, an error's code.
    said: str = ""

    @property
    def good(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    def shown(self) -> dict[str, Any]:
        """As the control endpoints tell it."""
        return {"at": iso(self.at), "status": self.status, "said": self.said}


@dataclass(kw_only=True, slots=True)
class Delivery:
    """One webhook on its way to one address."""

    number: int
    #: `parley` or `torch`.
    api: str
    #: The subscription's; "" of Torch.
    subscription: str
    url: str
    receipt: str
    type: str
    #: "" where the body has none.
    event_id: str
    idempotency_key: str
    body: bytes = field(repr=False)
    #: When its next try is due.
    due_at: Micros
    #: When it was made, by the machine's clock in seconds: what a signature says that stays.
    made_at: int
    state: State = State.PENDING
    #: At its first try.
    flaw: Flaw | None = None
    #: The number of the one that it repeats.
    copy_of: int | None = None
    answers: list[Answered] = field(default_factory=list)

    @property
    def tries(self) -> int:
        """How many there were."""
        return len(self.answers)

    def shown(self) -> dict[str, Any]:
        """As the control endpoints tell it: without body and secret."""
        return {
            "number": self.number,
            "api": self.api,
            "subscription": self.subscription or None,
            "url": self.url,
            "receipt_number": self.receipt,
            "type": self.type,
            "event_id": self.event_id or None,
            "idempotency_key": self.idempotency_key or None,
            "state": str(self.state),
            "tries": self.tries,
            "next_try_at": iso_or_none(self.due_at if self.state is State.PENDING else None),
            "flaw": self.flaw and str(self.flaw),
            "copy_of": self.copy_of,
            "answers": [one.shown() for one in self.answers],
        }
