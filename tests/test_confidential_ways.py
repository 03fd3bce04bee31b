"""Every way by which news of a confidential case could leave, from one table.

The whole application with a room, a program, people's mail, its fallback and operations' mail, all
real receivers. Nothing that arrives anywhere says what the case is or how it stands.
"""

import asyncio
import email.policy
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import date, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from casebell.app import build
from casebell.events import Status
from casebell.sandbox.http_sink import HttpSink
from casebell.sandbox.mail_sink import Mail, SmtpAnswer, SmtpSink, SmtpStep
from casebell.settings import Settings, load
from casebell.store.schema import cases
from contracts.cases import with_keys
from contracts.stores import store_in
from contracts.writing import writing
from e2e.sender import document, encoded, signed
from raw_admin import ask
from waiting import until

SECRET = "parley-signing-secret-for-tests"
RECEIPT = "IOE0912345678"
#: What the firm says of the case, and what the source does: none of it may arrive anywhere.
LABEL, MATTER, FORM = "Gomez-Label", "2026-Matter", "I-918"
#: In lower case. The words of a sample of events, and of what else could be said of them.
NEVER_SAID = (
    *(LABEL.lower(), MATTER.lower(), FORM.lower(), RECEIPT.lower()),
    *("request for evidence", "rfe", "evidence", "denied", "denial", "approved", "blue phase"),
    *("answer is owed", "response is owed"),
)
#: Of a configuration, and of any message, whatever the case: not news of it.
RULE = "Everything"

HEAD = """
[storage]
url = "sqlite:///casebell.db"
[server]
public_url = "https://casebell.example-firm.com"
[sources.parley]
kind = "parley"
secrets = ["{secret}"]
[channels.room]
url = "json://127.0.0.1:{room}/"
[channels.program]
webhook = "http://127.0.0.1:{program}/"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
[channels.mail]
url = "mailto://127.0.0.1:{mail}?from=casebell@f.com"
to = {to}
unassigned = ["unassigned@f.com"]
fallback = "second"
disclose = "full"
[channels.second]
url = "mailto://127.0.0.1:{second}?from=casebell@f.com"
to = {second_to}
[channels.it]
url = "mailto://127.0.0.1:{it}?from=casebell@f.com"
to = ["it@f.com"]
[people.jchan]
name = "Jia Chan"
email = "jchan@f.com"
teams = ["u-visa"]
[people.kim]
name = "Kim Roe"
email = "kim@f.com"
teams = ["u-visa"]
[ops]
notify = {ops}
[[rules]]
name = "Everything"
when = {{}}
notify = {notify}
{more}
"""
URGENT = """
[[rules]]
name = "Everything, at once"
when = {}
notify = ["mail"]
urgent = true
"""
#: What a digest says which tells of no case.
NOTHING = "Digest: nothing waited"
DIGEST = 'digest = { at = "08:00", calendar = "office" }'
OFFICE = '[calendars.office]\nopen = "00:00-24:00"\n'
#: Its name tells what happened, too.
ESCALATION = """
[[escalations]]
name = "RFE unseen"
when = {{}}
steps = [ {{ after = "2h", notify = ["{channel}"] }} ]
"""
EVERYWHERE = '["room", "program", "mail"]'


