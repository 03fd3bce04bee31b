"""Mail, sent by ourselves to the servers and people that apprise reads from a channel's URL.

Apprise would make the text of the HTML, set headers for all messages of a channel alike and add a
second Message-ID. The conversation with the server is as apprise has it: STARTTLS or TLS from the
first byte with the certificate checked, a login where there are user and password.

Reaches into apprise: attributes of the mail plug-in's instance (server, mode, login, sender,
recipient, names, headers).
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from casebell.alerts import Message
from casebell.notify.fit import Limits, fitted, text_of
from casebell.notify.mail import Letterhead, Mailbox, mail_of
from casebell.notify.transport import MAX_BODY, MAX_TITLE

_LIMITS = Limits(title=MAX_TITLE, body=MAX_BODY, lines=0)


class MailTransport:
    """Sends to one mailbox.

    Args:
        plug_in: apprise's, as loaded from the URL.
    """

    def __init__(self, plug_in: Any) -> None:
        self._plug_in = plug_in

    def fit(self, message: Message) -> Message:
        """A mail may be long; people read no more than so much."""
        return fitted(
            message,
            _LIMITS,
            max_title=MAX_TITLE,
            max_body=MAX_BODY,
            length=lambda _, lines: len(text_of(lines)),
        )

    def send(self, message: Message) -> bool:
        """Hand the message over; the exchange that failed is recorded."""
        letterhead = _letterhead(self._plug_in)
        content = mail_of(message, letterhead, at=datetime.now(UTC))
        try:
            with _conversation(self._plug_in) as server:
                server.sendmail(letterhead.sender.address, [letterhead.recipient.address], content)
        except (OSError, smtplib.SMTPException):
            return False
        return True


def _letterhead(mail: Any) -> Letterhead:
    (name, address), (recipient_name, recipient) = mail.from_addr, mail.targets[0]
    return Letterhead(
        sender=Mailbox(address=address, name=name or ""),
        recipient=Mailbox(address=recipient, name=recipient_name or ""),
        reply_to=[Mailbox(address=one, name=mail.names[one] or "") for one in mail.reply_to],
        headers=mail.headers,
    )


@contextmanager
def _conversation(mail: Any) -> Iterator[smtplib.SMTP]:
    """A server that waits for a mail."""
    context = ssl.create_default_context()
    timeout = mail.socket_connect_timeout
    if mail.secure_mode == "ssl":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            mail.smtp_host, mail.port, timeout=timeout, context=context
        )
    else:
        server = smtplib.SMTP(mail.smtp_host, mail.port, timeout=timeout)
    try:
        if mail.secure_mode == "starttls":
            server.starttls(context=context)
        if mail.user and mail.password:
            server.login(mail.user, mail.password)
        yield server
    finally:
        # Whatever the server makes of the farewell, the mail is its own, or is not.
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
