"""A sandbox with a state file goes on where it was killed."""

import json
import resource
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casebell.errors import Refusal
from casebell.events import Status
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.sandbox.simulator.app import Simulator, SimulatorSettings, build
from casebell.sandbox.simulator.scenarios import SCENARIOS
from casebell.sandbox.simulator.vocabulary import EVENT_TYPES
from sandbox.simulator.firm import RECEIPT, TOKEN, Firm, rehearsing


def state_of(simulator: Simulator) -> dict[str, Any]:
    """Everything that a restart must keep."""
    world = simulator.world
    return {
        "cases": world.cases,
        "subscriptions": world.subscriptions,
        "torch": world.torch_webhook,
        "answers": world.answers,
        "faults": world.faults,
        "scenario": world.scenario,
        "secrets": world.secrets,
        "limits": {api: one.limits for api, one in world.budgets.items()},
        "deliveries": {
            number: (one.state, one.tries, one.event_id, one.idempotency_key, one.flaw)
            for number, one in world.outbox.deliveries.items()
        },
        "counts": {state: count for state, count in world.outbox.counts.items() if count},
    }


async def fill(firm: Firm, url: str) -> None:
    await firm.post(
        "/v1/receipts", {"receipts": [{"receipt_number": RECEIPT}]}, Idempotency_Key="k"
    )
    await firm.subscribe(f"{url}/parley", secret="a-secret-of-its-own")
    assert (await firm.post("/control/torch-webhook", {"url": f"{url}/torch"})).status_code == 200
    await firm.post("/control/scenario", {"name": "lossy"})
    await firm.post("/control/limits", {"api": "torch", "per_minute": 7, "per_day": 70})
    await firm.post("/control/secrets", {"parley": "another-secret-of-all", "overlap": True})
    for status in ("received", "rfe_issued", "denied"):
        await firm.move(status)
    await firm.faults(forged=0.5)
    await firm.move("approved", at="2025-10-14T19:22:03Z", text="Texto “ñ”", category="Ok")


async def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    """Cases, registrations, keys, losses and what was delivered are as before."""
    async with HttpSink() as sink:
        async with rehearsing(state=tmp_path / "state") as firm:
            await fill(firm, sink.url)
            await firm.settled()
            before = state_of(firm.simulator)
        async with rehearsing(state=tmp_path / "state", seed="ignored") as firm:
            assert state_of(firm.simulator) == before
            again = {"receipts": [{"receipt_number": RECEIPT}]}
            answer = await firm.post("/v1/receipts", again, Idempotency_Key="k")
            assert answer.json()["registered"] == [RECEIPT]
            received = len(sink.requests)
            await firm.settled()
            assert len(sink.requests) == received


