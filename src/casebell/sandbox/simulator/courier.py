"""Posts what is due, a few at once, until it is told to end."""

import asyncio
import heapq
import json
import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from casebell.clock import SECOND
from casebell.errors import ServerUnreachable
from casebell.sandbox.posting import Flaw, Poster, Posting, posting_of
from casebell.sandbox.simulator.clock import SimulatedClock
from casebell.sandbox.simulator.deliveries import MAX_SAID, Delivery, State
from casebell.sandbox.simulator.secrets_in_use import parley_source, torch_source
from casebell.sandbox.simulator.world import World

#: Defects go to standard error: nothing else is said there.
_defects = logging.getLogger(__name__)
#: Until the next try where the last one could not be put on record.
PAUSE = 10 * SECOND
#: Posts under way at once.
AT_ONCE = 16
#: Seconds until the time is looked at again; whatever is new wakes at once.
LONGEST_WAIT = 60.0


class Courier:
    """Delivers for both APIs. Of one case and one address only one delivery is under way."""

    def __init__(self, *, world: World, clock: SimulatedClock) -> None:
        self._world = world
        self._clock = clock
        self._wake = asyncio.Event()
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._after: dict[tuple[str, str], list[tuple[int, int]]] = {}

    def wake(self) -> None:
        """Something new may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with Poster() as poster:
            try:
                while True:
                    self._wake.clear()
                    self._begin(poster)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._wait()):
                            await self._wake.wait()
            finally:
                under_way = list(self._under_way.values())
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    def _begin(self, poster: Poster) -> None:
        due, now = self._world.outbox.due, self._clock.now()
        while due and due[0][0] <= now and len(self._under_way) < AT_ONCE:
            entry = heapq.heappop(due)
            delivery = self._world.outbox.deliveries.get(entry[1])
            if delivery is None or delivery.state is not State.PENDING:
                continue
            place = (delivery.url, delivery.receipt)
            if place in self._under_way:
                self._after.setdefault(place, []).append(entry)
                continue
            task = asyncio.create_task(self._deliver(poster, delivery))
            self._under_way[place] = task
            task.add_done_callback(partial(self._ended, place, delivery))

    def _ended(self, place: tuple[str, str], delivery: Delivery, task: asyncio.Task[None]) -> None:
        del self._under_way[place]
        if not task.cancelled() and (error := task.exception()) is not None:
            _defects.error("A delivery failed, and is tried again.", exc_info=error)
            self._again(delivery)
        for entry in self._after.pop(place, ()):
            heapq.heappush(self._world.outbox.due, entry)
        self._wake.set()

    def _wait(self) -> float:
        """Seconds until something is due; until woken, where as much as may be is under way."""
        if not self._world.outbox.due or len(self._under_way) >= AT_ONCE:
            return LONGEST_WAIT
        left = max(0, self._world.outbox.due[0][0] - self._clock.now()) / SECOND
        return min(self._clock.machine_seconds(left), LONGEST_WAIT)

    async def _deliver(self, poster: Poster, delivery: Delivery) -> None:
        status: int | None = None
        said = "no answer"
        try:
            response = await poster.post(delivery.url, self._posting(delivery))
        except ServerUnreachable:
            pass
        else:
            status, said = response.status_code, _word(response.content)
        # A full disk loses only that it was tried, and it is tried again.
        with suppress(OSError):
            self._world.perform("tried", delivery=delivery.number, status=status, said=said)
            return
        self._again(delivery)

    def _again(self, delivery: Delivery) -> None:
        """Try it later, although nothing is on record of this try."""
        self._world.outbox.again(delivery, at=self._clock.now() + PAUSE)

    def _posting(self, delivery: Delivery) -> Posting:
        world, faults = self._world, self._world.faults
        machine = self._clock.machine.now() // SECOND
        at = (delivery.made_at if faults.signed_once else machine) - round(faults.signature_age)
        flaw: Flaw | None = delivery.flaw if delivery.tries == 0 else None
        body = delivery.body
        secrets: tuple[str, ...]
        if delivery.api == "torch":
            hook = world.torch_webhook
            header = hook.header if hook else "X-Torch-Secret"
            source, secrets = torch_source(header), (hook.secret if hook else world.secrets.torch,)
        else:
            own = next((s for s in world.subscriptions if s.id == delivery.subscription), None)
            source = parley_source(compact=faults.sign_compact)
            secrets = (own.secret,) if own and own.secret else world.secrets.parley
            if faults.sign_compact:
                body = json.dumps(json.loads(body), ensure_ascii=False, indent=2).encode()
        posting = posting_of(
            source,
            body,
            secret=secrets[0],
            also=secrets[1:],
            at=max(0, at),
            idempotency_key=delivery.idempotency_key,
            flaw=flaw,
        )
        if delivery.idempotency_key:
            return posting
        headers = {k: v for k, v in posting.headers.items() if k != "Idempotency-Key"}
        return replace(posting, headers=headers)


def _word(content: bytes) -> str:
    """What an answer says in a word, as Casebell's do."""
    try:
        said: Any = json.loads(content[:65_536])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    word = said.get("status", said.get("error", ""))
    return word[:MAX_SAID] if isinstance(word, str) else ""
