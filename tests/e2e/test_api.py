"""The API of a real server: the page's examples by curl, what the guard does, hostile bodies."""

import asyncio
import hashlib
import json
import shutil
from typing import Any

import httpx2
import pytest

from casebell.json_text import encode
from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from docs.pages import blocks
from e2e.sender import Wire, deliver, document, encoded, post, request
from e2e.server import SOURCES, MakeServer, Server, environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: A channel whose service refuses: its alerts fail.
REFUSING = """
[channels.nowhere]
url = "json://127.0.0.1:{port}/"
pace = "0s"
[[rules]]
name = "All"
when = {{}}
notify = ["nowhere"]
"""


async def token(server: Server, role: str) -> str:
    """A token of this role, made on the command line."""
    made = await server.run("tokens", "add", f"the-{role}", "--role", role, "--json")
    (answer,) = made.lines()
    return str(answer["token"])


async def ask(
    server: Server, path: str, *, of: str, method: str = "GET", body: Any = None
) -> httpx2.Response:
    """One request by a token, which must succeed."""
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        answer = await client.request(
            method,
            f"{server.url}/api/v1/{path}",
            headers={"Authorization": f"Bearer {of}"},
            json=body,
            timeout=30,
        )
    assert answer.status_code == 200, answer.text
    return answer


async def test_the_pages_examples(make_server: MakeServer) -> None:
    """Each command of docs/api.md does what it is there for, pasted into a shell."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    async with HttpSink() as sink:
        sink.answer(HttpAnswer(status=404))
        server = await make_server(SOURCES + REFUSING.format(port=sink.port)).start()
        for _ in range(4):
            await deliver(server)
        await deliver(server, receipt_number="IOE0912345678")
        await post(server, encoded(document(normalized_status=None, raw_status_text=None)))
        await server.settled()
    admin = await token(server, "admin")
    first, *rest = blocks("docs/api.md", "sh")
    _, _, line = first.strip().partition("casebell ")
    assert (await server.run(*line.split())).code == 0
    listed, why, pages, exported, dismissed, released, imported, changed = [
        await _run(script, CASEBELL=server.url, TOKEN=admin) for script in rest
    ]
    assert [one["id"] for one in listed[0]["items"]] == [5, 4, 3, 2, 1]
    assert why[0]["alerts"][0]["tried"]
    assert [one["id"] for page in pages for one in page["items"]] == [5, 4, 3, 2, 1]
    assert [one.get("id") for one in exported] == [5, None]
    assert dismissed == [{"alerts": [1], "left": []}]
    assert [one["status"] for one in released[0]["held"]] == ["still_held"]
    assert (imported[0]["new"], imported[0]["left_out"]) == (1, 0)
    assert (changed[0]["owner"], changed[0]["team"]) == ("Jia Chan", "rfe")


async def _run(script: str, **variables: str) -> list[Any]:
    """What a script prints, line by line; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment() | variables | {"no_proxy": "127.0.0.1"},
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (script, out, err)
    return [json.loads(line) for line in out.splitlines()]


async def test_a_body_that_is_too_slow(make_server: MakeServer) -> None:
    """408, as for a delivery; and it is told as none."""
    server = await make_server(server='body_timeout = "200ms"\n').start()
    operator = await token(server, "operator")
    headers = {"Authorization": f"Bearer {operator}", "Content-Type": "application/json"}
    async with Wire(server) as wire:
        await wire.say(request(b'{"ids', headers, path="/api/v1/held/release", length=20))
        answer = await wire.hear()
    assert (answer.status, answer.json()["error"]) == (408, "body_too_slow")
    (line,) = await server.logged("request.refused")
    assert (line["source"], line["asked"]) == ("noise", "/api/v1/held/release")
    assert server.rows("SELECT * FROM streaks") == []
    await server.logged("api.request", where=lambda line: line.get("outcome") == "abandoned")


#: What a database's text cannot hold; the body does.
HALVES = "\ud83d \udfff\ud83d "
#: Marks that turn the direction of a line, and what acts on a terminal.
HOSTILE = "\u202eevil\u202c \u2066 \u200f \ufeff \x1b[31m \x7f \x9b \u2028 \U0001f389 "
RECEIPT = "IOE7000000019"
NUMBER = int("1234567890" * 4)