_RECEIPTS = st.sampled_from(["IOE0912345678", "LIN2690000001", "WAC2690000002"])
_COMMANDS = st.one_of(
    st.fixed_dictionaries(
        {
            "verb": st.just("register"),
            "receipts": st.lists(
                st.fixed_dictionaries({"receipt_number": _RECEIPTS}), min_size=1, max_size=4
            ),
            "path": st.just("/v1/receipts"),
            "key": st.sampled_from(["", "k1", "k2"]),
            "digest": st.just("d"),
        }
    ),
    st.fixed_dictionaries(
        {
            "verb": st.just("subscribe"),
            "url": st.sampled_from(["https://one.example/", "https://two.example/"]),
            "events": st.lists(st.sampled_from(EVENT_TYPES), min_size=1, max_size=6),
        }
    ),
    st.fixed_dictionaries(
        {
            "verb": st.just("move"),
            "made_at": st.integers(0, 2_000_000_000),
            "moves": st.lists(
                st.fixed_dictionaries(
                    {"receipt": _RECEIPTS, "status": st.sampled_from(list(map(str, Status)))},
                    optional={"text": st.text(max_size=9), "at": st.integers(1, 10**15)},
                ),
                max_size=4,
            ),
        }
    ),
    st.fixed_dictionaries(
        {"verb": st.just("set_scenario"), "name": st.sampled_from(sorted(SCENARIOS))}
    ),
    st.fixed_dictionaries(
        {
            "verb": st.just("set_faults"),
            "faults": st.fixed_dictionaries(
                {"drop": st.floats(0, 1), "duplicate": st.floats(0, 1)},
                optional={"reorder": st.booleans(), "no_id": st.booleans()},
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "verb": st.just("tried"),
            "delivery": st.integers(1, 20),
            "status": st.sampled_from([None, 200, 503]),
        }
    ),
    st.fixed_dictionaries(
        {
            "verb": st.just("set_torch_webhook"),
            "url": st.sampled_from(["", "https://torch.example/"]),
            "header": st.just("X-Secret"),
            "secret": st.just("s"),
        }
    ),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=st.lists(_COMMANDS, max_size=25))
def test_any_history_comes_to_the_same_when_read_again(
    tmp_path: Path, commands: list[dict[str, Any]]
) -> None:
    """Bodies, ids, losses, repeats and what is due: the journal decides everything."""
    file = tmp_path / uuid.uuid4().hex
    first = build(SimulatorSettings(state=file))
    for command in commands:
        values = {name: value for name, value in command.items() if name != "verb"}
        first.world.perform(command["verb"], **values)
    first.world.journal.close()
    second = build(SimulatorSettings(state=file))
    second.world.journal.close()
    assert state_of(second) == state_of(first)
    assert second.world.outbox.deliveries == first.world.outbox.deliveries
    assert sorted(second.world.outbox.due) == sorted(first.world.outbox.due)


async def test_what_was_not_delivered_is_delivered_after_it(tmp_path: Path) -> None:
    """With the same id and Idempotency-Key, and counted on."""
    async with HttpSink() as sink:
        sink.answer(HttpAnswer(status=503))
        async with rehearsing(state=tmp_path / "state", speed=1.0) as firm:
            await firm.register(RECEIPT)
            await firm.subscribe(sink.url)
            await firm.move("received")
            await sink.received(1)
        sink.answer(HttpAnswer())
        async with rehearsing(state=tmp_path / "state") as firm:
            (delivery,) = (await firm.settled())["deliveries"]
        assert [one["status"] for one in delivery["answers"]] == [503, 200]
        first, second = sink.requests
        assert first.body == second.body
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_a_killed_one_loses_no_answered_command(tmp_path: Path) -> None:
    """Of a line that was cut off nobody was told; what was answered is in the file by then."""
    file = tmp_path / "state"
    async with rehearsing(state=file) as firm:
        await firm.register(RECEIPT)
        written = file.read_bytes()
        await firm.move("denied")
    copy = tmp_path / "copy"
    copy.write_bytes(written + b'{"do": "move", "at": 17')
    async with rehearsing(state=copy) as firm:
        assert firm.simulator.world.cases[RECEIPT].registered
        await firm.move("approved")
    async with rehearsing(state=copy) as firm:
        assert firm.simulator.world.cases[RECEIPT].current.status == "approved"


async def test_simulated_time_goes_on(tmp_path: Path) -> None:
    """A clock that was moved forward does not fall back."""
    async with rehearsing(state=tmp_path / "state", speed=1.0) as firm:
        await firm.post("/control/clock", {"advance": 86_400, "speed": 2})
        before = firm.simulator.world.clock.now()
    async with rehearsing(state=tmp_path / "state", speed=1.0) as firm:
        assert firm.simulator.world.clock.now() >= before
        assert firm.simulator.world.clock.speed == 2


def test_secrets_are_kept_and_private(tmp_path: Path) -> None:
    """Those made at random are the same after a restart; only their owner reads the file."""
    file = tmp_path / "state"
    first = build(SimulatorSettings(state=file))
    first.world.journal.close()
    second = build(SimulatorSettings(state=file))
    second.world.journal.close()
    assert (first.token, first.world.secrets) == (second.token, second.world.secrets)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    given = build(SimulatorSettings(state=file, token=TOKEN))
    given.world.journal.close()
    assert given.token == TOKEN


def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """Another program's file, another sandbox's, a folder; none of them is changed."""
    other = tmp_path / "other"
    for content in ("[server]\nport = 1\n", '{"do": "move"}\n', "[]\n"):
        other.write_text(content)
        with pytest.raises(Refusal, match="not written by a sandbox"):
            build(SimulatorSettings(state=other))
        assert other.read_text() == content
    used = build(SimulatorSettings(state=tmp_path / "used"))
    with pytest.raises(Refusal, match="Another sandbox"):
        build(SimulatorSettings(state=tmp_path / "used"))
    used.world.journal.close()
    with pytest.raises(Refusal, match="cannot be used"):
        build(SimulatorSettings(state=tmp_path))


@contextmanager
def no_room(file: Path) -> Iterator[None]:
    """The system lets no file of this process grow beyond a few bytes more than that one has."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 9, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_command_that_cannot_be_kept_is_not_done(tmp_path: Path) -> None:
    """503, and nothing has changed, in the file neither; the next one works."""
    file = tmp_path / "state"
    async with rehearsing(state=file) as firm:
        before = file.read_bytes()
        with no_room(file):
            answer = await firm.post("/v1/receipts", {"receipts": [{"receipt_number": RECEIPT}]})
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert (firm.simulator.world.cases, file.read_bytes()) == ({}, before)
        await firm.register(RECEIPT)
    async with rehearsing(state=file) as firm:
        assert list(firm.simulator.world.cases) == [RECEIPT]


async def test_every_line_is_json_with_its_command(tmp_path: Path) -> None:
    """One a line, the first of them `begin`."""
    async with HttpSink() as sink, rehearsing(state=tmp_path / "state") as firm:
        await fill(firm, sink.url)
        await firm.settled()
    lines = [json.loads(line) for line in (tmp_path / "state").read_text().splitlines()]
    assert lines[0]["do"] == "begin"
    assert {one["do"] for one in lines} == {
        *("begin", "register", "subscribe", "move", "tried", "set_torch_webhook"),
        *("set_scenario", "set_limits", "set_secrets", "set_faults"),
    }
