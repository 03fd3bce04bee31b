"""Our subscriptions to an API: begun before it is asked, and complete once it has answered."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.actors import Actor
from casebell.errors import Refusal
from casebell.events import Micros
from casebell.store import journal
from casebell.store.schema import UNANSWERED, upstream_subscriptions


async def every(connection: AsyncConnection, upstream: str) -> Sequence[Row[Any]]:
    """Those of an API, the oldest first."""
    statement = (
        select(upstream_subscriptions)
        .where(upstream_subscriptions.c.upstream == upstream)
        .order_by(upstream_subscriptions.c.id)
    )
    return (await connection.execute(statement)).all()


async def begun(connection: AsyncConnection, upstream: str, url: str) -> Row[Any] | None:
    """The one that an API has not answered yet; None where there is none."""
    statement = select(upstream_subscriptions).where(
        upstream_subscriptions.c.upstream == upstream,
        upstream_subscriptions.c.url == url,
        UNANSWERED,
    )
    found: Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return found


async def begin(
    connection: AsyncConnection,
    upstream: str,
    *,
    url: str,
    events: Sequence[str],
    secret: str,
    now: Micros,
    actor: Actor,
) -> None:
    """Keep that an API is about to be asked; the same again changes nothing.

    Args:
        secret: the mark of the secret, see `casebell.service.subscribing`.

    Raises:
        Refusal: another one, with another secret, waits for its answer.
    """
    there = await begun(connection, upstream, url)
    if there is not None:
        if there.secret != secret:
            raise Refusal(
                "Somebody else is subscribing just now, with another secret.",
                hint="Run this again, on the server that has the secret in its secret_file.",
            )
        return
    await connection.execute(
        upstream_subscriptions.insert().values(
            upstream=upstream,
            url=url,
            events=" ".join(events),
            secret=secret,
            begun_at=now,
            begun_by=actor.name,
        )
    )


async def complete(
    connection: AsyncConnection,
    upstream: str,
    *,
    url: str,
    subscription: str,
    events: Sequence[str],
    created_at: Micros | None,
    now: Micros,
    actor: Actor,
) -> None:
    """Keep what an API answered; twice the same is kept once.

    Args:
        events: the types that it has taken.
    """
    row = await begun(connection, upstream, url)
    if row is None:
        return
    await connection.execute(
        upstream_subscriptions.update()
        .where(upstream_subscriptions.c.id == row.id)
        .values(subscription=subscription, events=" ".join(events), created_at=created_at)
    )
    data = {"subscription": subscription, "url": url, "events": [*events]}
    entry = journal.Entry.of(
        actor, at=now, kind="upstream.subscribed", subject=f"upstream:{upstream}", data=data
    )
    await journal.append(connection, [entry])


async def forget(
    connection: AsyncConnection, upstream: str, *, url: str, secret: str, now: Micros, actor: Actor
) -> None:
    """Forget one that was begun with a secret that is nowhere any more."""
    row = await begun(connection, upstream, url)
    if row is None or row.secret != secret:
        return
    await connection.execute(
        upstream_subscriptions.delete().where(upstream_subscriptions.c.id == row.id)
    )
    entry = journal.Entry.of(
        actor, at=now, kind="upstream.given_up", subject=f"upstream:{upstream}", data={"url": url}
    )
    await journal.append(connection, [entry])