class Firm:
    """A running application, and everything that its receivers got."""

    def __init__(self, folder: Path, http: dict[str, HttpSink], smtp: dict[str, SmtpSink]) -> None:
        self.folder, self.http, self.smtp = folder, http, smtp
        self.confidential = True
        self.facts: dict[str, Any] = {"owner": "Jia Chan"}
        self.config: dict[str, str] = {
            "to": '["@owner", "shared@f.com"]',
            "second_to": '["second@f.com"]',
            "notify": EVERYWHERE,
            "ops": '["it"]',
            "more": "",
        }
        self.client: httpx2.AsyncClient

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """With the case in the directory."""
        ports = {name: sink.port for name, sink in self.http.items()}
        ports |= {name: sink.port for name, sink in self.smtp.items()}
        text = HEAD.format(secret=SECRET, **ports, **self.config)
        file = self.folder / "config.toml"
        # Alerts need no pause here.
        file.write_text(text.replace('url = "mailto', 'pace = "0s"\nurl = "mailto'))
        file.chmod(0o600)
        facts = {"label": LABEL, "matter": MATTER, "form": FORM, **self.facts}
        row = {"receipt": RECEIPT, "updated_at": 0, "confidential": self.confidential}
        store = store_in(self.folder)
        async with store, writing(store) as connection:
            await connection.execute(cases.insert().values(**row, **with_keys(facts)))

        def read() -> Settings:
            return load(file, environ={})

        app = build(read(), url="http://casebell.test", read=read)
        transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 9))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as self.client,
        ):
            yield

    async def ask(self, verb: str, **arguments: object) -> Any:
        """A verb over the socket; it must work."""
        answer = await ask(self.folder / "casebell.db.sock", verb, **arguments)
        assert "value" in answer, answer
        return answer["value"]

    async def deliver(self, **fields: Any) -> None:
        """Post a delivery about the case."""
        body = encoded(document(receipt_number=RECEIPT, **fields))
        answer = await self.client.post(
            "/webhooks/parley", content=body, headers=signed(body, secret=SECRET)
        )
        assert answer.status_code == 200, answer.text

    async def settled(self) -> None:
        """Wait until no alert waits any more, but for the digests of tomorrow."""

        async def done() -> bool:
            items = (await self.ask("list_alerts", limit=200))["items"]
            ended = [one["state"] in ("sent", "failed") for one in items if not one["waits"]]
            waits = any(one["waits"] and one["kind"] == "case" for one in items)
            return any(ended) and all(ended) and not waits

        await until(done, "every alert to end")

    async def write(self, statement: str) -> None:
        """Change the database between two transactions of the application."""
        await self.read(statement)

    async def read(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""

        def run() -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(self.folder / "casebell.db")) as connection, connection:
                return connection.execute(statement).fetchall()

        return await asyncio.to_thread(run)

    async def counted(self, statement: str, number: int) -> bool:
        """Whether a statement counts so many."""
        return await self.read(statement) == [(number,)]

    def heard(self) -> set[str]:
        """Whoever got news of the case: recipients of mail, and the names of other receivers."""
        people = {
            recipient
            for sink in self.smtp.values()
            for mail in sink.mails
            for recipient in mail.recipients
            if "operations" not in subject_of(mail) and NOTHING not in subject_of(mail)
        }
        return people | {name for name, sink in self.http.items() if sink.requests}

    def everything(self) -> list[str]:
        """All that arrived anywhere, as text."""
        mails = [text_of(mail) for sink in self.smtp.values() for mail in sink.mails]
        posts = [request.body.decode() for sink in self.http.values() for request in sink.requests]
        return mails + posts


def subject_of(mail: Mail) -> str:
    """The subject of a mail."""
    return str(message_from_bytes(mail.content, policy=email.policy.default)["Subject"])


def text_of(mail: Mail) -> str:
    """Subject, headers and every part of a mail."""
    parsed = message_from_bytes(mail.content, policy=email.policy.default)
    headers = "\n".join(f"{name}: {value}" for name, value in parsed.items())
    parts = [str(part.get_content()) for part in parsed.walk() if not part.is_multipart()]
    return "\n".join([headers, *parts])


