"""`casebell sandbox` as a process: what it prints, how it ends, and what it refuses."""

import asyncio
import json
import re
import signal
import socket
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from casebell.cli.sandbox import PARLEY_VARIABLE, TOKEN_VARIABLE, TORCH_VARIABLE
from casebell.settings import load
from e2e.server import environment
from processes import Forked, run_here
from waiting import until

Start = Callable[..., Awaitable[tuple[Forked, str]]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a sandbox with these options; its process and its address."""
    started: list[Forked] = []

    async def begin(*options: str, **variables: str) -> tuple[Forked, str]:
        output = tmp_path / f"sandbox-{len(started)}.log"
        process = Forked(
            ["sandbox", "--port", "0", *options],
            directory=tmp_path,
            environ=environment() | variables,
            output=output,
        )
        started.append(process)

        def announced() -> str:
            text = output.read_text()
            assert process.returncode is None, text
            return text if "Ctrl-C" in text else ""

        return process, str(await until(announced, "the announcement"))

    yield begin
    for process in started:
        process.kill()
        await process.wait()


def url_in(announcement: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", announcement)
    assert found
    return found[0]


async def health(url: str) -> int:
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        return (await client.get(f"{url}/health")).status_code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_it_prints_can_be_pasted_and_it_ends_well(
    start: Start, tmp_path: Path, number: int
) -> None:
    """A .env and a configuration that load; then a signal ends it with exit code 0."""
    process, said = await start("--torch-prefix", "/v2")
    url = url_in(said)
    assert await health(url) == 200
    env, config = said.split("# .env of Casebell")[1].split("# config.toml of Casebell")
    lines = dict(line.split("=", 1) for line in env.splitlines()[1:] if line)
    pasted = config.split("\n", 1)[1].rpartition("\n\n")[0]
    assert tomllib.loads(pasted)["upstream"].keys() == {"parley", "torch"}
    firm = tmp_path / "firm"
    begun = await asyncio.create_subprocess_exec(sys.executable, "-m", "casebell", "init", firm)
    assert await begun.wait() == 0
    begins = (firm / "config.toml").read_text()
    (firm / "config.toml").write_text(begins + pasted)
    settings = load(firm / "config.toml", environ=lines)
    assert settings.sources.keys() == {"parley", "torch"}
    assert lines["PARLEY_API_BASE"] == url
    assert {name: one.prefix for name, one in settings.upstream.items()} == {
        "parley": "/v1",
        "torch": "/v2",
    }
    process.send_signal(number)
    assert await process.wait() == 0


async def test_what_is_given_is_not_printed(start: Start) -> None:
    """Secrets come from the environment, and stay there."""
    given = {
        TOKEN_VARIABLE: "the-token-of-the-test",
        PARLEY_VARIABLE: "the-parley-secret-of-the-test",
        TORCH_VARIABLE: "the-torch-secret-of-the-test",
    }
    _, said = await start(**given)
    assert not [value for value in given.values() if value in said]
    headers = {"Authorization": "Bearer the-token-of-the-test"}
    async with httpx2.AsyncClient(trust_env=False, verify=False, headers=headers) as client:
        answer = await client.get(f"{url_in(said)}/control/faults")
    assert answer.status_code == 200


async def test_a_kill_loses_nothing_with_a_state_file(start: Start) -> None:
    """SIGKILL; the next one has the same token, cases and scenario."""
    process, said = await start("--state", "state", "--scenario", "dateless")
    token = re.search(r"PARLEY_API_TOKEN=(\S+)", said)
    assert token
    headers = {"Authorization": f"Bearer {token[1]}"}
    async with httpx2.AsyncClient(trust_env=False, verify=False, headers=headers) as client:
        where = f"{url_in(said)}/control/cases/IOE0912345678"
        assert (await client.post(where, json={"status": "denied"})).status_code == 200
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        _, again = await start("--state", "state")
        answer = await client.get(f"{url_in(again)}/v1/case-status?receipt=IOE0912345678")
    assert "Scenario: dateless" in again
    assert answer.json()["normalized_status"] == "denied"
    assert "last_updated_at" not in answer.json()


def test_it_lists_the_scenarios(tmp_path: Path) -> None:
    """A table for people, JSON for programs."""
    code, out, _ = run_here("sandbox", "scenarios", directory=tmp_path)
    assert code == 0
    assert re.search(r"^lossy +30 % of deliveries are lost", out, re.MULTILINE)
    _, out, _ = run_here("sandbox", "scenarios", "--json", directory=tmp_path)
    first = json.loads(out.splitlines()[0])
    assert first == {"name": "calm", "does": "everything as the two pages say"}


def test_what_it_refuses(tmp_path: Path) -> None:
    """Each with a sentence, a hint and an exit code; nothing listens afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = run_here("sandbox", "--port", port, directory=tmp_path)
    assert (code, "Address already in use" in err, "--port" in err) == (1, True, True)
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        code, _, err = run_here("sandbox", "--port", "0", "--host", host, directory=tmp_path)
        assert (code, "this machine only" in err) == (1, True)
    wrong = ("sandbox", "--port", "0", "--scenario", "lossly")
    code, _, err = run_here(*wrong, directory=tmp_path)
    assert (code, "`lossy`" in err) == (1, True)
    wrong = ("sandbox", "--port", "0", "--torch-webhook", "http://example.com/")
    code, _, err = run_here(*wrong, directory=tmp_path)
    assert (code, "lead to this machine" in err) == (2, True)
    for option, value in (("--token", "ü"), ("--torch-secret", "a b"), ("--torch-header", "a:")):
        code, _, err = run_here("sandbox", "--port", "0", option, value, directory=tmp_path)
        assert (code, value in err) == (2, False)
