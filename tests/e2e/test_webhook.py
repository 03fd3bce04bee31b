"""A real server posts alerts to a program: signed, whole, and by the secrets of the moment."""

import json
import re
from collections.abc import Sequence

import pytest
import standardwebhooks

from casebell.sandbox.http_sink import HttpRequest, HttpSink
from e2e.sender import document, encoded, post
from e2e.server import SOURCES, MakeServer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PLACE = "intake-4711"
RECEIPT = "IOE7000000009"
#: A whole pair, two halves, marks that reorder what follows, and what JSON escapes: 200 KB.
ONCE = (
    "Request \U0001f514 \ud83d|\udc80 \u202egnp.\u202c \u2066\u05e9\u05dc\u05d5\u05dd\u2069\u200f"
    "\x7f \"\\' </script>"
)
TEXT = ONCE * 3_500
NUMBER = int("1234567890" * 4)


def config(port: int, *secrets: str) -> str:
    return (
        f'{SOURCES}[channels.practice]\nwebhook = "http://127.0.0.1:{port}/{PLACE}?firm=7"\n'
        f'secret = {json.dumps(secrets)}\npace = "0s"\n'
        '[[rules]]\nname = "All"\nwhen = {}\nnotify = ["practice"]\n'
    )


def verified(request: HttpRequest, *secrets: str) -> None:
    """Each of these secrets is enough to know the sender."""
    for secret in secrets:
        standardwebhooks.Webhook(secret).verify(request.body, request.headers)


async def alert_ids(server: Server, *arguments: str) -> Sequence[int]:
    listed = await server.run("alerts", "list", "--json", *arguments)
    return [line["id"] for line in listed.lines()]


async def test_from_a_delivery_to_a_program(make_server: MakeServer) -> None:
    """Whatever a text holds arrives as it came; a reload replaces the secret; nothing leaks."""
    assert len(encoded(TEXT)) > 200_000
    async with HttpSink() as sink:
        server = make_server(config(sink.port, OLD), server='max_body = "1MiB"')
        checked = await server.run("check")
        assert (checked.code, checked.err) == (0, "")
        assert "practice: to webhook" in checked.out
        await server.start()
        body = encoded(document(id=NUMBER, raw_status_text=TEXT, receipt_number=RECEIPT))
        answer = await post(server, body)
        assert (answer.status_code, answer.json()["status"]) == (200, "stored")
        await server.settled()
        (request,) = sink.requests
        assert request.path == f"/{PLACE}?firm=7"
        verified(request, OLD)
        data = json.loads(request.body)["data"]
        # What is kept of a text is the receiver's matter: no halves, and no more than anyone reads.
        kept = re.sub("[\ud800-\udfff]", "\ufffd", ONCE)
        assert data["event"]["text"].startswith(kept * 100)
        (listed,) = (await server.run("events", "list", "--json")).lines()
        assert data["event"] == listed
        assert data["event"]["key"] == str(NUMBER)
        assert data["event"]["receipt"] == RECEIPT
        assert RECEIPT in data["message"]["body"]
        assert [data["alert"]["id"]] == await alert_ids(server, "--state", "sent")

        server.configure(config(sink.port, NEW, OLD), server='max_body = "1MiB"')
        reloaded = await server.run("reload")
        assert (reloaded.code, reloaded.err) == (0, "")
        tried = await server.run("channels", "test", "practice")
        assert (tried.code, tried.err) == (0, "")
        _, test = sink.requests
        verified(test, OLD, NEW)
        assert json.loads(test.body)["type"] == "alert.test"
        assert test.headers["webhook-id"] != request.headers["webhook-id"]
        doctor = await server.run("doctor")
    said = server.text() + checked.out + reloaded.out + tried.out + doctor.out + doctor.err
    for secret in (OLD, NEW, PLACE):
        assert secret.removeprefix("whsec_") not in said
