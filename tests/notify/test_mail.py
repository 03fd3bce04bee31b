"""The mail of a message: its headers, its thread, and texts that any server takes."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.alerts import Message
from casebell.notify.apprise_mail import MailTransport
from casebell.notify.mail import Letterhead, Mailbox, mail_of

NOW = datetime(2025, 10, 14, 19, 23, 33, tzinfo=UTC)
SENDER = Mailbox(address="casebell@example-firm.com", name="Case Bell")
LETTERHEAD = Letterhead(sender=SENDER, recipient=Mailbox(address="jchan@example-firm.com"))
TITLE, BODY = "Case approved · IOE…5678", "USCIS approved the case.\nReceipt: IOE…5678"


def mail(letterhead: Letterhead = LETTERHEAD, **fields: Any) -> EmailMessage:
    """A mail as its reader's program has it."""
    message = Message(title=TITLE, body=BODY, **fields)
    parsed = message_from_bytes(mail_of(message, letterhead, at=NOW), policy=modern)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_it_says_what_it_is() -> None:
    """No program answers it, and it is no more important than it is."""
    plain = mail()
    assert plain["Auto-Submitted"] == "auto-generated"
    # A report that it could not be delivered is wanted.
    suppressed = plain["X-Auto-Response-Suppress"].split(", ")
    assert "OOF" in suppressed
    assert "AutoReply" in suppressed
    assert "NDR" not in suppressed
    assert (plain["Importance"], plain["X-Priority"]) == (None, None)
    urgent = mail(urgent=True)
    assert (urgent["Importance"], urgent["X-Priority"]) == ("high", "1")
    assert plain["Date"].datetime == NOW


def test_a_case_is_one_thread() -> None:
    """Each message has its own id, the same at each attempt, and that of its case beside it."""
    first = mail(id="a" * 64, thread="b" * 64)
    assert first["Message-ID"] == f"<{'a' * 64}@example-firm.com>"
    assert first["References"] == first["In-Reply-To"] == f"<{'b' * 64}@example-firm.com>"
    assert mail(id="a" * 64)["Message-ID"] == first["Message-ID"]
    alone = mail()
    assert (alone["References"], alone["In-Reply-To"]) == (None, None)
    assert re.fullmatch(r"<\S+@example-firm\.com>", alone["Message-ID"])
    assert alone["Message-ID"] != mail()["Message-ID"]


def test_a_channels_own_headers_stand_in_the_place_of_ours() -> None:
    """Never beside them."""
    headers = {"importance": "low", "X-Firm": "Müller & Söhne"}
    own = Letterhead(
        sender=SENDER,
        recipient=LETTERHEAD.recipient,
        reply_to=[Mailbox(address="it@example-firm.com", name="IT, Immigration")],
        headers=headers,
    )
    parsed = mail(own, urgent=True)
    assert parsed.get_all("Importance") == ["low"]
    assert parsed["X-Firm"] == "Müller & Söhne"
    assert parsed["Reply-To"] == '"IT, Immigration" <it@example-firm.com>'


WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Cn", "Co"]), max_size=200)


@given(title=WORDS, name=WORDS, body=st.text(max_size=2_000))
def test_any_text_arrives(title: str, name: str, body: str) -> None:
    """In ASCII and short lines on the wire, and as it was meant to whoever reads it."""
    message = MailTransport(None).fit(Message(title=title, body=body))
    name = " ".join(name.split())
    recipient = Mailbox(address="jchan@example-firm.com", name=name)
    content = mail_of(message, Letterhead(sender=SENDER, recipient=recipient), at=NOW)
    assert content.isascii()
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    parsed = message_from_bytes(content, policy=modern)
    assert isinstance(parsed, EmailMessage)
    assert parsed["Subject"] == message.title
    (to,) = parsed["To"].addresses
    assert (to.display_name, to.addr_spec) == (name, "jchan@example-firm.com")
    plain = parsed.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n") == message.body + "\n"


@pytest.mark.parametrize("header", ["Bcc: thief@example.com", "Content-Type: text/html"])
def test_no_text_becomes_a_header(header: str) -> None:
    """A line end in a title is none in a mail."""
    message = MailTransport(None).fit(Message(title=f"RFE\r\n{header}\r\n\r\nx", body="b"))
    parsed = message_from_bytes(mail_of(message, LETTERHEAD, at=NOW), policy=modern)
    assert parsed["Subject"] == f"RFE {header} x"
    assert parsed["Bcc"] is None
    assert parsed.get_content_type() == "multipart/alternative"
