"""`casebell sandbox` as a process of its own, which a test moves, kills and starts again."""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from e2e.recipients import free_port
from e2e.server import environment
from waiting import until

TOKEN = "the-token-of-a-rehearsal"
SIGNING = "the-signing-secret-of-a-rehearsal"


class SandboxProcess:
    """One with a file of its state; use it with `async with`."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = directory
        self._log = directory / "sandbox.log"
        self._process: asyncio.subprocess.Process | None = None
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=120,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.kill()
        await self._client.aclose()

    async def start(self) -> None:
        """Start it where it was, and return once it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "casebell", "sandbox", "--port", str(self.port)),
                *("--state", str(self._directory / "sandbox.state")),
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=environment()
                | {
                    "CASEBELL_SANDBOX_TOKEN": TOKEN,
                    "CASEBELL_SANDBOX_PARLEY_SECRET": SIGNING,
                    "CASEBELL_SANDBOX_TORCH_SECRET": SIGNING,
                },
            )

        async def answers() -> bool:
            with suppress(httpx2.HTTPError):
                return (await self._client.get("/health")).status_code == 200
            assert self._process is not None
            assert self._process.returncode is None, self._log.read_text()
            return False

        await until(answers, "the sandbox to answer", within=60)

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def control(self, path: str, content: object = None) -> dict[str, Any]:
        """Ask a control endpoint, again where it was killed meanwhile; its answer."""
        found: dict[str, Any] = {}

        async def answered() -> bool:
            method = "GET" if content is None else "POST"
            with suppress(httpx2.HTTPError):
                answer = await self._client.request(method, f"/control/{path}", json=content)
                assert answer.status_code == 200, answer.text
                found.update(answer.json())
                return True
            return False

        await until(answered, f"an answer to {path}", within=60)
        return found

    async def settled(self) -> dict[str, int]:
        """Wait until no delivery is pending; how many there are of each state."""
        counts: dict[str, int] = {}

        async def nothing_waits() -> bool:
            counts.update((await self.control("deliveries?limit=0&wait=5"))["counts"])
            return counts["pending"] == 0

        await until(nothing_waits, "every delivery to end", within=300)
        return counts
