"""200 KB of text that tries every trick: the body is kept as it came, what is shown is inert.

Slack and Teams get as much in the channels' contract suite (tests/contracts).
"""

import asyncio
import json
import unicodedata

import pytest

from casebell.kinds.parley import HOSTILE as MARKUP
from casebell.sandbox.mail_sink import SmtpSink
from cli.installation import HOSTILE as CONTROLS
from cli.installation import run_on_terminal
from e2e.recipients import RecordingSink, text_of
from e2e.sender import document, encoded, post
from e2e.server import SOURCES, MakeServer, Server

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CHANNELS = """
[channels.hook]
url = "json://127.0.0.1:{hook}/"
pace = "0s"
disclose = "full"

[channels.mail]
url = "mailto://127.0.0.1:{mail}?from=casebell@example.com"
to = ["team@example.com"]
pace = "0s"
disclose = "full"

[[rules]]
name = "All"
when = {{}}
notify = ["hook", "mail"]
"""
#: Half of it at the front, where a cut leaves it; and a key that is held for nothing.
TEXT = (MARKUP + CONTROLS + "\x9b31m\u2066\ufeff {% for a in b %} ${HOME} %s") * 700
KEY = "evt_<!channel>{{7*7}}"
RECEIPT = "IOE7000000009"
#: What no line of a terminal, a message or a log may have.
ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: Characters that a message may have; the text alone has 200,000.
LONGEST = 10_000


def acting(text: str) -> set[str]:
    """What of it would act on a terminal or a reader; line ends are ours."""
    return {repr(c) for c in text.replace("\n", "") if unicodedata.category(c) in ACTING}


async def test_hostile_text_is_inert_from_end_to_end(make_server: MakeServer) -> None:
    """Kept to the byte; short and harmless in messages, commands on a terminal and logs."""
    assert 200_000 < len(encoded(TEXT)) < 250_000
    async with RecordingSink() as hook, SmtpSink() as mail:
        server = await make_server(
            SOURCES + CHANNELS.format(hook=hook.port, mail=mail.port)
        ).start()
        body = encoded(document(id=KEY, raw_status_text=TEXT, receipt_number=RECEIPT))
        answer = await post(server, body)
        assert (answer.status_code, answer.json()["status"]) == (200, "stored")
        await server.settled()
        assert server.rows("SELECT state FROM alerts") == [("sent",), ("sent",)]
        ((stored,),) = server.rows("SELECT body FROM events")
        assert stored == body
        (told,) = hook.messages_of(RECEIPT)
        _, subject, text = text_of(mail.mails[0])
    for shown in (f"{told['title']}\n{told['message']}", f"{subject}\n{text}"):
        assert acting(shown) == set()
        assert len(shown) < LONGEST
        for live in ("<script", "<!channel>", "@everyone", "](https:", "<at>"):
            assert live not in shown
        assert "49" not in shown.split("{{7*7}}", maxsplit=1)[0].replace(RECEIPT, "")
    await shown_on_terminals(server)
    log = server.text()
    assert acting(log) == set()
    assert not any(word in log for word in ("everyone", "owned", "evil", "script", "7*7"))


async def shown_on_terminals(server: Server) -> None:
    """Every command that shows an event."""
    config = ("--config", str(server.config))
    exported = server.directory / "export.csv"
    commands = (
        ("events", "list"),
        ("events", "show", "1"),
        ("events", "show", "1", "--json"),
        ("why", "1"),
        ("events", "export", "--format", "csv"),
        ("events", "export", "--format", "jsonl"),
        ("events", "export", "--out", str(exported)),
    )
    seen = await asyncio.gather(
        *(asyncio.to_thread(run_on_terminal, *command, *config) for command in commands)
    )
    for command, shown in zip(commands, seen, strict=True):
        # Progress is drawn by us: it returns to its line's beginning and clears it.
        ours = shown.replace("\r", "").replace("\x1b[K", "").replace("\x1b[2K", "")
        assert acting(ours) == set(), command
    listing, _, one = seen[:3]
    assert len(listing) < 2_000
    assert max(map(len, listing.splitlines())) <= 200
    kept = json.loads(one)["text"]
    assert 10_000 < len(kept) < len(TEXT)
    assert TEXT.startswith(kept[:-1])
    assert await asyncio.to_thread(exported.stat)
