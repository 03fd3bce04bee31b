"""A subscription is made once, and what it signs with is known before it is."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from casebell.errors import (
    ConfigError,
    Problem,
    Refusal,
    StorageUnavailable,
    UpstreamError,
    UpstreamUnreachable,
)
from casebell.sandbox.http_sink import HttpSink
from casebell.service.subscribing import event_types
from casebell.service.upstream_names import NotConfigured
from casebell.settings.upstream import mark_of
from casebell.store.engine import Store
from casebell.store.liveness import Living
from casebell.store.schema import journal, upstream_subscriptions
from casebell.store.servers import Server as Row
from contracts.cases import receipt_of
from contracts.stores import failing_at, read_table
from processes import Forked
from sandbox.simulator.firm import ALL_TYPES, rehearsing
from upstream.harness import says
from upstream.mortal_registration import main
from upstream.registering_firm import URL, Server, ServerBefore, asked, know, one_server, tracked

SUBSCRIPTIONS = "/v1/subscriptions"


def made(server: ServerBefore) -> list[str]:
    """The secrets of the subscriptions that the API has."""
    return [one.secret for one in server.api.simulator.world.subscriptions]


async def test_the_secret_comes_first(store: Store, tmp_path: Path) -> None:
    """On disk, for this account alone, and in force before the API is asked."""
    async with one_server(store, tmp_path) as server:
        found: dict[str, object] = {}

        def look() -> None:
            found["mode"] = stat.S_IMODE(server.secret_file.stat().st_mode)
            found["asked"] = asked(server.api, SUBSCRIPTIONS)

        server.on_reload = look
        answer = await server.subscribe()
        assert found == {"mode": 0o600, "asked": 0}
        assert server.labels == ["secret-1", "subscription"]
        assert made(server) == server.secrets
        assert len(server.secrets[0]) >= 32
        (subscription,) = server.api.simulator.world.subscriptions
        assert subscription.url == URL
        assert sorted(subscription.events) == sorted(ALL_TYPES) == sorted(event_types())
        standing = await server.standing()
        (shown,) = standing["subscriptions"]
        assert shown["id"] == answer["id"] == subscription.id
        assert shown["url"] == URL
        assert shown["created_at"] == answer["created_at"]
        told = json.dumps([answer, standing])
    on_record = await read_table(store, journal) + await read_table(store, upstream_subscriptions)  # type: ignore[operator]
    assert server.secrets[0] not in told + repr(on_record)
    assert [one.kind for one in await read_table(store, journal)] == ["upstream.subscribed"]


@pytest.mark.parametrize(
    ("confirmed", "message", "shown"),
    [
        ({"events": ["case.approved"]}, "without some types: case.status.updated, case.rfe", 1),
        ({"url": "https://elsewhere.example.com/hook"}, "for another address", None),
    ],
)
async def test_the_api_makes_another(
    store: Store, tmp_path: Path, confirmed: dict[str, object], message: str, shown: int | None
) -> None:
    """Nobody is told that it delivers what it has not confirmed."""
    async with one_server(store, tmp_path) as server, HttpSink() as api:
        made = {"id": " sub_1\u202e\n\x1b[31m" + "x" * 900, "url": URL, "events": ALL_TYPES}
        api.answer_by(lambda _: says({**made, **confirmed}, status=201))
        server.write(base=api.url)
        with pytest.raises(Refusal) as caught:
            await server.subscribe()
        assert message in caught.value.message
        assert "sub_1 [31mxxx" in caught.value.message
        (found,) = (await server.standing(ask=False))["subscriptions"]
        if shown is None:
            assert found["id"] is None
        else:
            assert (len(found["id"]), found["events"]) == (200, confirmed["events"])


async def test_a_secret_that_others_can_read(store: Store, tmp_path: Path) -> None:
    """It signs nothing: the subscription has a new one, in a file for this account alone."""
    async with one_server(store, tmp_path) as server:
        server.secret_file.write_text("known-to-everybody-on-this-machine\n")
        server.secret_file.chmod(0o644)
        await server.subscribe()
        before, new = server.secrets
        assert before == "known-to-everybody-on-this-machine"
        assert made(server) == [new]
        assert stat.S_IMODE(server.secret_file.stat().st_mode) == 0o600


async def test_twice(store: Store, tmp_path: Path) -> None:
    """The second is refused; with `again` it has a new secret, and the old one stays valid."""
    async with one_server(store, tmp_path) as server:
        first = await server.subscribe()
        with pytest.raises(Refusal) as caught:
            await server.subscribe()
        assert first["id"] in caught.value.message
        assert "--again" in caught.value.hint
        assert len(made(server)) == 1
        second = await server.subscribe(again=True)
        assert made(server) == server.secrets
        assert len(set(server.secrets)) == 2
        assert second["secrets"] == 2
        assert server.labels == ["secret-1", "subscription", "subscription-2"]
        assert [one["id"] for one in (await server.standing())["subscriptions"]] == [
            first["id"],
            second["id"],
        ]
        # The operator takes the old line out.
        server.secret_file.write_text(server.secrets[1] + "\n")
        server.write()
        assert server.labels == ["secret-1", "subscription"]
        with pytest.raises(Refusal):
            await server.subscribe()


async def test_cut_off_at_any_statement(store: Store, tmp_path: Path) -> None:
    """However often it is tried again, there is one secret and one subscription."""
    async with one_server(store, tmp_path) as server:
        failed, number = 0, 1
        while True:
            try:
                with failing_at(store, number):
                    await server.subscribe()
                break
            except StorageUnavailable:
                failed += 1
                number += 1
        assert failed > 3
        assert made(server) == server.secrets
        assert len(server.secrets) == 1
        (shown,) = (await server.standing())["subscriptions"]
        assert shown["id"] == server.api.simulator.world.subscriptions[0].id


@pytest.mark.slow
async def test_killed_at_any_statement(store_url: str, tmp_path: Path) -> None:
    """Cases are registered and a subscription is made, each once, by whoever comes last."""
    async with rehearsing() as api:
        async with Store(store_url) as store:
            await know(store, *range(1, 8))
        killed, number, recorded = 0, 1, 0
        while True:
            process = Forked(
                [store_url, str(tmp_path / "one"), api.url, str(number)],
                directory=tmp_path,
                environ=os.environ,
                output=tmp_path / "output",
                entry=main,
            )
            code = await process.wait()
            if code == 0:
                break
            assert code == -signal.SIGKILL, (tmp_path / "output").read_text()
            killed += 1
            async with Store(store_url) as store:
                now_recorded = len(await read_table(store, journal))
            # Once something is on record, the next one dies at its first statement.
            number = 1 if now_recorded > recorded else number + 1
            recorded = now_recorded
        assert killed > 20
        world = api.simulator.world
        assert tracked(api) == {receipt_of(number) for number in range(1, 8)}
        answers = [one.content.get("registered", ()) for one in world.answers.values()]
        firsts = [receipt for listed in answers for receipt in listed]
        assert sorted(firsts) == sorted(tracked(api))
        async with Store(store_url) as store:
            server = Server(store=store, folder=tmp_path / "one", url=api.url)
            standing = await server.standing()
            entries = await read_table(store, journal)
    assert standing["unregistered"] == 0
    assert [one["id"] for one in standing["subscriptions"]] == [
        one.id for one in world.subscriptions
    ]
    assert [one.secret for one in world.subscriptions] == server.secrets
    assert len(server.secrets) == 1
    told = [
        receipt
        for one in entries
        if one.kind == "upstream.registered"
        for receipt in json.loads(one.data)["registered"]
    ]
    assert sorted(told) == sorted(tracked(api))


async def test_an_answer_that_is_lost(store: Store, tmp_path: Path) -> None:
    """The API has made it and said nothing: the next run is told of the same one."""
    async with one_server(store, tmp_path) as server:
        lost = {"answer": "html", "after": True, "path": SUBSCRIPTIONS, "times": 1}
        await server.api.faults(api=lost)
        with pytest.raises(UpstreamError):
            await server.subscribe()
        assert len(made(server)) == 1
        (begun,) = (await server.standing())["subscriptions"]
        assert begun["id"] is None
        answer = await server.subscribe()
        assert made(server) == server.secrets
        assert [one["id"] for one in (await server.standing())["subscriptions"]] == [answer["id"]]


async def test_an_api_that_is_down(store: Store, tmp_path: Path) -> None:
    """The secret stays, valid and harmless; the next run uses it."""
    async with one_server(store, tmp_path) as server:
        server.write(base="http://127.0.0.1:9")
        with pytest.raises(UpstreamUnreachable):
            await server.subscribe()
        (secret,) = server.secrets
        assert server.labels == ["secret-1", "subscription"]
        server.write()
        await server.subscribe()
        assert made(server) == server.secrets == [secret]
        assert server.reloads == 1


async def test_a_secret_that_cannot_be_written(sqlite_store: Store, tmp_path: Path) -> None:
    """Nothing is asked, and nothing is on record."""
    async with one_server(sqlite_store, tmp_path) as server:
        server.secret_file.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(Refusal) as caught:
            await server.subscribe()
        assert "parley.secret" in caught.value.message
        server.secret_file.unlink()
        server.folder.chmod(0o500)
        try:
            if os.geteuid():
                with pytest.raises(Refusal):
                    await server.subscribe()
        finally:
            server.folder.chmod(0o700)
        server.secret_file.mkdir()
        with pytest.raises(Refusal):
            await server.subscribe()
        assert asked(server.api, SUBSCRIPTIONS) == 0
    assert await read_table(sqlite_store, upstream_subscriptions) == []


async def test_a_configuration_that_cannot_be_used(sqlite_store: Store, tmp_path: Path) -> None:
    """The server would refuse what comes: so nothing is asked for."""

    def broken() -> None:
        raise ConfigError([Problem(key="rules", message="Wrong.")])

    async with one_server(sqlite_store, tmp_path) as server:
        server.on_reload = broken
        with pytest.raises(ConfigError):
            await server.subscribe()
        assert made(server) == []
        server.on_reload = lambda: None
        await server.subscribe()
        assert made(server) == server.secrets


async def test_two_servers(store: Store, tmp_path: Path) -> None:
    """Each on its own file: the second cannot go on with another secret than was begun with."""
    async with one_server(store, tmp_path) as one:
        other = Server(store=store, folder=tmp_path / "two", url=one.url)
        there = Living(
            server=Row(name="two:1", started_at=1, channels=frozenset(), settings={}),
            differs=["sources"],
        )
        one.others = [there]
        with pytest.raises(Refusal) as caught:
            await one.subscribe()
        assert "two:1" in caught.value.message
        one.others = None
        with pytest.raises(Refusal):
            await one.subscribe()
        assert made(one) == []
        # The other one was asked, too, before the file was copied.
        with pytest.raises(Refusal) as caught:
            await other.subscribe()
        assert "begun" in caught.value.message
        assert not other.secrets
        other.secret_file.write_text(one.secret_file.read_text())
        one.others = []
        answer = await other.subscribe()
        assert made(one) == one.secrets == other.secrets
        with pytest.raises(Refusal):
            await one.subscribe()
        assert [each["id"] for each in (await one.standing())["subscriptions"]] == [answer["id"]]


async def test_a_lost_file(store: Store, tmp_path: Path) -> None:
    """A subscription that was begun and whose secret is gone is given up for another."""
    async with one_server(store, tmp_path) as server:
        server.write(base="http://127.0.0.1:9")
        with pytest.raises(UpstreamUnreachable):
            await server.subscribe()
        server.secret_file.unlink()
        server.write()
        with pytest.raises(Refusal):
            await server.subscribe()
        await server.subscribe(again=True)
        assert made(server) == server.secrets
    kinds = [one.kind for one in await read_table(store, journal)]
    assert kinds == ["upstream.given_up", "upstream.subscribed"]
    (row,) = await read_table(store, upstream_subscriptions)
    assert row.secret == mark_of(server.secrets[0])


@pytest.mark.parametrize(
    ("left_out", "said", "hint"),
    [
        ("secret_file", "secret", 'secret_file = "parley-subscription.secret"'),
        ("public_url", "reaches this server", "public_url"),
    ],
)
async def test_what_the_configuration_lacks(
    sqlite_store: Store, tmp_path: Path, left_out: str, said: str, hint: str
) -> None:
    """The line that is to be written is said; exit code 2."""
    async with one_server(sqlite_store, tmp_path) as server:
        server.write(without=left_out)
        with pytest.raises(NotConfigured) as caught:
            await server.subscribe()
        assert said in caught.value.message
        assert hint in caught.value.hint
        assert caught.value.exit_code == 2
        assert not server.secrets


@pytest.mark.parametrize(
    ("public", "taken"),
    [
        ("http://casebell.example-firm.com", False),
        ("http://127.0.0.1:8080", True),
        ("https://casebell.example-firm.com/casebell", True),
    ],
)
async def test_where_deliveries_come_to(
    sqlite_store: Store, tmp_path: Path, public: str, taken: bool
) -> None:
    """Encrypted, unless it is this machine; behind a path where there is one."""
    async with one_server(sqlite_store, tmp_path) as server:
        server.write(public=public)
        if taken:
            await server.subscribe()
        else:
            with pytest.raises(NotConfigured):
                await server.subscribe()
        urls = [one.url for one in server.api.simulator.world.subscriptions]
    assert urls == ([f"{public}/webhooks/parley"] if taken else [])


async def test_a_label_that_is_taken(sqlite_store: Store, tmp_path: Path) -> None:
    """A file that is written then would make the configuration unusable: nothing is written."""
    async with one_server(sqlite_store, tmp_path) as server:
        label = '{ label = "subscription", value = "the first secret of the provider" }'
        server.write(secret=label)
        with pytest.raises(NotConfigured):
            await server.subscribe()
        assert not server.secrets
