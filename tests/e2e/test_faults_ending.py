"""SIGTERM under load: everybody is answered, and nothing that was acknowledged is lost."""

import asyncio
import json
import signal
import time
from collections import Counter

import pytest

from e2e.recipients import RecordingSink
from e2e.sender import Answer, Wire, document, encoded, request
from e2e.server import SOURCES, MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENDERS = 16
IN_HAND = 8


class Load:
    """Senders that post one delivery after another on a connection of their own, until it ends."""

    def __init__(self, server: Server) -> None:
        self.acknowledged: list[str] = []
        self.answers: Counter[str] = Counter()
        #: Sent into a connection that ended without a word; whether it was read nobody knows.
        self.unheard = 0
        self._server = server

    def heard(self, sent: dict[str, object], answer: Answer) -> None:
        """Note an answer: it is an acknowledgement, or asks to come again."""
        content = answer.json()
        if answer.status == 200:
            self.acknowledged.append(str(sent["id"]))
        else:
            assert (answer.status, content["error"]) == (503, "shutting_down")
            assert int(answer.headers["retry-after"]) > 0
        self.answers[content.get("status") or content["error"]] += 1

    async def run(self) -> None:
        """Send until the server is gone."""
        try:
            async with Wire(self._server) as wire:
                while True:
                    sent = document()
                    try:
                        await wire.say(request(encoded(sent)))
                        answer = await wire.hear()
                    except asyncio.IncompleteReadError as error:
                        # An idle connection may be closed; an answer is never cut off.
                        assert error.partial == b""  # noqa: PT017 - goes on to end the loop
                        raise
                    self.heard(sent, answer)
        except (OSError, EOFError):
            self.unheard += 1


@pytest.mark.slow
async def test_sigterm_under_load(make_server: MakeServer) -> None:
    """Every request in hand is answered, the server ends with 0 in time, and all is there after."""
    async with RecordingSink() as room:
        channel = f'[channels.room]\nurl = "json://127.0.0.1:{room.port}/"\npace = "0s"\n'
        rule = '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["room"]\n'
        server = await make_server(f"{SOURCES}{channel}{rule}").start()
        load = Load(server)
        senders = [asyncio.create_task(load.run()) for _ in range(SENDERS)]
        in_hand = [document() for _ in range(IN_HAND)]
        wires = [await Wire(server).__aenter__() for _ in in_hand]
        for wire, sent in zip(wires, in_hand, strict=True):
            await wire.say(request(encoded(sent))[:-10])
        await until(lambda: len(load.acknowledged) > 80, "eighty acknowledgements")

        began = time.monotonic()
        async with Wire(server) as idle:
            # A connection that is taken: it is closed as the end begins.
            await idle.say(request(b"", {}, path="/health", method="GET"))
            assert (await idle.hear()).status == 200
            server.process.send_signal(signal.SIGTERM)
            assert await idle.closed() == b""
        for wire, sent in zip(wires, in_hand, strict=True):
            await wire.say(request(encoded(sent))[-10:])
            load.heard(sent, await wire.hear())
        assert await server.ended() == 0
        took = time.monotonic() - began
        await asyncio.gather(*senders, *(wire.__aexit__() for wire in wires))
        figures = f"{dict(load.answers)}, {load.unheard} connections closed"
        print(f"SIGTERM to exit under load: {took:.1f} s; {figures}")  # noqa: T201 - figures
        assert took < 10
        assert "Traceback" not in server.text()

        await server.start()
        stored = Counter(key for (key,) in server.rows("SELECT key FROM events"))
        assert set(load.acknowledged) <= set(stored)
        assert set(stored.values()) == {1}
        # What was stored and not acknowledged can only be what was on its way at the end.
        assert len(stored) - len(load.acknowledged) <= load.unheard
        await server.settled()
        told = Counter(
            json.loads(one.body)["message"].partition(", event ")[2].split("\n")[0]
            for one in room.requests
        )
        assert len(told) == len(stored)
        assert server.rows("SELECT count(*) - max(seq) FROM journal") == [(0,)]
