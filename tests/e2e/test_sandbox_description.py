"""schemathesis asks a running sandbox what its description allows, and much that it does not.

No answer is a 5xx, and none is outside of the description. What is wrong with the APIs is set apart
from asking them: a fault that was asked for would be found as one.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from casebell.sandbox.http_sink import HttpSink
from e2e.server import environment
from e2e.test_api_description import CHECKS, EXAMPLES
from sandbox.simulator.firm import RECEIPT, TOKEN, rehearsing

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="function")]

#: What changes how the APIs answer, or where webhooks go.
_SETS = "^/control/(faults|scenario|limits|clock|secrets|torch-webhook)$"


@pytest.mark.timeout(600)
async def test_every_answer_is_described(tmp_path: Path) -> None:
    """There are cases, subscriptions and deliveries, of which none leaves the machine."""
    async with HttpSink() as sink, rehearsing() as firm:
        for api in ("parley", "torch"):
            most = {"api": api, "per_minute": 1_000_000, "per_day": 10_000_000}
            assert (await firm.post("/control/limits", most)).status_code == 200
        await firm.register(RECEIPT)
        await firm.subscribe(sink.url)
        await firm.move("rfe_issued")
        await firm.settled()
        await firm.faults(drop=1.0)
        for chosen in (f"--exclude-path-regex={_SETS}", f"--include-path-regex={_SETS}"):
            code, out = await _schemathesis(firm.url, chosen, tmp_path)
            print(out)  # noqa: T201 - figures
            assert code == 0, out


async def _schemathesis(url: str, chosen: str, directory: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{url}/openapi.json",
        f"--header=Authorization: Bearer {TOKEN}",
        chosen,
        f"--checks={','.join(CHECKS)}",
        f"--max-examples={EXAMPLES}",
        "--seed=1",
        "--phases=examples,coverage,fuzzing",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--output-truncate=false",
        "--no-color",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=directory,
        env=environment() | {"no_proxy": "127.0.0.1", "PATH": os.environ["PATH"]},
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()
