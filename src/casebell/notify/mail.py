"""Makes the mail of a message: a text, a page, and headers that say what kind of mail it is.

The package's older classes write it. In Python 3.11 the newer `EmailMessage` loses blanks of a long
subject that is not ASCII, and encodes a long `References`, by which no program finds the thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr, make_msgid
from typing import Final

from casebell.alerts import Message
from casebell.notify.page import page_of

#: Headers of which a mail has one, and this module writes it.
OWN_HEADERS: Final = frozenset(
    {"to", "cc", "bcc", "from", "sender", "subject", "reply-to", "date", "message-id", "references",
     "in-reply-to", "mime-version", "content-type", "content-transfer-encoding"}
)  # fmt: skip
#: Has Exchange answer nothing by itself, but for a report that a mail could not be delivered: that
#: goes to the sender's mailbox, where people see it.
UNANSWERED: Final = ("X-Auto-Response-Suppress", "DR, RN, NRN, OOF, AutoReply")
_URGENT: Final = {"Importance": "high", "X-Priority": "1"}
#: Long ids stay on one line; `Header` folds the subject by itself.
_POLICY: Final = compat32.clone(linesep="\r\n", max_line_length=998)
_TEXT: Final = Charset("utf-8")
_TEXT.body_encoding = QP


@dataclass(frozen=True, kw_only=True, slots=True)
class Mailbox:
    """An address, and the name before it; "" for none."""

    address: str
    name: str = ""

    def __str__(self) -> str:
        return formataddr((self.name, self.address), "utf-8")

    @property
    def domain(self) -> str:
        """Where the mailbox is."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Letterhead:
    """From whom a mail goes to whom, whatever it says."""

    sender: Mailbox
    recipient: Mailbox
    reply_to: Sequence[Mailbox] = ()
    #: Further headers; they stand in the place of ours.
    headers: Mapping[str, str] = field(default_factory=dict)


def mail_of(message: Message, letterhead: Letterhead, *, at: datetime) -> bytes:
    """The mail as it goes over the wire, in ASCII.

    Each attempt to send a message has the same id, and all messages of a case are of one thread.
    """
    mail = MIMEMultipart("alternative", policy=_POLICY)
    domain = letterhead.sender.domain
    headers = {
        "Subject": Header(message.title, header_name="Subject").encode(),
        "From": str(letterhead.sender),
        "To": str(letterhead.recipient),
        "Date": format_datetime(at),
        "Message-ID": f"<{message.id}@{domain}>" if message.id else make_msgid(domain=domain),
        "Auto-Submitted": "auto-generated",
        **dict([UNANSWERED]),
    }
    if letterhead.reply_to:
        headers["Reply-To"] = ", ".join(map(str, letterhead.reply_to))
    if message.thread:
        headers |= dict.fromkeys(("References", "In-Reply-To"), f"<{message.thread}@{domain}>")
    if message.urgent:
        headers |= _URGENT
    named = {name.lower(): name for name in headers}
    for name, value in letterhead.headers.items():
        headers[named.get(name.lower(), name)] = Header(value, header_name=name).encode()
    for name, value in headers.items():
        mail[name] = value
    for kind, text in (("plain", message.body + "\n"), ("html", page_of(message))):
        part = MIMENonMultipart("text", kind, policy=_POLICY)
        part.set_payload(text, _TEXT)
        mail.attach(part)
    return mail.as_bytes()
