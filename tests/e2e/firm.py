"""A firm of twelve people and 2,000 cases, whose days are played on a clock that leaps.

The whole application over real sockets: the sandbox's upstream delivers, a mail server and a chat
room receive, and people open the links of their mails.
"""

import asyncio
import csv
import io
import random
import re
import socket
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx2
import uvicorn

from casebell.app import build
from casebell.events import Micros
from casebell.sandbox.deliveries import SAMPLES, document_of
from casebell.sandbox.http_sink import HttpSink
from casebell.sandbox.inbox import Arrival, Inbox
from casebell.sandbox.mail_sink import SmtpSink
from casebell.sandbox.upstream import Outgoing, Upstream
from casebell.settings import Settings, load
from contracts.clock_and_log import ManualClock

ZONE = ZoneInfo("America/New_York")
SECRETS = {"parley": "parley-signing-secret-for-tests", "torch": "torch-shared-secret-for-tests"}
ROOM = "#immigration"
#: Seconds by which the clock leaps: where nothing waits, while something is sent, and while the
#: machine works.
LEAP, PACE, WORK = 300.0, 1.0, 0.05
#: Whether something is left to do by now.
LEFT = """
SELECT EXISTS (SELECT 1 FROM alerts WHERE not_before <= :now
    AND state IN ('pending', 'retrying', 'deferred', 'sending'))
  OR EXISTS (SELECT 1 FROM escalations WHERE due_at <= :now)
  OR EXISTS (SELECT 1 FROM queue WHERE remind_at <= :now)
"""
UNDER_WAY = "SELECT EXISTS (SELECT 1 FROM alerts WHERE state = 'sending')"

Result = TypeVar("Result")

CONFIG = """
[server]
public_url = "{url}"
timezone = "America/New_York"
[storage]
url = "sqlite:///casebell.db"
[cases]
file = "cases.csv"
every = "10s"
[sources.parley]
kind = "parley"
secrets = ["{parley}"]
max_age = "30d"
tolerance = "30d"
[sources.torch]
kind = "torch"
header = "X-Torch-Secret"
secrets = ["{torch}"]
[calendars.office]
timezone = "America/New_York"
open = ["mon-fri 08:00-18:00"]
holidays = "us-federal"
[channels.chat]
url = "json://127.0.0.1:{chat}/"
quiet_outside = "office"
[channels.email-team]
url = "mailto://127.0.0.1:{mail}?from=casebell@firm.example"
to = ["@team"]
unassigned = ["intake@firm.example"]
disclose = "standard"
[channels.email-owner]
url = "mailto://127.0.0.1:{mail}?from=casebell@firm.example"
to = ["@owner"]
unassigned = ["intake@firm.example"]
disclose = "standard"
quiet_outside = "office"
digest = {{ at = "08:00", calendar = "office" }}
[channels.email-partners]
url = "mailto://127.0.0.1:{mail}?from=casebell@firm.example"
to = ["@mrivera", "@dcohen"]
disclose = "standard"
[channels.email-it]
url = "mailto://127.0.0.1:{mail}?from=casebell@firm.example"
to = ["it@firm.example"]
[[rules]]
name = "Answer owed to USCIS"
when = [{{ status = ["rfe_issued"] }}, {{ tags = ["deadline"] }}]
notify = ["email-owner", "email-team", "chat"]
urgent = true
[[rules]]
name = "Denied, revoked or sent back"
when = [{{ status = ["denied"] }}, {{ tags = ["adverse", "rejected"] }}]
notify = ["email-owner"]
urgent = true
[[rules]]
name = "Everything else"
when = {{}}
notify = ["email-owner"]
[[escalations]]
name = "Answer owed, and unseen"
when = [{{ status = ["rfe_issued"] }}, {{ tags = ["deadline"] }}]
steps = [{{ after = "2h", of = "office", notify = ["email-owner", "email-team"] }},
         {{ after = "1d", of = "office", notify = ["email-partners"] }}]
repeat = "1d"
[ops]
notify = ["email-it"]
{people}
"""

#: By id: name and teams.
PEOPLE: Mapping[str, tuple[str, Sequence[str]]] = {
    "mrivera": ("Maria Rivera", ()),
    "dcohen": ("David Cohen", ()),
    "jchan": ("Jia Chan", ("employment",)),
    "kroe": ("Kim Roe", ("employment",)),
    "asingh": ("Anita Singh", ("family",)),
    "lmartin": ("Luis Martin", ("family",)),
    "tnguyen": ("Tam Nguyen", ("employment",)),
    "bgreen": ("Bo Green", ("employment",)),
    "soliver": ("Sam Oliver", ("family",)),
    "pwhite": ("Pat White", ("family",)),
    "ihall": ("Ida Hall", ()),
    "cdiaz": ("Carla Diaz", ()),
}
OWNERS = ("jchan", "kroe", "asingh", "lmartin")
CASES = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FirmCase:
    """A case of the firm's list; one without an owner belongs to a team alone."""

    receipt: str
    owner: str
    team: str
    confidential: bool


def cases_of_the_firm() -> list[FirmCase]:
    """Each attorney's, and every twentieth of a team alone; one in fifty is confidential."""
    found = []
    for number in range(CASES):
        owner = OWNERS[number % len(OWNERS)]
        (team,) = PEOPLE[owner][1]
        found.append(
            FirmCase(
                receipt=f"IOE09{number:08d}",
                owner="" if number % 20 == 19 else owner,
                team=team,
                confidential=number % 50 == 10,
            )
        )
    return found


