"""The servers that share a database, and by which settings each of them works."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.events import Micros
from casebell.store.schema import servers


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One running server."""

    #: The owner of its leases.
    name: str
    started_at: Micros
    #: The names of its channels.
    channels: frozenset[str]
    #: By section, SHA-256 in lower-case hex of the settings by which it decides and tells.
    settings: Mapping[str, str]


async def publish(connection: AsyncConnection, server: Server) -> None:
    """Write down a server as it is now."""
    await remove(connection, [server.name])
    await connection.execute(
        servers.insert().values(
            name=server.name,
            started_at=server.started_at,
            channels=json.dumps(sorted(server.channels)),
            settings=json.dumps(dict(server.settings)),
        )
    )


async def known(connection: AsyncConnection) -> list[Server]:
    """Every server that is written down, dead ones that nobody removed yet among them."""
    return [
        Server(
            name=row.name,
            started_at=row.started_at,
            channels=frozenset(json.loads(row.channels)),
            settings=json.loads(row.settings),
        )
        for row in await connection.execute(select(servers).order_by(servers.c.name))
    ]


async def remove(connection: AsyncConnection, names: Collection[str]) -> None:
    """Forget servers that are dead."""
    await connection.execute(delete(servers).where(servers.c.name.in_(names)))
