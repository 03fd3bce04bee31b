"""The service without a server: a command opens the store itself."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from casebell.actors import Actor, command_line
from casebell.clock import SystemClock
from casebell.errors import ConfigError, ServerUnreachable
from casebell.files import user_name
from casebell.notify.channel import Channels
from casebell.people.roster import Roster
from casebell.service import Service, Verb
from casebell.service.accounts import Accounts
from casebell.service.case_directory import CaseDirectory
from casebell.service.cases import CaseReading
from casebell.service.feeds import Feeds
from casebell.service.following_up import FollowingUp
from casebell.service.on_record import OnRecord
from casebell.service.owners import OwnerReading
from casebell.service.passwords import Passwords
from casebell.service.people_directory import PeopleDirectory
from casebell.service.queue_reading import QueueReading
from casebell.service.reading import Reading
from casebell.service.standing import Standing
from casebell.service.tokens import Tokens
from casebell.service.waits_in_words import WaitsInWords
from casebell.settings import Settings, load
from casebell.store.engine import Store
from casebell.store.lock import is_locked


def read_store(settings: Settings, verb: str, arguments: Mapping[str, Any]) -> Any:
    """Run a verb that only reads; its value.

    Raises:
        CasebellError: as the verb says, or as `store_for_reading` does.
    """

    async def ask() -> Any:
        async with store_for_reading(settings) as store:
            service = Service(*_seen(store, settings), *_access(store, settings))
            return await service.ask(verb, arguments, actor=this_user())

    return asyncio.run(ask())


def run_verb(settings: Settings, verb: str, arguments: Mapping[str, Any], *, by: str | None) -> Any:
    """Run a verb that writes; its value.

    Args:
        settings: whole, unless `needs_secrets` says of the verb that it needs none.
        by: who it is, as claimed.

    Raises:
        ServerUnreachable: a server holds the database.
        CasebellError: as the verb says.
    """

    async def carry_out() -> Any:
        async with opened(settings, verb) as service:
            return await service.ask(verb, arguments, actor=this_user(by=by))

    return asyncio.run(carry_out())


@asynccontextmanager
async def opened(settings: Settings, verb: str) -> AsyncIterator[Service]:
    """The verbs that write, among them this one; raises as `run_verb` does."""
    from casebell.telemetry import configure_logging

    database = settings.storage.sqlite_path
    if database is not None and is_locked(database):
        raise ServerUnreachable(
            f"A server holds the database, but none answers at {settings.socket}.",
            hint="It may be starting or ending just now, or have another server.socket.",
        )
    # The command prints what came of it; log lines would stand among its answers.
    configure_logging(io.StringIO())
    if needs_secrets(verb):
        service = _whole(settings)
    else:
        # Only of what is sent again must the targets be there, and who stands in be reached.
        sends = verb in ("retry_alerts", "set_away", "set_back")
        channels = _channels(settings) if sends else None
        service = _on_record(settings, channels=channels)
    async with service as answering:
        yield answering


@asynccontextmanager
async def case_directory(settings: Settings, *, dry_run: bool) -> AsyncIterator[Service]:
    """The verbs of an import, on a store that a dry run only reads; raises as `run_verb` does."""
    if dry_run:
        async with store_for_reading(settings) as store:
            yield Service(CaseDirectory(store=store, clock=SystemClock()).verbs())
    else:
        async with opened(settings, "put_cases") as service:
            yield service


def this_user(*, by: str | None = None) -> Actor:
    """Whoever runs this process."""
    return command_line(user_name(os.geteuid()), by=by)


def needs_secrets(verb: str) -> bool:
    """Whether a verb that writes authenticates or understands deliveries, sends, or asks an API."""
    return verb in (
        *("release_held", "readmit_refused", "test_channel"),
        *("list_upstreams", "register_cases", "subscribe", "reconcile"),
    )


@asynccontextmanager
async def _whole(settings: Settings) -> AsyncIterator[Service]:
    from casebell.runtime import Runtime
    from casebell.service.subscribing import Subscribing
    from casebell.verbs import verbs_of

    runtime = Runtime(settings, clock=SystemClock())
    subscribing = Subscribing(
        store=runtime.store,
        settings=lambda: settings,
        connections=runtime.connections,
        clock=runtime.clock,
    )
    async with runtime.opened():
        yield Service(*verbs_of(runtime), subscribing.verbs())


@asynccontextmanager
async def _on_record(settings: Settings, *, channels: Channels | None) -> AsyncIterator[Service]:
    """What the database alone suffices for; it is neither made nor migrated."""
    store = Store(settings.storage.url.get_secret_value())
    await (await store.open_for_reading()).close()

    def has_target(row: Any) -> bool:
        return row.channel in settings.channels if channels is None else channels.has(row)

    async with store:
        on_record = OnRecord(
            store=store, settings=lambda: settings, has_target=has_target, clock=SystemClock()
        )
        clock = SystemClock()
        directory = CaseDirectory(store=store, clock=clock, people=lambda: settings.people)
        following_up = FollowingUp(store=store, settings=lambda: settings, clock=clock)
        people = _people(store, settings, lambda: channels)
        yield Service(
            on_record.verbs(),
            directory.verbs(),
            following_up.verbs(),
            people,
            *_access(store, settings),
        )


def _channels(settings: Settings) -> Channels | None:
    """Every channel; None where one cannot be loaded here, and only their names are known."""
    from casebell.notify.load import load_channels

    try:
        return load_channels(load(settings.path), clock=SystemClock())
    except ConfigError:
        return None


def _people(
    store: Store, settings: Settings, channels: Callable[[], Channels | None]
) -> Mapping[str, Verb]:
    """The verbs of people."""

    def roster() -> Roster | None:
        return None if (found := channels()) is None else found.roster

    return PeopleDirectory(
        store=store, settings=lambda: settings, roster=roster, clock=SystemClock()
    ).verbs()


def _access(store: Store, settings: Settings) -> Iterator[Mapping[str, Verb]]:
    """The verbs of tokens, accounts and feeds."""
    clock = SystemClock()
    yield Feeds(store=store, settings=lambda: settings, clock=clock).verbs()
    yield Tokens(store=store, people=lambda: settings.people, clock=clock).verbs()
    passwords = Passwords()
    yield Accounts(store=store, settings=lambda: settings, passwords=passwords, clock=clock).verbs()


def _seen(store: Store, settings: Settings) -> Iterator[Mapping[str, Verb]]:
    """The verbs of what can be seen."""
    clock = SystemClock()
    yield Reading(store=store, settings=lambda: settings, clock=clock, paged=False).verbs()
    waits = WaitsInWords(settings=lambda: settings, clock=clock)
    yield CaseReading(store=store, people=lambda: settings.people, waits=waits, paged=False).verbs()
    yield QueueReading(store=store, people=lambda: settings.people, paged=False).verbs()
    yield OwnerReading(store=store, people=lambda: settings.people, clock=clock).verbs()
    yield _people(store, settings, lambda: _channels(settings))
    standing = Standing(store=store, settings=lambda: settings, targets=lambda: _targets(settings))
    yield standing.verbs()


def _targets(settings: Settings) -> Mapping[str, Sequence[str]]:
    """The targets of each channel; none where a channel cannot be loaded here."""
    channels = _channels(settings)
    return {} if channels is None else channels.known_targets()


@asynccontextmanager
async def store_for_reading(settings: Settings) -> AsyncIterator[Store]:
    """A store that is opened for reading only.

    Raises:
        StorageUnavailable: there is no database yet, or it cannot be read.
    """
    store = await Store(settings.storage.url.get_secret_value()).open_for_reading()
    try:
        yield store
    finally:
        await store.close()
