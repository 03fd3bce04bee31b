"""What people were told, read off the wire."""

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage

import httpx2
import pytest

from casebell.sandbox.http_sink import HttpAnswer, HttpSink
from casebell.sandbox.inbox import Inbox
from casebell.sandbox.mail_sink import SmtpSink

TEXT = "USCIS text: “Se envió una carta”\nSecond line.\n"


@pytest.fixture
async def room() -> AsyncIterator[HttpSink]:
    async with HttpSink() as sink:
        yield sink


@pytest.fixture
async def mail() -> AsyncIterator[SmtpSink]:
    async with SmtpSink() as sink:
        yield sink


@pytest.fixture
def inbox(room: HttpSink, mail: SmtpSink) -> Inbox:
    return Inbox(room="chat", http=room, mail=mail)


async def to_room(room: HttpSink, title: str) -> None:
    """Send as apprise's JSON service does."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.post(room.url, content=json.dumps({"title": title, "message": TEXT}))


async def to_people(mail: SmtpSink, title: str, *recipients: str) -> None:
    """Send one mail, its header and text in whatever encoding they need."""
    message = EmailMessage()
    message["Subject"] = title
    message.set_content(TEXT)

    def send() -> None:
        with smtplib.SMTP(mail.host, mail.port) as client:
            client.send_message(message, "casebell@example.com", list(recipients))

    await asyncio.to_thread(send)


async def test_messages_of_every_kind_are_read_alike(
    inbox: Inbox, room: HttpSink, mail: SmtpSink
) -> None:
    """Title and text are what was meant, whatever the wire made of them, in order of arrival."""
    await to_people(mail, "Résumé · IOE…0001", "jchan@example.com")
    await to_room(room, "RFE · IOE…0001")
    arrivals = inbox.read()
    assert [(one.recipient, one.title, one.text) for one in arrivals] == [
        ("jchan@example.com", "Résumé · IOE…0001", TEXT),
        ("chat", "RFE · IOE…0001", TEXT),
    ]
    assert arrivals[0].at < arrivals[1].at


async def test_each_is_read_once(inbox: Inbox, room: HttpSink) -> None:
    """`read` gives what came since the last call, `all` everything."""
    await to_room(room, "first")
    assert (inbox.unread(), len(inbox.read()), inbox.unread()) == (1, 1, 0)
    await to_room(room, "second")
    assert [one.title for one in inbox.read()] == ["second"]
    assert [one.title for one in inbox.all()] == ["first", "second"]


async def test_a_mail_to_two_is_two_messages(inbox: Inbox, mail: SmtpSink) -> None:
    """Who was told counts, not how many mails it took."""
    await to_people(mail, "RFE", "a@example.com", "b@example.com")
    assert [one.recipient for one in inbox.read()] == ["a@example.com", "b@example.com"]


async def test_what_was_refused_was_not_read(inbox: Inbox, room: HttpSink) -> None:
    """A message that the room answers with an error told nobody."""
    room.answer(HttpAnswer(status=503), HttpAnswer())
    await to_room(room, "refused")
    await to_room(room, "taken")
    assert [one.title for one in inbox.read()] == ["taken"]
