"""The real server reads its configuration anew: by SIGHUP and by `casebell reload`."""

import asyncio
import hashlib
import json
import re
import signal
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from casebell.sandbox.http_sink import HttpAnswer
from casebell.sandbox.mail_sink import SmtpSink
from e2e.recipients import RecordingSink, text_of
from e2e.sender import deliver, document, encoded, post, signed
from e2e.server import PARLEY_SECRET, MakeServer, Server
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

RFE = "Request for Additional Evidence Was Sent"
#: Not in the environment of the tests: the file has them.
NEXT_SECRET = "parley-signing-secret-of-next-year"


def source(*secrets: str) -> str:
    """The source, with these secrets."""
    return f'[sources.parley]\nkind = "parley"\nsecrets = {json.dumps(secrets)}\n'


def told_by(hook: RecordingSink, *, name: str = "team") -> str:
    """A channel to a sink, and a rule that names it for everything."""
    return (
        f'[channels.{name}]\nurl = "json://127.0.0.1:{hook.port}/"\npace = "0s"\n'
        f'[[rules]]\nname = "All by {name}"\nwhen = {{}}\nnotify = ["{name}"]\n'
    )


def by_mail(mail: SmtpSink) -> str:
    """Operations read mail."""
    return (
        f'[channels.ops]\nurl = "mailto://127.0.0.1:{mail.port}?from=casebell@example.com"\n'
        'to = ["ops@example.com"]\npace = "0s"\n[ops]\nnotify = ["ops"]\n'
    )


def hang_up(server: Server) -> None:
    """Send the signal."""
    server.process.send_signal(signal.SIGHUP)


def journalled(server: Server, kind: str) -> list[dict[str, object]]:
    """The data of the journal's entries of one kind."""
    found = server.rows("SELECT data FROM journal WHERE kind = ? ORDER BY seq", kind)
    return [json.loads(data) for (data,) in found]


def sha256_of(server: Server) -> str:
    """The hash of its file."""
    return hashlib.sha256(server.config.read_bytes()).hexdigest()


@pytest_asyncio.fixture(loop_scope="module")
async def hook() -> AsyncIterator[RecordingSink]:
    """Where messages go."""
    async with RecordingSink() as sink:
        yield sink


class Upstream:
    """Posts without end over connections that are kept, each delivery signed with one secret."""

    def __init__(self, server: Server, secret: str) -> None:
        self._server = server
        self._secret = secret
        self.answers: list[int] = []
        self.ended = False

    async def post(self) -> None:
        """Until somebody says that it has ended."""
        async with httpx2.AsyncClient(timeout=15, trust_env=False, verify=False) as client:
            while not self.ended:
                body = encoded(document())
                answer = await client.post(
                    f"{self._server.url}/webhooks/parley",
                    content=body,
                    headers=signed(body, secret=self._secret),
                )
                self.answers.append(answer.status_code)

    async def posted(self, more: int) -> None:
        """Wait for so many more answers."""
        goal = len(self.answers) + more
        await until(lambda: len(self.answers) >= goal, "more answers")


async def test_a_secret_is_rotated_under_load(make_server: MakeServer) -> None:
    """Both secrets, then the new one alone: every delivery with a secret in force is stored."""
    server = await make_server(source(PARLEY_SECRET)).start()
    old = Upstream(server, PARLEY_SECRET)
    new = Upstream(server, NEXT_SECRET)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(old.post())
        await old.posted(30)
        server.configure(source(NEXT_SECRET, PARLEY_SECRET))
        hang_up(server)
        await server.logged("config.reloaded")
        for _ in range(3):
            tasks.create_task(new.post())
        await old.posted(30)
        await new.posted(30)
        old.ended = True
        await old.posted(0)
        server.configure(source(NEXT_SECRET))
        ran = await server.run("reload")
        assert (ran.code, ran.err) == (0, "")
        await new.posted(30)
        new.ended = True
    assert set(old.answers) == set(new.answers) == {200}
    stored = len(old.answers) + len(new.answers)
    assert server.rows("SELECT count(*) FROM events") == [(stored,)]
    assert (await post(server, encoded(document()))).status_code == 401
    entries = journalled(server, "config.reloaded")
    assert entries[-1]["config_sha256"] == sha256_of(server)
    assert len(entries) == 2
    told = server.text() + json.dumps(entries) + ran.out
    assert PARLEY_SECRET not in told
    assert NEXT_SECRET not in told
    assert ran.out.splitlines()[0] == "Sources  changed: parley"