Provoke = Callable[[Firm], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way out."""

    name: str
    #: Changes of the configuration or the case, before it runs.
    config: dict[str, str]
    facts: dict[str, Any]
    #: What happens.
    provoke: Provoke
    #: Whoever hears that there is news.
    heard: set[str]
    confidential_from_the_start: bool = True
    slow: bool = True


async def one_delivery(firm: Firm) -> None:
    """An RFE arrives."""
    await firm.deliver()


async def contradiction(firm: Firm) -> None:
    """A source whose type and status disagree, which operations hear of."""
    await firm.deliver(type="case.approved", normalized_status="denied", raw_status_text="Denied.")


async def new_wording(firm: Firm) -> None:
    """A text that no release knows."""
    text = "The blue phase of your Form I-918 began."
    await firm.deliver(normalized_status="other", raw_status_text=text)
    # The watch for wordings goes by itself.
    await until(lambda: len(firm.smtp["it"].mails) > 0, "operations to hear of the wording")


async def operations_wait(firm: Firm) -> None:
    """What operations are to hear fails, the case becomes confidential, and all is sent again."""
    for sink in firm.smtp.values():
        sink.answer(SmtpStep.RECIPIENT, SmtpAnswer(reply="550 5.1.1 no such mailbox"))
    text = "The blue phase of your Form I-918 began."
    await firm.deliver(type="case.approved", normalized_status="denied", raw_status_text="Denied.")
    await firm.deliver(type=None, normalized_status="other", raw_status_text=text)
    expected = {"new_wording", "status_conflict", "urgent_failed"}

    async def known() -> bool:
        notes = await firm.read("SELECT DISTINCT json_extract(note, '$.topic') FROM alerts")
        return expected <= {topic for (topic,) in notes}

    await until(known, "what operations are to hear")
    await firm.settled()
    for name in firm.http:
        firm.http[name].requests.clear()
    await firm.write("UPDATE cases SET confidential = 1")
    firm.smtp["it"].answer(SmtpStep.RECIPIENT, SmtpAnswer())
    await firm.ask("retry_alerts")
    await firm.settled()
    told = " ".join(map(subject_of, firm.smtp["it"].mails))
    assert all(one in told for one in ("New wording", "Contradictory", "not delivered")), told


async def conflict(firm: Firm) -> None:
    """One id with two contents."""
    await firm.deliver(id="evt_same")
    await firm.deliver(id="evt_same", raw_status_text="Case Was Denied")
    await until(lambda: len(firm.smtp["it"].mails) > 0, "operations to hear of the conflict")


async def digest(firm: Firm) -> None:
    """An approval waits for the digest, which is due when the case has become confidential."""
    text = "Case Was Approved"
    await firm.deliver(type=None, normalized_status="approved", raw_status_text=text)
    waiting = "SELECT count(*) FROM alerts WHERE kind = 'case' AND reason = 'digest'"
    # The owner's, and that of the shared mailbox.
    await until(lambda: firm.counted(waiting, 2), "both alerts to wait")
    await firm.write("UPDATE cases SET confidential = 1")
    await firm.write("UPDATE alerts SET not_before = 1 WHERE reason = 'digest'")
    # In place of the shared mailbox, unassigned and operations hear; unassigned in its digest.
    await until(lambda: firm.counted(f"{waiting} AND target = 'unassigned@f.com'", 1), "the rest")
    await firm.write("UPDATE alerts SET not_before = 1 WHERE reason = 'digest'")


async def stand_in(firm: Firm) -> None:
    """The owner is away."""
    await firm.write("INSERT INTO absences VALUES ('jchan', 4102444800000000, 'kim', 0, 'test')")
    await firm.deliver()


async def refused_mail(firm: Firm) -> None:
    """The owner's mailbox refuses."""
    firm.smtp["mail"].answer(SmtpStep.RECIPIENT, SmtpAnswer(reply="550 5.1.1 no such mailbox"))
    await firm.deliver()


async def afterwards(firm: Firm) -> None:
    """Alerts fail everywhere, the case becomes confidential, and all are sent again."""
    firm.smtp["mail"].answer(SmtpStep.RECIPIENT, SmtpAnswer(reply="550 5.1.1 no such mailbox"))
    await firm.deliver()
    await firm.settled()
    for sink in firm.smtp.values():
        sink.mails.clear()
    firm.smtp["mail"].answer(SmtpStep.RECIPIENT, SmtpAnswer())
    for name in firm.http:
        firm.http[name].requests.clear()
    await firm.write("UPDATE cases SET confidential = 1")
    # Those that failed, by hand; and by the sender those that were sent to no avail.
    await firm.write("UPDATE alerts SET state = 'failed' WHERE kind = 'case'")
    await firm.ask("retry_alerts")


async def followed_up(firm: Firm, *statements: str) -> None:
    """An RFE arrives; what follows of it is made due, and taken."""
    await firm.deliver()
    await firm.settled()
    for statement in statements:
        await firm.write(statement)
    before = len(await firm.read("SELECT id FROM alerts"))
    # That wakes the loop, which looks every ten seconds by itself.
    await firm.ask("reload")

    async def more() -> bool:
        return len(await firm.read("SELECT id FROM alerts")) > before

    await until(more, "somebody to be told again")


async def unseen(firm: Firm) -> None:
    """Nobody acknowledges it."""
    await followed_up(firm, "UPDATE escalations SET due_at = began_at + 1")


async def unseen_to_the_end(firm: Firm) -> None:
    """Nobody acknowledges it until operations are told."""
    await followed_up(firm, "UPDATE escalations SET began_at = 1, due_at = 864000000001")
    await firm.settled()
    assert "nobody acknowledged" in subject_of(firm.smtp["it"].mails[-1])


async def date_near(firm: Firm) -> None:
    """Somebody typed a date, and it is tomorrow."""
    due = date.today() + timedelta(days=1)  # noqa: DTZ011 - any day about now
    typed = f"due = '{due}', due_by = 'account:ana', remind_at = 1"
    await followed_up(firm, f"UPDATE queue SET {typed}")


WAYS = (
    Way(
        name="by a rule",
        config={},
        facts={},
        provoke=one_delivery,
        heard={"jchan@f.com"},
        slow=False,
    ),
    Way(
        name="to a team",
        config={"to": '["@team", "@team:u-visa"]'},
        facts={"team": "U-Visa"},
        provoke=one_delivery,
        heard={"jchan@f.com", "kim@f.com"},
    ),
    Way(
        name="in a digest",
        config={
            "to": f'["@owner", "shared@f.com"]\n{DIGEST}',
            "notify": '["mail"]',
            "more": OFFICE,
        },
        facts={},
        provoke=digest,
        heard={"jchan@f.com", "unassigned@f.com", "it@f.com"},
        confidential_from_the_start=False,
    ),
    Way(
        name="to somebody who stands in",
        config={},
        facts={},
        provoke=stand_in,
        heard={"jchan@f.com", "kim@f.com"},
    ),
    Way(
        name="to an owner of whom only the address is known",
        config={},
        facts={"owner": "Else", "owner_email": "else@g.com"},
        provoke=one_delivery,
        heard={"else@g.com"},
    ),
    Way(
        name="without an owner",
        config={},
        facts={"owner": ""},
        provoke=one_delivery,
        heard={"unassigned@f.com", "it@f.com"},
        slow=False,
    ),
    Way(
        name="by no rule",
        config={"notify": "[]"},
        facts={},
        provoke=one_delivery,
        heard={"it@f.com"},
    ),
    Way(
        name="by the fallback, which is no single person",
        config={},
        facts={},
        provoke=refused_mail,
        heard={"it@f.com"},
    ),
    Way(
        name="by the fallback, to the owner",
        config={"second_to": '["@owner", "second@f.com"]\nunassigned = ["nobody@f.com"]'},
        facts={},
        provoke=refused_mail,
        heard={"jchan@f.com"},
    ),
    Way(
        name="by a contradiction",
        config={},
        facts={},
        provoke=contradiction,
        heard={"jchan@f.com"},
    ),
    Way(name="by a new wording", config={}, facts={}, provoke=new_wording, heard={"jchan@f.com"}),
    Way(name="by a conflict", config={}, facts={}, provoke=conflict, heard={"jchan@f.com"}),
    Way(
        name="to operations over a webhook",
        config={"notify": "[]", "ops": '["program"]'},
        facts={},
        provoke=one_delivery,
        heard={"program"},
    ),
    Way(
        name="by an escalation",
        config={"more": ESCALATION.format(channel="mail")},
        facts={},
        provoke=unseen,
        heard={"jchan@f.com"},
        slow=False,
    ),
    Way(
        name="by an escalation that reaches no single person",
        config={"more": ESCALATION.format(channel="room")},
        facts={},
        provoke=unseen,
        heard={"jchan@f.com", "it@f.com"},
    ),
    Way(
        name="by the end of an escalation",
        config={"more": ESCALATION.format(channel="mail")},
        facts={},
        provoke=unseen_to_the_end,
        heard={"jchan@f.com"},
    ),
    Way(
        name="by a date that draws near",
        config={},
        facts={},
        provoke=date_near,
        heard={"jchan@f.com"},
    ),
    Way(
        name="in pilot mode",
        config={"more": '[alerts]\npilot = "it"'},
        facts={},
        provoke=one_delivery,
        heard={"it@f.com"},
    ),
    Way(
        name="by what operations were to hear before it became confidential",
        config={"more": URGENT},
        facts={},
        provoke=operations_wait,
        heard={"it@f.com"},
        confidential_from_the_start=False,
        slow=False,
    ),
    Way(
        name="after it became confidential",
        config={},
        facts={},
        provoke=afterwards,
        heard={"jchan@f.com", "unassigned@f.com", "it@f.com"},
        confidential_from_the_start=False,
    ),
)


def _way(way: Way) -> Any:
    # Each is an application of its own.
    return pytest.param(way, id=way.name, marks=[pytest.mark.slow] if way.slow else [])


@pytest.fixture
async def firm(tmp_path: Path) -> AsyncIterator[Firm]:
    """Its receivers listen."""
    async with AsyncExitStack() as stack:
        http = {name: await stack.enter_async_context(HttpSink()) for name in ("room", "program")}
        smtp = {
            name: await stack.enter_async_context(SmtpSink()) for name in ("mail", "second", "it")
        }
        yield Firm(tmp_path, http, smtp)


@pytest.mark.parametrize("way", [_way(one) for one in WAYS])
async def test_the_way(firm: Firm, way: Way) -> None:
    """Only who may hear does, and nobody hears more than that there is news."""
    firm.config |= way.config
    firm.facts |= way.facts
    firm.confidential = way.confidential_from_the_start
    with capture_logs() as log:
        await in_the_firm(firm, way)
    of_case = [line for line in log if str(line.get("receipt", "")).endswith(RECEIPT[-4:])]
    assert any(line["event"] == "delivery.received" for line in of_case)
    if way.confidential_from_the_start:
        assert not [line for line in of_case if set(map(str, line.values())) & set(Status)]


async def in_the_firm(firm: Firm, way: Way) -> None:
    """Have it happen, and look at whatever arrived."""
    async with firm.running():
        await way.provoke(firm)
        await firm.settled()
        assert firm.heard() == way.heard
        for text in firm.everything():
            said = [word for word in NEVER_SAID if word in text.lower()]
            assert not said, (said, text)
            assert RULE not in text
        for mail in firm.smtp["mail"].mails:
            # A thread of the case would show in a shared mailbox what was said of it before.
            # A digest is of no case.
            shared = mail.recipients == ("unassigned@f.com",) or "Digest:" in subject_of(mail)
            assert shared != ("References: " in text_of(mail))


async def test_a_calendar_feed(firm: Firm) -> None:
    """A date of a confidential case is in nobody's calendar, and is again once it is none."""
    async with firm.running():
        await firm.deliver()
        await firm.settled()
        await firm.write("UPDATE queue SET due = '2026-12-24', due_entered_at = 1")
        made = await firm.ask("add_feed", person="jchan")
        path = made["address"].removeprefix("https://casebell.example-firm.com")

        async def events() -> int:
            answer = await firm.client.get(path)
            assert answer.status_code == 200
            return answer.text.count("BEGIN:VEVENT")

        assert await events() == 0
        await firm.write("UPDATE cases SET confidential = 0")
        assert await events() == 1


@pytest.mark.parametrize("from_the_start", [True, False], ids=["from the start", "later"])
async def test_the_page_of_a_link_and_the_queue(firm: Firm, from_the_start: bool) -> None:
    """The page of a link has no more than a message would now, before and after it was used.

    The queue, and what can be said of the case, are not there for others.
    """
    firm.confidential = from_the_start
    async with firm.running():
        await one_delivery(firm)
        await firm.settled()
        if not from_the_start:
            await firm.write("UPDATE cases SET confidential = 1")
        (mail,) = [one for one in firm.smtp["mail"].mails if one.recipients == ("jchan@f.com",)]
        (path,) = set(re.findall(r"https://casebell\.example-firm\.com(/a/[\w-]+)", text_of(mail)))
        pages = [await firm.client.get(path)]
        pages.append(await firm.client.post(path, headers={"Sec-Fetch-Site": "same-origin"}))
        assert pages[-1].status_code == 303
        pages.append(await firm.client.get(path))
        assert "You acknowledged this on" in pages[-1].text
        assert "That answers nothing: what asks for something stays in the queue" in pages[-1].text
        for page in pages:
            assert [word for word in NEVER_SAID if word in page.text.lower()] == []
        token = (await firm.ask("add_token", name="kim", role="operator", person="kim"))["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        listed = await firm.client.get("/api/v1/queue", headers=bearer)
        assert listed.json() == {"items": [], "next": None}
        for verb, body in (("acknowledge", {}), ("answered", {}), ("due", {"date": "2027-01-02"})):
            answer = await firm.client.post(
                f"/api/v1/cases/{RECEIPT}/{verb}", headers=bearer, json=body
            )
            assert answer.status_code == 404
        assert await firm.read("SELECT actor FROM acknowledgements") == [("link:jchan",)]