def list_of(cases: Sequence[FirmCase]) -> str:
    """The list as practice software leaves it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["receipt", "label", "owner", "team", "form", "confidential"])
    for number, case in enumerate(cases):
        confidential = "yes" if case.confidential else ""
        label = f"Client {number}"
        writer.writerow([case.receipt, label, case.owner, case.team, "I-129", confidential])
    return text.getvalue()


def local(day: datetime, time: str) -> Micros:
    """A time of a day of the firm."""
    hours, minutes = map(int, time.split(":"))
    moment = day.replace(hour=hours, minute=minutes, tzinfo=ZONE)
    return round(moment.timestamp()) * 1_000_000


class Firm:
    """The running firm; use `running`.

    Args:
        begins: midnight of its first day, without a zone.
    """

    def __init__(self, folder: Path, *, begins: datetime) -> None:
        self.folder, self.day = folder, begins
        self.clock = ManualClock(local(begins, "00:00"))
        self.cases = cases_of_the_firm()
        self.chat, self.mail = HttpSink(), SmtpSink()
        self.inbox = Inbox(room=ROOM, http=self.chat, mail=self.mail)
        self.url = ""
        self._numbers = iter(range(1_000_000))
        self._chance = random.Random(12)
        self._settings: Settings
        self.upstream: Upstream
        self.client: httpx2.AsyncClient
        #: When each message came: by the machine's time, the firm's.
        self._came: dict[Micros, Micros] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """With its list of cases imported."""
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.chat)
            await stack.enter_async_context(self.mail)
            self._settings = self._configured()
            app = build(
                self._settings,
                clock=self.clock,
                url=self.url,
                read=lambda: load(self._settings.path, environ={}),
            )
            config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none")
            server = uvicorn.Server(config)
            await stack.enter_async_context(app.router.lifespan_context(app))
            serving = asyncio.create_task(server._serve(sockets=[listening]))
            self.upstream = await stack.enter_async_context(
                Upstream(
                    url=lambda: self.url,
                    sources=self._settings.sources,
                    secrets=SECRETS,
                    clock=self.clock,
                    chance=self._chance,
                )
            )
            self.client = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=self.url, timeout=30, trust_env=False)
            )
            database = sqlite3.connect(f"file:{self.folder}/casebell.db?mode=ro", uri=True)
            with closing(database) as self._database:
                try:
                    yield
                finally:
                    server.should_exit = True
                    await serving

    async def at(self, time: str, *, days: int = 0) -> None:
        """Let the time pass until then, and what is due be done; `days` after the first."""
        until = local(self.day + timedelta(days=days), time)
        while (left := until - self.clock.now()) > 0:
            self.clock.advance(min(LEAP, left / 1_000_000))
            await self._done()

    async def _done(self) -> None:
        """Wait until nothing that is due by now is left to do."""
        async with asyncio.timeout(60):
            # Whoever was woken by the leap gets a turn first.
            await asyncio.sleep(0.005)
            while self._holds(LEFT, now=self.clock.now()):
                # A send takes no time of the firm, however busy the machine is.
                if not self._holds(UNDER_WAY):
                    self.clock.advance(PACE)
                await asyncio.sleep(0.003)
                self._note_arrivals()
        self._note_arrivals()

    def _holds(self, question: str, **given: Micros) -> bool:
        ((holds,),) = self._database.execute(question, given).fetchall()
        return bool(holds)

    async def _meanwhile(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of a work that waits for the clock, too."""
        task = asyncio.create_task(work)
        while not task.done():
            self.clock.advance(WORK)
            await asyncio.sleep(0.001)
        return await task

    async def receive(self, sample: str, cases: Sequence[FirmCase], **fields: str) -> None:
        """Have the upstream report something of cases.

        Args:
            fields: instead of the sample's, as the source names them.
        """
        kind, made = SAMPLES[sample]
        for case in cases:
            document = document_of(
                kind,
                made,
                now=self.clock.now(),
                event_id=f"evt-{next(self._numbers)}",
                receipt=case.receipt,
            )
            outgoing = Outgoing.of(kind.name, {**document, **fields})
            answer = await self._meanwhile(self.upstream.post(outgoing))
            assert answer.status == 200, answer
        await self._done()

    async def open_mail(self, person: str) -> int:
        """Let somebody acknowledge by each link of their mail that they have not opened."""
        found = 0
        for arrival in self.messages_of(f"{person}@firm.example"):
            for link in re.findall(rf"{re.escape(self.url)}/a/\S+", arrival.text):
                headers = {"Origin": self.url}
                page = await self._meanwhile(self.client.get(link))
                if page.status_code == 200:
                    posted = self.client.post(link, data={"note": ""}, headers=headers)
                    answer = await self._meanwhile(posted)
                    assert answer.status_code == 303, answer.text
                    found += 1
        return found

    def messages_of(self, recipient: str) -> list[Arrival]:
        """What somebody got so far, with the times of the firm."""
        return [one for one in self.messages() if one.recipient == recipient]

    def messages(self) -> list[Arrival]:
        """Everything that arrived, in order."""
        self._note_arrivals()
        return [replace(one, at=self._came[one.at]) for one in self.inbox.all()]

    def _note_arrivals(self) -> None:
        times = [one.at for one in self.chat.requests] + [one.at for one in self.mail.mails]
        for at in times:
            self._came.setdefault(at, self.clock.now())

    def _configured(self) -> Settings:
        people = "\n".join(
            f'[people.{one}]\nname = "{name}"\nemail = "{one}@firm.example"\nteams = {list(teams)}'
            for one, (name, teams) in PEOPLE.items()
        )
        ports: dict[str, Any] = {"chat": self.chat.port, "mail": self.mail.port, "url": self.url}
        file = self.folder / "config.toml"
        file.write_text(CONFIG.format(people=people.replace("'", '"'), **ports, **SECRETS))
        file.chmod(0o600)
        (self.folder / "cases.csv").write_text(list_of(self.cases))
        return load(file, environ={})
