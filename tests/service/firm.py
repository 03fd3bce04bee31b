"""A firm with one account, Ana's, and the server that asks for its second factor."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pyotp import TOTP

from casebell.actors import Actor, Role, command_line
from casebell.clock import SECOND
from casebell.errors import CasebellError, TooManyAttempts, WrongCode
from casebell.service.access import Access
from casebell.service.accounts import Accounts
from casebell.service.one_time_codes import INTERVAL
from casebell.service.passwords import Passwords
from casebell.service.second_factor import SecondFactor
from casebell.settings import Settings
from casebell.settings.models import Console
from casebell.store import schema
from casebell.store.attempts import WINDOW
from casebell.store.engine import Store
from contracts.clock_and_log import ManualClock, RecordingLog
from contracts.stores import read_table
from contracts.writing import writing
from service.harness import settings_of
from service.hashers import cheap

SHELL = command_line("jchan")
ANA = Actor(name="account:Ana", role=Role.OPERATOR)
OFFICE, HOME = "198.51.100.7", "203.0.113.9"
PASSWORD, WRONG = "correct horse battery staple", "incorrect horse battery staple"
STEP = INTERVAL / SECOND


class Firm:
    """An account, Ana's, with what one server does to its second factor."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()
        self.settings: Settings = settings_of("parley")
        self.console(public_url="https://cases.example.org")
        self.access = self.another_server(store)
        self.verbs = SecondFactor(
            store=store, access=self.access, settings=lambda: self.settings, clock=self.clock
        )
        self.accounts = Accounts(
            store=store,
            settings=lambda: self.settings,
            passwords=Passwords(cheap()),
            clock=self.clock,
        )

    def console(self, **keys: Any) -> None:
        """Have these settings of the console in force."""
        self.settings = self.settings.model_copy(update={"console": Console(**keys)})

    def another_server(self, store: Store) -> Access:
        """Who asks it, tells this."""
        return Access(
            store=store,
            passwords=Passwords(cheap()),
            settings=lambda: self.settings.console,
            clock=self.clock,
            log=RecordingLog().log,
            pause=0.0,
        )

    async def session(self, *, asked: str = "") -> int:
        """The id of a session of Ana's."""
        [account] = await read_table(self.store, schema.accounts)
        now = self.clock.now()
        row = {"account_id": account.id, "asked": asked, "began_at": now, "seen_at": now}
        row |= {"digest": f"of {self.clock.now()} {asked}", "ends_at": now + WINDOW}
        self.clock.advance(0.001)
        async with writing(self.store) as connection:
            made = await connection.execute(schema.sessions.insert().values(row))
            key: Any = made.inserted_primary_key
        return int(key[0])

    async def begin(self, session: int, *, password: str | None = PASSWORD) -> str:
        """Set up a second factor; its secret."""
        given: dict[str, Any] = {"session": session, "password": password, "address": OFFICE}
        made = await self.verbs.begin_second_factor(**given, actor=ANA)
        return made["secret"]

    async def turn_on(self) -> tuple[str, list[str]]:
        """Have one; its secret and the recovery codes."""
        session = await self.session()
        secret = await self.begin(session)
        code = self.shown(secret)
        made = await self.verbs.confirm_second_factor(session=session, code=code, actor=ANA)
        # Its code has been used.
        self.clock.advance(STEP)
        return secret, made["codes"]

    def shown(self, secret: str, *, early: int = 0) -> str:
        """The code on an authenticator whose clock is that many intervals ahead."""
        return TOTP(secret).generate_otp(self.clock.now() // INTERVAL + early)

    async def fails(self, typed: str, *, address: str = OFFICE) -> CasebellError:
        """Give a code in vain; the error."""
        with pytest.raises((WrongCode, TooManyAttempts)) as failed:
            await self.access.code("ana", typed, address=address)
        return failed.value

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What the journal has of the second factor."""
        rows = await read_table(self.store, schema.journal)
        return [(one.kind, json.loads(one.data)) for one in rows if one.kind != "account.added"]


@asynccontextmanager
async def open_firm(url: str) -> AsyncIterator[Firm]:
    """One on a database."""
    async with Store(url) as store:
        made = Firm(store)
        given: dict[str, Any] = {"role": "operator", "password": PASSWORD, "actor": SHELL}
        await made.accounts.add_account(name="Ana", **given)
        async with made.access:
            yield made
