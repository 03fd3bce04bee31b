"""The power fails at any moment: nothing that was acknowledged is lost, nothing is damaged."""

import asyncio
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from e2e.answers import checked
from e2e.power_cuts import Record
from e2e.sender import document, encoded, post
from e2e.server import MakeServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

IMAGES = 280


async def test_at_any_moment(make_server: MakeServer, tmp_path: Path) -> None:
    """Each image of the disk opens, is whole, and has all that was acknowledged before it."""
    server = make_server()
    record = Record(server, tmp_path)
    #: Keys with where the record was when each was acknowledged.
    acknowledged: list[tuple[str, int]] = []

    async def send() -> None:
        for _ in range(15):
            body = encoded(document())
            assert checked(await post(server, body), 200)["status"] == "stored"
            acknowledged.append((json.loads(body)["id"], record.length))

    # The end of each run brings what is in the -wal into the database, and removes it.
    for _ in range(2):
        await server.start()
        await asyncio.gather(*(send() for _ in range(4)))
        assert await server.stop() == 0
    folder = tmp_path / "image"
    folder.mkdir()
    torn = 0
    for cut, files in record.images(IMAGES, random.Random(280)):
        for old in folder.iterdir():
            old.unlink()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        due = {key for key, at in acknowledged if at <= cut}
        with closing(sqlite3.connect(folder / server.database.name)) as image:
            assert image.execute("PRAGMA integrity_check").fetchall() == [("ok",)], cut
            keys = [key for (key,) in image.execute("SELECT key FROM events")]
            gaps = image.execute("SELECT count(*) - coalesce(max(seq), 0) FROM journal")
            assert gaps.fetchone() == (0,), cut
        assert due <= set(keys), f"lost at {cut}: {sorted(due - set(keys))[:5]}"
        assert len(keys) == len(set(keys))
        torn += len(keys) < len(acknowledged)
    print(f"{IMAGES} images of {len(acknowledged)} deliveries, {torn} of them before the last")  # noqa: T201 - figures
    assert torn > IMAGES / 2
