"""Random keys that a database makes for itself.

They are in the database, not in a file: all servers on one database need the same ones, and a
backup has them.
"""

import secrets
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from casebell.store.schema import keys
from casebell.store.statements import Driver, TableRow, insert_new

#: Makes digests of secrets that were presented and refused.
REFUSED: Final = "refused"
#: Makes the ids of messages and threads. The first to have one were webhooks.
MESSAGES: Final = "webhooks"


class _KeyRow(TableRow):
    name: str
    key: bytes


_NEW_KEYS = insert_new(keys, _KeyRow)


async def own_key(connection: AsyncConnection, name: str) -> bytes:
    """The key of this name; made at its first use, in a writing transaction."""
    new = _KeyRow(name=name, key=secrets.token_bytes(32))
    await (await Driver.of(connection)).run(_NEW_KEYS, [new])
    key = await connection.execute(select(keys.c.key).where(keys.c.name == name))
    return bytes(key.scalar_one())


async def existing_key(connection: AsyncConnection, name: str) -> bytes | None:
    """The key of this name, without making one."""
    key = await connection.execute(select(keys.c.key).where(keys.c.name == name))
    found = key.scalar_one_or_none()
    return None if found is None else bytes(found)
