"""The cases of the directory come to be tracked by the API, each once, whatever ends a try."""

import asyncio
import json
from pathlib import Path

import pytest

from casebell.actors import Role
from casebell.errors import (
    StorageUnavailable,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from casebell.service.registering import key_of
from casebell.service.upstream_names import NotOffered
from casebell.store.engine import Store
from casebell.store.schema import journal, upstream_cases
from casebell.upstream.told import NewReceipt
from contracts.actors import an_actor
from contracts.cases import change_case, receipt_of
from contracts.stores import failing_at, read_table
from upstream.registering_firm import Picky, Server, asked, know, one_server, tracked


async def test_every_case_once(store: Store, tmp_path: Path) -> None:
    """Those that the firm named and those that deliveries told of; no tests. Twice is once."""
    async with one_server(store, tmp_path) as server:
        await know(store, 1, 2, 3, 4, 5, "EAC9999103402", "MSC0000000001")
        await change_case(store, 6)
        dry = await server.register(dry_run=True)
        assert (dry["remaining"], dry["done"], asked(server.api)) == (6, False, 0)
        (piece,) = await server.register_all()
        assert (piece["registered"], piece["already"], piece["remaining"]) == (6, 0, 0)
        assert tracked(server.api) == {receipt_of(number) for number in range(1, 7)}
        assert asked(server.api) == 2
        (again,) = await server.register_all()
        assert (again["registered"], again["already"], again["done"]) == (0, 0, True)
        assert asked(server.api) == 2
        await know(store, 7)
        assert (await server.standing())["unregistered"] == 1
        await server.register_all()
        assert (await server.standing())["unregistered"] == 0
    entries = [one for one in await read_table(store, journal) if one.kind == "upstream.registered"]
    told = [receipt for one in entries for receipt in json.loads(one.data)["registered"]]
    assert sorted(told) == [receipt_of(number) for number in range(1, 8)]
    assert {one.subject for one in entries} == {"upstream:parley"}


async def test_what_the_api_knew(store: Store, tmp_path: Path) -> None:
    """It is told apart from what is new, and counts as registered."""
    async with one_server(store, tmp_path) as server:
        await know(store, 1, 2)
        await server.api.register(receipt_of(1))
        (piece,) = await server.register_all()
    assert (piece["registered"], piece["already"], piece["problems"]) == (1, 1, [])


@pytest.mark.parametrize("sent", [True, False])
async def test_labels(sqlite_store: Store, tmp_path: Path, sent: bool) -> None:
    """They are sent where the firm says so, and never of a confidential case."""
    async with one_server(sqlite_store, tmp_path, labels=sent) as server:
        await know(sqlite_store, 1, label="Acme")
        await know(sqlite_store, 2, label="Secret", confidential=True)
        await server.register_all()
        labels = {one.receipt: one.label for one in server.api.simulator.world.cases.values()}
    assert labels == {receipt_of(1): "Acme" if sent else "", receipt_of(2): ""}


def test_the_key_follows_from_the_content() -> None:
    """The same batch has the same key; another label, another API or order of words another."""
    batch = [NewReceipt(receipt=receipt_of(1), label="A"), NewReceipt(receipt=receipt_of(2))]
    keys = {
        key_of("parley", batch),
        key_of("parley", [NewReceipt(receipt=receipt_of(1)), batch[1]]),
        key_of("parley", batch[:1]),
        key_of("other", batch),
    }
    assert len(keys) == 4
    assert key_of("parley", list(batch)) in keys
    assert all(len(key) == 64 for key in keys)


async def test_cut_off_at_any_statement(store: Store, tmp_path: Path) -> None:
    """Asked and not recorded: the same is asked again, and the API repeats its answer."""
    async with one_server(store, tmp_path) as server:
        await know(store, *range(1, 8))
        failed, number = 0, 1
        while True:
            try:
                with failing_at(store, number):
                    pieces = await server.register_all()
                break
            except StorageUnavailable:
                failed += 1
                number += 1
        assert failed > 3
        assert pieces[-1]["done"]
        world = server.api.simulator.world
        assert tracked(server.api) == {receipt_of(number) for number in range(1, 8)}
        # What was registered was registered by one answer, and that alone is on record.
        firsts = [one for kept in world.answers.values() for one in kept.content["registered"]]
    assert sorted(firsts) == [receipt_of(number) for number in range(1, 8)]
    entries = [one for one in await read_table(store, journal) if one.kind == "upstream.registered"]
    told = [receipt for one in entries for receipt in json.loads(one.data)["registered"]]
    assert sorted(told) == [receipt_of(number) for number in range(1, 8)]
    rows = await read_table(store, upstream_cases)
    assert all(row.registered_at for row in rows)
    assert len(rows) == 7


async def test_an_answer_that_is_lost(store: Store, tmp_path: Path) -> None:
    """The API has registered a batch and said nothing: the next run is told so of the same one."""
    async with one_server(store, tmp_path) as server:
        await know(store, *range(1, 6))
        lost = {"answer": "cut", "after": True, "path": "/v1/receipts", "times": 9}
        await server.api.faults(api=lost)
        with pytest.raises(UpstreamError):
            await server.register()
        assert len(tracked(server.api)) == 3
        assert (await server.standing())["unregistered"] == 5
        await server.api.faults(api=None)
        (piece,) = await server.register_all()
        assert (piece["registered"], piece["already"], piece["problems"]) == (5, 0, [])


async def test_two_servers_at_once(store: Store, tmp_path: Path) -> None:
    """Each case is registered once at the API, whichever of them asked for it."""
    async with one_server(store, tmp_path) as one:
        other = Server(store=store, folder=tmp_path / "two", url=one.url)
        await know(store, *range(1, 12))
        await asyncio.gather(one.register_all(), other.register_all())
        answers = one.api.simulator.world.answers.values()
        firsts = [receipt for kept in answers for receipt in kept.content["registered"]]
        assert sorted(firsts) == [receipt_of(number) for number in range(1, 12)]
        assert (await other.standing())["unregistered"] == 0


async def test_a_case_that_the_api_does_not_take(store: Store, tmp_path: Path) -> None:
    """It keeps none of the others, is told, and a later run tries it again."""
    async with one_server(store, tmp_path) as server:
        await know(store, *range(1, 6))
        bad = receipt_of(2)
        server.api.simulator.add_middleware(Picky, refused=[bad])
        (piece,) = await server.register_all()
        assert (piece["registered"], piece["remaining"], piece["done"]) == (4, 0, True)
        assert [one["receipt"] for one in piece["problems"]] == [bad]
        assert "No such case" in piece["problems"][0]["problem"]
        standing = await server.standing()
        assert (standing["unregistered"], standing["failing"]["count"]) == (1, 1)
        before = asked(server.api)
        (again,) = await server.register_all()
        assert [one["receipt"] for one in again["problems"]] == [bad]
        assert asked(server.api) == before


async def test_a_case_that_the_api_does_not_name(store: Store, tmp_path: Path) -> None:
    """In neither list it is not registered, and that is told."""
    async with one_server(store, tmp_path) as server:
        await know(store, 1, 2)
        server.api.simulator.add_middleware(Picky, unnamed=[receipt_of(1)])
        (piece,) = await server.register_all()
        assert (piece["registered"], piece["done"]) == (1, True)
        (problem,) = piece["problems"]
        assert problem["receipt"] == receipt_of(1)
        assert (await server.standing())["failing"]["cases"] == [problem]


async def test_an_api_that_takes_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    """Where each case is refused, it is no case that is wrong: it is told soon, and once."""
    async with one_server(sqlite_store, tmp_path, batch=20) as server:
        await know(sqlite_store, *range(1, 40))
        server.api.simulator.add_middleware(Picky, refused=["receipts"])
        with pytest.raises(UpstreamRefused):
            await server.register()
        assert await read_table(sqlite_store, upstream_cases) == []


async def test_whose_case_it_is(sqlite_store: Store, tmp_path: Path) -> None:
    """Of a confidential case an operator learns that there is a problem, and not whose."""
    async with one_server(sqlite_store, tmp_path) as server:
        await know(sqlite_store, 1, confidential=True, owner="ana")
        server.api.simulator.add_middleware(Picky, refused=[receipt_of(1)])
        operator = an_actor("token:ben", role=Role.OPERATOR)
        (problem,) = (await server.register(actor=operator))["problems"]
        assert problem["receipt"] == "IOE…0001"
        standing = await server.standing(actor=operator)
        assert standing["failing"]["cases"][0]["receipt"] == "IOE…0001"
        assert (await server.standing())["failing"]["cases"][0]["receipt"] == receipt_of(1)


async def test_an_api_that_is_down(sqlite_store: Store, tmp_path: Path) -> None:
    """Nothing is recorded, and the next run registers all."""
    async with one_server(sqlite_store, tmp_path) as server:
        await know(sqlite_store, 1, 2)
        server.write(base="http://127.0.0.1:9")
        with pytest.raises(UpstreamUnreachable):
            await server.register()
        standing = await server.standing()
        assert (standing["reachable"], standing["unregistered"]) == (False, 2)
        assert standing["trouble"]
        server.write()
        assert (await server.standing())["reachable"]
        await server.register_all()
        assert len(tracked(server.api)) == 2


async def test_a_token_that_is_refused(sqlite_store: Store, tmp_path: Path) -> None:
    """Health needs none, so it is not said to answer; and it is asked of no test's case."""
    async with one_server(sqlite_store, tmp_path) as server:
        await know(sqlite_store, "EAC9999103403", 1)
        assert (await server.standing())["reachable"]
        assert server.api.simulator.asked["GET", "/v1/case-status"] == 1
        await server.api.faults(api=[{"answer": "error", "status": 401}])
        standing = await server.standing()
        assert not standing["reachable"]
        assert "does not take the token" in standing["trouble"]


async def test_torch_takes_none(sqlite_store: Store, tmp_path: Path) -> None:
    """It is said, with what to do instead; a look at it asks of a case."""
    async with one_server(sqlite_store, tmp_path, kind="torch") as server:
        with pytest.raises(NotOffered) as caught:
            await server.register()
        assert caught.value.exit_code == 2
        assert "Parley contact" in caught.value.hint
        with pytest.raises(NotOffered):
            await server.subscribe()
        assert (await server.standing())["reachable"]
        await know(sqlite_store, 1)
        standing = await server.standing()
        assert (standing["reachable"], standing["unregistered"]) == (True, None)
        assert server.api.simulator.asked["GET", "/case-status"] == 1
