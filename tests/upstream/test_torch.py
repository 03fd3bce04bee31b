"""The client of Torch against a real server: batches, and what becomes of one that is refused."""

import json

from casebell.sandbox.http_sink import HttpSink
from casebell.store.engine import Store
from casebell.upstream.client import CaseUnknown, Told
from upstream.harness import FIRST, SECOND, THIRD, asked_of, path_of, says, torch, torch_state


async def test_a_batch(api: HttpSink, sqlite_store: Store) -> None:
    """One request, each case once; the bytes are those of each object."""
    api.answer(says([torch_state(SECOND), torch_state(FIRST, extra=[1])]))
    async with torch(sqlite_store, api.url) as client:
        said = await client.statuses([FIRST, SECOND, FIRST, THIRD])
    assert path_of(api.requests[0]) == "/case-status/batch"
    assert asked_of(api.requests[0]) == [("receipt", one) for one in (FIRST, SECOND, THIRD)]
    told = said[FIRST]
    assert isinstance(told, Told)
    assert told.body == json.dumps(torch_state(FIRST, extra=[1])).encode()
    assert isinstance(said[SECOND], Told)
    assert said[THIRD] == CaseUnknown(receipt=THIRD)
    assert len(api.requests) == 1
