"""Channels that hang, drip or are gone for good: each keeps only itself waiting."""

import contextlib
import json

import pytest

from casebell.sandbox.http_sink import Ending, HttpAnswer
from e2e.recipients import RecordingSink
from e2e.sender import deliver
from e2e.server import SOURCES, MakeServer
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: How each fails its first message.
TROUBLES = {
    "hangs": HttpAnswer(delay=60),
    # A byte in time and the next one, but the whole answer would take half a minute.
    "drips": HttpAnswer(drip=0.5),
    "resets": HttpAnswer(ending=Ending.RESET),
    "missing": HttpAnswer(status=404),
}
FIRST, SECOND = "CHA0000000001", "CHA0000000002"


@pytest.mark.soak
async def test_a_good_channel_beside_bad_ones(make_server: MakeServer) -> None:
    """While two channels hang the good one is told of a second change; then all find their end."""
    async with contextlib.AsyncExitStack() as stack:
        names = (*TROUBLES, "good", "ops")
        hooks = {name: await stack.enter_async_context(RecordingSink()) for name in names}
        for name, trouble in TROUBLES.items():
            hooks[name].answer(trouble, trouble if name == "missing" else HttpAnswer())
        channels = "".join(
            f'[channels.{name}]\nurl = "json://127.0.0.1:{hook.port}/"\n'
            'pace = "0s"\ntimeout = "4s"\n'
            for name, hook in hooks.items()
        )
        notify = ", ".join(f'"{name}"' for name in names if name != "ops")
        rules = f'[[rules]]\nname = "All"\nwhen = {{}}\nnotify = [{notify}]\n'
        server = await make_server(f'{SOURCES}{channels}{rules}[ops]\nnotify = ["ops"]\n').start()

        await deliver(server, receipt_number=FIRST)
        for name in ("hangs", "drips"):
            await hooks[name].received(1)
        second = await deliver(server, receipt_number=SECOND)
        ((at,),) = server.rows("SELECT received_at FROM events WHERE id = ?", second["row"])
        (message,) = await until(lambda: hooks["good"].messages_of(SECOND), "the second message")
        attempted = "SELECT 1 FROM attempts JOIN alerts ON alerts.id = alert_id WHERE channel = ?"
        assert [server.rows(attempted, name) for name in ("hangs", "drips")] == [[], []]
        took = (message["at"] - at) / 1000
        print(f"received to alerted beside channels that hang: {took:.0f} ms")  # noqa: T201

        await server.settled()
        ended = "SELECT channel, state, reason FROM alerts WHERE event_id = ? ORDER BY channel"
        assert server.rows(ended, second["row"]) == [
            ("drips", "sent", None),
            ("good", "sent", None),
            ("hangs", "sent", None),
            ("missing", "failed", "not_found"),
            ("resets", "sent", None),
        ]
        tried = (
            "SELECT outcome, attempts.reason FROM attempts JOIN alerts ON alerts.id = alert_id "
            "WHERE channel = ? ORDER BY attempts.id LIMIT 1"
        )
        assert {name: server.rows(tried, name) for name in TROUBLES} == {
            "hangs": [("ambiguous", "timeout")],
            "drips": [("ambiguous", "timeout")],
            "resets": [("ambiguous", "connection_lost")],
            "missing": [("permanent", "not_found")],
        }
        # The service had it whole each time: what is sent again says so, and only that.
        for name in ("hangs", "drips", "resets"):
            again = [
                "May repeat" in one["message"]
                for receipt in (FIRST, SECOND)
                for one in hooks[name].messages_of(receipt)
            ]
            assert again == [False, True, False]
        assert [len(hooks[name].requests) for name in ("missing", "good")] == [2, 2]
        # A request for evidence is urgent, so operations hear of each that nobody got.
        titles = [json.loads(one.body)["title"] for one in hooks["ops"].requests]
        assert titles == ["Casebell operations: URGENT: an alert was not delivered"] * 2