async def test_a_wrong_file_changes_nothing(make_server: MakeServer, hook: RecordingSink) -> None:
    """The log, the journal and one mail to operations say why; deliveries go on as before."""
    async with SmtpSink() as mail:
        good = source(PARLEY_SECRET) + told_by(hook) + by_mail(mail)
        server = await make_server(good).start()
        server.configure(source(NEXT_SECRET) + told_by(hook) + by_mail(mail), server="prot = 1")
        sha256 = sha256_of(server)
        for count in (1, 2):
            hang_up(server)
            (*_, line) = await server.logged("config.rejected", count=count)
        assert line["config_sha256"] == sha256
        assert [problem["key"] for problem in line["problems"]] == ["server.prot"]
        await until(
            lambda: len(journalled(server, "config.rejected")) == 2, "two rejections in the journal"
        )
        entries = journalled(server, "config.rejected")
        assert [entry["config_sha256"] for entry in entries] == [sha256] * 2
        await mail.received(1)
        await deliver(server)
        await hook.received(1)
        await server.settled()
        (one,) = mail.mails
        recipient, subject, text = text_of(one)
        assert recipient == "ops@example.com"
        assert subject == "Casebell operations: A new configuration cannot be used"
        assert "server.prot" in text
        assert NEXT_SECRET not in server.text() + text + json.dumps(entries)
        assert journalled(server, "config.reloaded") == []


async def test_renamed_fields_are_told_and_mended(
    make_server: MakeServer, hook: RecordingSink
) -> None:
    """Held, and told with the line to try; after a reload with that line it is an alert."""
    receipt = "IOE0910000001"
    body = encoded(
        {
            "id": "evt_renamed",
            "type": "case.status.updated",
            "data": {"receipt_number": receipt, "message": RFE, "state": "x"},
        }
    )
    async with SmtpSink() as mail:
        rest = told_by(hook) + by_mail(mail)
        server = await make_server(source(PARLEY_SECRET) + rest).start()
        answer = await post(server, body)
        assert (answer.status_code, answer.json()["reason"]) == (202, "missing_status")
        await mail.received(1)
        _, subject, text = text_of(mail.mails[0])
        assert subject == "Casebell operations: Deliveries held: parley"
        assert "type, data.receipt_number, data.message, data.state" in text
        assert not {receipt, RFE} & set(text.splitlines())
        (line,) = re.findall(
            r"^.* Try under \[sources\.parley\]: (fields = .*)$", text, re.MULTILINE
        )
        # Each step as the mail says it.
        server.configure(source(PARLEY_SECRET) + line + "\n" + rest)
        assert (await server.run("reload")).code == 0
        (command,) = re.findall(
            r"casebell (held release --all --reason missing_status)$", text, re.MULTILINE
        )
        released = await server.run(*command.split())
        assert (released.code, released.err) == (0, "")
        await hook.received(1)
        (alert,) = hook.messages_of(receipt)
        assert "RFE issued" in alert["title"]
        assert (await server.run("held", "list")).out == "Nothing is held.\n"


async def test_the_command_says_why_not(make_server: MakeServer) -> None:
    """All problems as `casebell check` prints them, with its exit code."""
    server = await make_server(source(PARLEY_SECRET)).start()
    server.configure(source(NEXT_SECRET) + "[channels.team]\nurl = 'x'\n", server="prot = 1")
    checked, ran = await asyncio.gather(server.run("check"), server.run("reload"))
    assert (ran.code, ran.out, ran.err) == (checked.code, "", checked.err)
    assert ran.code == 1
    assert "server.prot" in ran.err
    assert "channels.team" in ran.err
    await deliver(server)
    server.config.write_text("nonsense")
    checked, ran = await asyncio.gather(server.run("check"), server.run("reload"))
    assert (ran.code, ran.out, ran.err) == (checked.code, "", checked.err)
    await deliver(server)


