"""The deliveries: what is on its way, when each is due, and what chance makes of it."""

import hashlib
import heapq
import random
from collections import Counter
from typing import Any

from casebell.clock import SECOND
from casebell.events import Micros
from casebell.sandbox.posting import Flaw
from casebell.sandbox.simulator.deliveries import Delivery, State
from casebell.sandbox.simulator.faults import Faults

#: Deliveries that are kept once they are settled; of more the oldest go.
MAX_SETTLED = 50_000
#: Simulated seconds within which deliveries change places, and a copy follows.
SHUFFLE_SECONDS = 10.0


class Outbox:
    """Chance goes by the seed and by how many were made, so that it is the same after a restart."""

    def __init__(self, *, seed: str) -> None:
        #: By number, which rises.
        self.deliveries: dict[int, Delivery] = {}
        #: How many there were of each state; a settled one that is not kept any more counts on.
        self.counts: Counter[State] = Counter()
        #: Due time and number of what is pending, as a heap; what is settled may still stand there.
        self.due: list[tuple[Micros, int]] = []
        #: How many there were in all.
        self.made = 0
        self._seed = seed
        self._settled: list[int] = []

    def deliver(self, faults: Faults, *, event_id: str, due_at: Micros, **values: Any) -> None:
        """Put a delivery on its way, and perhaps a second time, or not at all."""
        chance = random.Random(f"{self._seed}:{self.made}")  # noqa: S311 - no secret
        if faults.no_id:
            event_id = ""
        key = "" if faults.no_idempotency_key else _key(self._seed, self.made)
        due_at += round(faults.late * SECOND)
        if faults.reorder:
            due_at += round(chance.uniform(0, SHUFFLE_SECONDS) * SECOND)
        lost = chance.random() < faults.drop
        repeated = not lost and chance.random() < faults.duplicate
        flaw = _flaw(faults, chance)
        values |= {"event_id": event_id, "idempotency_key": key}
        first = self._put(due_at=due_at, flaw=flaw, **values)
        if lost:
            self.settle(first, State.DROPPED)
        if repeated:
            later = due_at + round(chance.uniform(0, SHUFFLE_SECONDS) * SECOND)
            self._put(due_at=later, copy_of=first.number, **values)

    def again(self, delivery: Delivery, *, at: Micros) -> None:
        """Try it at that time."""
        delivery.due_at = at
        heapq.heappush(self.due, (at, delivery.number))

    def settle(self, delivery: Delivery, state: State) -> None:
        """It is not tried any more."""
        self.counts[delivery.state] -= 1
        self.counts[state] += 1
        delivery.state = state
        delivery.body = b""
        self._settled.append(delivery.number)
        if len(self._settled) > 2 * MAX_SETTLED:
            for number in self._settled[:MAX_SETTLED]:
                del self.deliveries[number]
            del self._settled[:MAX_SETTLED]

    def _put(self, **values: Any) -> Delivery:
        self.made += 1
        made = Delivery(number=self.made, **values)
        self.deliveries[made.number] = made
        self.counts[made.state] += 1
        heapq.heappush(self.due, (made.due_at, made.number))
        return made


def identifier(seed: str, *parts: object) -> str:
    """The same for the same parts, and of no other."""
    text = ":".join(map(str, (seed, *parts)))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _key(seed: str, number: int) -> str:
    """An Idempotency-Key in the form of a UUID, as on Parley's page."""
    digits = identifier(seed, "key", number) + identifier(seed, "more", number)[:8]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _flaw(faults: Faults, chance: random.Random) -> Flaw | None:
    shares = {
        Flaw.UNSIGNED: faults.unsigned,
        Flaw.FORGED: faults.forged,
        Flaw.CUT_SHORT: faults.cut_short,
    }
    drawn = chance.random()
    for flaw, share in shares.items():
        if drawn < share:
            return flaw
        drawn -= share
    return None