async def test_a_hostile_body_passes_unchanged(make_server: MakeServer) -> None:
    """What a provider sends comes back as it came, by every way; the log has none of it."""
    sent = (HOSTILE + HALVES) * (200_000 // len(HOSTILE))
    body = json.dumps(
        {
            "id": "evt_hostile",
            "type": "case.status.updated",
            "receipt_number": RECEIPT,
            "raw_status_text": sent,
            "amount": NUMBER,
            "note": HALVES + HOSTILE,
            "occurred_at": "2025-10-14T19:22:03Z",
        }
    ).encode()
    assert len(body) > 200_000
    server = await make_server(server='max_body = "4MiB"\n').start()
    answer = await post(server, body)
    assert answer.status_code == 200, server.rows("SELECT detail FROM held")
    ((kept,),) = server.rows("SELECT body FROM events")
    assert kept == body
    admin = await token(server, "admin")

    listed = json.loads((await ask(server, f"events?receipt={RECEIPT}", of=admin)).content)
    (event,) = listed["items"]
    one = json.loads((await ask(server, "events/1", of=admin)).content)
    why = json.loads((await ask(server, "events/1/why", of=admin)).content)
    # Its beginning, with what cannot be stored replaced; the body has the whole.
    text = event["text"]
    assert text.startswith(HOSTILE)
    assert len(text) > 10_000
    assert {name: one[name] for name in event} == event == why["event"]
    exact = await ask(server, "events/1/body", of=admin)
    assert exact.content == body
    assert exact.headers["Content-Disposition"].startswith("attachment;")
    assert exact.headers["Content-Security-Policy"] == "sandbox"
    assert exact.headers["X-Content-Type-Options"] == "nosniff"
    exported = await ask(server, "events/export", of=admin, method="POST", body={"bodies": True})
    assert exported.headers["Content-Type"] == "application/x-ndjson"
    row, last = map(json.loads, exported.text.splitlines())
    assert row == {**event, "body": body.decode()}
    assert hashlib.sha256(row["body"].encode()).hexdigest() == row["body_sha256"]
    assert (last["export"]["rows"], last["export"]["filter"]) == (1, {"bodies": True})
    journal = json.loads((await ask(server, "journal?limit=500", of=admin)).content)["items"]
    for entry in journal:
        ((kept,),) = server.rows("SELECT data FROM journal WHERE seq = ?", entry["seq"])
        assert entry["data"] == json.loads(kept)
    assert {"body.read", "export.started", "export.ended"} <= {one["kind"] for one in journal}

    for command in (("list",), ("export",), ("show", "1")):
        noun = await server.run("events", *command, *(["--json"] * (command != ("export",))))
        # An export has a last line of its own.
        assert noun.lines()[0]["text"] == text, command
    with_body = (await server.run("events", "export", "--bodies")).lines()[0]
    assert with_body == {**event, "body": body.decode()}
    (shown,) = (await server.run("events", "show", "1", "--json")).lines()
    assert json.loads(shown["body"]) == json.loads(body)
    assert json.loads(shown["body"])["amount"] == NUMBER

    await server.logged("api.request", count=6)
    log = server.text()
    assert "evil" not in log
    assert RECEIPT not in log
    assert log.isascii()


async def test_a_held_hostile_body(make_server: MakeServer) -> None:
    """One that cannot be understood is held as it is, and listed whole."""
    body = encoded(document(id=HOSTILE, raw_status_text=HALVES + HOSTILE * 500, amount=NUMBER))
    server = await make_server().start()
    answer = (await post(server, body)).json()
    assert (answer["status"], answer["reason"]) == ("held", "invalid_field")
    operator = await token(server, "operator")
    (held,) = json.loads((await ask(server, "held", of=operator)).content)["items"]
    assert held["body"].encode() == body
    raw = b'"\xff\xfe \xed\xa0\x80'
    assert (await post(server, raw)).status_code == 202
    latest = json.loads((await ask(server, "held?limit=1", of=operator)).content)["items"][0]
    assert latest["body"] == raw.decode("utf-8", "backslashreplace")
    assert encode(latest["body"]).isascii()