async def test_what_the_servers_environment_knows(make_server: MakeServer) -> None:
    """A secret that only the server's environment has is no problem of the command's."""
    server = make_server(source("${ONLY_THE_SERVER_KNOWS}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONLY_THE_SERVER_KNOWS", NEXT_SECRET)
        await server.start()
    assert (await server.run("check")).code == 1
    ran = await server.run("reload", "--json")
    assert (ran.code, ran.err) == (0, "")
    (answer,) = ran.lines()
    assert answer["changed"] == {}
    assert answer["config_sha256"] == sha256_of(server)
    body = encoded(document())
    assert (await post(server, body, signed(body, secret=NEXT_SECRET))).status_code == 200


async def test_without_a_server(make_server: MakeServer) -> None:
    """There is nothing to reload: exit code 3 and a sentence, whatever the database."""
    server = make_server(source(PARLEY_SECRET))
    ran = await server.run("reload")
    assert (ran.code, ran.out) == (3, "")
    assert "No server of this configuration runs here." in ran.err
    await server.start()
    await server.kill()
    assert (await server.run("reload")).code == 3
    server.config.write_text(
        source(PARLEY_SECRET) + '[storage]\nurl = "postgresql://user:word@127.0.0.1:9/none"\n'
    )
    assert (await server.run("reload")).code == 3
    server.config.unlink()
    ran = await server.run("reload")
    assert ran.code == 2
    assert "casebell init" in ran.err


async def test_a_channel_that_goes_while_it_sends(
    make_server: MakeServer, hook: RecordingSink
) -> None:
    """What is on its way arrives once; the next goes to the channel that took its place."""
    async with RecordingSink() as other:
        answered = asyncio.Event()
        hook.answer(HttpAnswer(after=answered))
        server = await make_server(source(PARLEY_SECRET) + told_by(hook)).start()
        await deliver(server)
        await hook.received(1)
        server.configure(source(PARLEY_SECRET) + told_by(other, name="second"))
        ran = await server.run("reload")
        assert ran.out.splitlines()[:2] == [
            "Channels  added: second; removed: team",
            "Rules     added: All by second; removed: All by team",
        ]
        await deliver(server)
        await other.received(1)
        answered.set()
        await server.settled()
        states = server.rows("SELECT channel, state, attempts FROM alerts ORDER BY id")
        assert states == [("team", "sent", 1), ("second", "sent", 1)]
        assert (len(hook.requests), len(other.requests)) == (1, 1)
        assert await server.stop() == 0


@pytest.mark.slow
async def test_a_storm_of_signals(make_server: MakeServer, hook: RecordingSink) -> None:
    """However many signals: few reloads, every delivery stored, the last file in force."""
    server = await make_server(source(PARLEY_SECRET) + told_by(hook)).start()
    upstream = Upstream(server, PARLEY_SECRET)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(upstream.post())
        for number in range(100):
            server.configure(source(PARLEY_SECRET) + told_by(hook) + f"# {number}\n")
            hang_up(server)
            await upstream.posted(1)
        last = sha256_of(server)
        await server.logged("config.reloaded", where=lambda line: line["config_sha256"] == last)
        upstream.ended = True
    assert set(upstream.answers) == {200}
    await server.settled()
    assert len(hook.requests) == len(upstream.answers)
    assert server.rows("SELECT DISTINCT state, attempts FROM alerts") == [("sent", 1)]
    assert await server.stop() == 0


async def test_a_port_needs_a_restart(make_server: MakeServer) -> None:
    """What a running server cannot change is named; the rest is in force."""
    server = await make_server(source(PARLEY_SECRET)).start()
    server.configure(source(NEXT_SECRET), server="port = 9")
    ran = await server.run("reload")
    assert ran.code == 0
    assert "Warning: server.port" in ran.out
    assert (await server.logged("config.needs_restart"))[0]["keys"] == ["server.port"]
    body = encoded(document())
    assert (await post(server, body, signed(body, secret=NEXT_SECRET))).status_code == 200


async def test_a_new_wording_is_told_and_mended(
    make_server: MakeServer, hook: RecordingSink
) -> None:
    """Shown as new, and told to operations with lines that mend it with a reload."""
    async with SmtpSink() as mail:
        rest = told_by(hook) + by_mail(mail)
        server = await make_server(source(PARLEY_SECRET) + rest).start()

        async def told(receipt: str) -> str:
            body = document(receipt_number=receipt, type="case.status.updated")
            body |= {"normalized_status": "other", "raw_status_text": "The Blue Phase Has Begun"}
            assert (await post(server, encoded(body))).status_code == 200
            await until(lambda: len(hook.messages_of(receipt)) == 1, "the alert")
            return str(hook.messages_of(receipt)[0]["title"])

        assert "New wording: read it" in await told("IOE0910000011")
        await mail.received(1)
        _, subject, text = text_of(mail.mails[0])
        assert subject == "Casebell operations: New wording from parley"
        lines = text[text.index("[[wordings]]") : text.index("Then: casebell reload")]
        server.configure(source(PARLEY_SECRET) + lines + "\n" + rest)
        ran = await server.run("reload")
        assert (ran.code, ran.err) == (0, "")
        assert "Wordings  added: 1" in ran.out
        assert "Notice with deadline" in await told("IOE0910000012")
        await server.settled()
        assert len(mail.mails) == 1
