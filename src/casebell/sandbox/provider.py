"""The demo's provider: the simulator in this process, and what the demo has it do."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

from casebell.sandbox.expect import StepFailed, expect
from casebell.sandbox.simulator.app import SimulatorSettings
from casebell.sandbox.simulator.cases import Case
from casebell.sandbox.simulator.serving import running

#: Seconds until what is on its way has arrived; a second try of it takes five.
SETTLED_WITHIN = 15
#: Deliveries that are listed: more than a scenario makes.
_ALL = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """The simulated APIs, and their control endpoints as docs/sandbox.md has them."""

    #: Also of a page, on which people move cases.
    url: str
    token: str = field(repr=False)
    #: Those that it has heard of, by receipt number.
    cases: Mapping[str, Case] = field(repr=False)
    client: httpx2.AsyncClient = field(repr=False)

    @classmethod
    @asynccontextmanager
    async def simulated(cls) -> AsyncIterator[Self]:
        """On a free port of this machine, until the block ends."""
        async with running(SimulatorSettings()) as served:
            token, cases = served.simulator.token, served.simulator.world.cases
            headers = {"Authorization": f"Bearer {token}"}
            client = httpx2.AsyncClient(
                base_url=served.url, headers=headers, trust_env=False, timeout=2 * SETTLED_WITHIN
            )
            async with client:
                yield cls(url=served.url, token=token, cases=cases, client=client)

    async def move(self, receipt: str, status: str) -> int:
        """Move a case now; how many deliveries that makes, with those that get lost.

        Raises:
            StepFailed: it does not.
        """
        answer = await self._post(f"/control/cases/{receipt}", {"status": status})
        return int(answer["deliveries"])

    async def knows(self, movements: Sequence[Mapping[str, Any]]) -> None:
        """Have it know what has become of cases, and tell nobody.

        Args:
            movements: each with receipt, status, text, and `at` as ISO 8601.
        """
        moves = [{**movement, "quiet": True} for movement in movements]
        await self._post("/control/cases", {"moves": moves})

    async def lose_deliveries(self, share: float) -> None:
        """So many of those that are made from now on are never sent."""
        await self._post("/control/faults", {"drop": share})

    async def subscriptions(self) -> list[dict[str, Any]]:
        """Where its webhooks go, without secrets."""
        answer = _content(await self.client.get("/control/subscriptions"))
        return list(answer["subscriptions"])

    async def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery with its answers, oldest first, once none is on its way.

        Raises:
            StepFailed: one still is.
        """
        asked = {"wait": SETTLED_WITHIN, "limit": _ALL}
        answer = _content(await self.client.get("/control/deliveries", params=asked))
        expect("deliveries on their way", expected=0, got=answer["counts"]["pending"])
        return list(reversed(answer["deliveries"]))

    async def _post(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return _content(await self.client.post(path, json=content))


def _content(response: httpx2.Response) -> dict[str, Any]:
    """What a control endpoint said."""
    if response.status_code != 200:
        got = f"{response.status_code}: {response.text}"
        raise StepFailed(f"the simulator at {response.url.path}", expected="200", got=got)
    return dict(response.json())
