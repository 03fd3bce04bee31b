"""Subscribes to an API's deliveries, with a secret that every server knows before the API does.

    write → begin → reload → ask → complete
    file    row     server   API   row

Each step can be the last before a kill: whoever runs it again goes on with the same secret, and
asks under the same key, so that the API makes one subscription. A secret that nobody signs with is
harmless, and a delivery that is signed with an unknown one is not: it would be refused
(docs/decisions/0041-the-secret-before-the-subscription.md).
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from casebell.actors import Actor
from casebell.clock import Clock, iso_or_none
from casebell.errors import Refusal
from casebell.events import Micros
from casebell.json_text import canonical
from casebell.kinds import GENERIC_TYPE, KINDS
from casebell.provider_time import time_of_status
from casebell.service import Verb
from casebell.service.done import Subscribed
from casebell.service.subscription_file import (
    is_private,
    knows,
    secrets_in,
    see_configured,
    write_secrets,
)
from casebell.service.upstream_names import upstream_named
from casebell.settings import Settings
from casebell.settings.upstream import UpstreamSettings, mark_of
from casebell.store import subscriptions
from casebell.store.engine import Store
from casebell.store.liveness import Living
from casebell.upstream.connections import Connections

#: Seconds that other servers are waited for, which say within one by which settings they work; and
#: from one look to the next.
AGREE = 3.0
LOOK_EVERY = 0.2
#: Random bytes of a secret.
RANDOM_BYTES = 32

#: Reads the configuration again, and uses it.
Reload = Callable[..., Awaitable[Any]]


class Subscribing:
    """The verb.

    Args:
        settings: returns those in force.
        connections: opens clients.
        reload: has the running server use the file as it is; None where none runs.
        servers: returns the servers that live, this one first; None while that is not known.
        agree: seconds that other servers are given.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Callable[[], Settings],
        connections: Connections,
        clock: Clock,
        reload: Reload | None = None,
        servers: Callable[[], Sequence[Living] | None] = tuple,
        agree: float = AGREE,
    ) -> None:
        self._store = store
        self._settings = settings
        self._connections = connections
        self._clock = clock
        self._reload = reload
        self._servers = servers
        self._agree = agree
        self._turn = asyncio.Lock()

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"subscribe": self.subscribe}

    async def subscribe(self, *, name: str, again: bool = False, actor: Actor) -> Subscribed:
        """Subscribe to every type of event, at our public address.

        Args:
            name: of the API in the configuration.
            again: also where there is a subscription of ours; with a new secret, beside which the
                earlier ones stay valid.

        Raises:
            NotFound: there is no such API.
            NotOffered: it takes no subscriptions.
            NotConfigured: the configuration does not say where deliveries come to, or where the
                secret is kept.
            Refusal: there is a subscription already, or the secret cannot be kept, or is not in
                force everywhere, or the API made another subscription than was asked for.
            ConfigError: the running server cannot use the file as it is.
            UpstreamError: the API could not be asked; the next try goes on from there.
        """
        async with self._turn:
            settings = self._settings()
            upstream = upstream_named(settings, name)
            url, file = see_configured(settings, upstream)
            mark, texts = await self._secret(upstream, url=url, file=file, again=again, actor=actor)
            events = event_types()
            await self._store.transact(
                subscriptions.begin,
                name,
                url=url,
                events=events,
                secret=mark,
                now=self._clock.now(),
                actor=actor,
            )
            secret = next(text for text in reversed(texts) if mark_of(text) == mark)
            await self._put_in_force(upstream, secret, file=file, actor=actor)
            async with self._connections.parley(upstream) as client:
                made = await client.subscribe(
                    url=url, events=events, secret=secret, key=_key(name, url, events, secret)
                )
            if not _is_same(made.url, url):
                raise Refusal(
                    f"The API made subscription {made.id} for another address.",
                    hint="Its deliveries come to nobody here, or to a stranger: ask your Parley "
                    "contact to end it.",
                )
            taken = [one for one in events if one in made.events]
            created_at = _time_of(made.created_at, now=self._clock.now())
            await self._store.transact(
                subscriptions.complete,
                name,
                url=url,
                subscription=made.id,
                events=taken,
                created_at=created_at,
                now=self._clock.now(),
                actor=actor,
            )
        if lacking := [one for one in events if one not in taken]:
            raise Refusal(
                f"The API made subscription {made.id} without some types: {', '.join(lacking)}.",
                hint="Ask your Parley contact for them. Until then, reconciliation finds what "
                "they would tell.",
            )
        return {
            "upstream": name,
            "url": url,
            "events": list(events),
            "id": made.id,
            "created_at": iso_or_none(created_at),
            "secrets": len(texts),
            "running": self._reload is not None,
        }

    async def _secret(
        self, upstream: UpstreamSettings, *, url: str, file: Path, again: bool, actor: Actor
    ) -> tuple[str, Sequence[str]]:
        """The mark of the secret to subscribe with, and all that the file has then.

        Raises:
            Refusal: there is a subscription already, or the secret cannot be kept.
        """
        texts = await asyncio.to_thread(secrets_in, file)
        async with self._store.read() as connection:
            rows = await subscriptions.every(connection, upstream.name)
        of_url = [row for row in rows if row.url == url]
        begun = next((row for row in of_url if row.subscription is None), None)
        known = {mark_of(text) for text in texts}
        if begun is not None and begun.secret in known:
            return begun.secret, texts
        if begun is not None and not again:
            raise Refusal(
                f"A subscription was begun with a secret that {file} does not have.",
                hint="Copy the file from the server where it was begun; or, where it is lost, run "
                "this with --again.",
            )
        if begun is None and of_url and not again:
            raise Refusal(
                f"{upstream.name} delivers to {url} already, by subscription "
                f"{of_url[-1].subscription}.",
                hint="`casebell upstream status` shows what there is; --again makes another one, "
                "with a new secret.",
            )
        if begun is not None:
            await self._store.transact(
                subscriptions.forget,
                upstream.name,
                url=url,
                secret=begun.secret,
                now=self._clock.now(),
                actor=actor,
            )
        used = {row.secret for row in rows}
        unused = next((text for text in reversed(texts) if mark_of(text) not in used), None)
        if unused is None or not await asyncio.to_thread(is_private, file):
            # What others could read or change is no secret to begin with. It stays valid.
            size = max(RANDOM_BYTES, self._settings().sources[upstream.source].min_secret_bytes)
            unused = secrets.token_urlsafe(size)
            texts = [*texts, unused]
            await asyncio.to_thread(write_secrets, file, texts)
        return mark_of(unused), texts

    async def _put_in_force(
        self, upstream: UpstreamSettings, secret: str, *, file: Path, actor: Actor
    ) -> None:
        """See that a delivery with this secret would be accepted.

        Raises:
            ConfigError: the running server cannot use the file as it is.
            Refusal: another server does not have the secret.
        """
        if self._reload is None:
            return
        if not knows(self._settings(), upstream, secret):
            await self._reload(actor=actor)
        if not knows(self._settings(), upstream, secret):
            raise Refusal(
                f"The running server does not use the secret in {file}.",
                hint="Does it read another configuration? `casebell reload`, then run this again.",
            )
        until = self._clock.monotonic() + self._agree
        while others := self._lacking():
            if self._clock.monotonic() >= until:
                raise Refusal(
                    "Other servers on this database do not have the secret yet: "
                    f"{', '.join(others)}.",
                    hint=f"Copy {file} to them and have them reload; then run this again.",
                )
            await self._clock.sleep(LOOK_EVERY)

    def _lacking(self) -> Sequence[str]:
        """The servers that may not have the secrets of this one."""
        servers = self._servers()
        if servers is None:
            return ["which they are is not known just now"]
        return [one.server.name for one in servers if "sources" in one.differs]


def event_types() -> Sequence[str]:
    """The types of Parley's page, "Webhooks", all six (docs/decisions/upstream.md, C9)."""
    return (GENERIC_TYPE, *KINDS["parley"].event_types)


def _key(upstream: str, url: str, events: Sequence[str], secret: str) -> str:
    """The Idempotency-Key of a subscription: SHA-256 of its content in lower-case hex."""
    return hashlib.sha256(canonical([upstream, url, [*events], secret]).encode()).hexdigest()


def _is_same(url: str, other: str) -> bool:
    return url.rstrip("/").casefold() == other.rstrip("/").casefold()


def _time_of(text: str, *, now: Micros) -> Micros | None:
    return time_of_status(text, received_at=now).at
