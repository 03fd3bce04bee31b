"""The messages that came in at the sinks, chat and mail alike."""

import json
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default

from casebell.events import Micros
from casebell.sandbox.http_sink import HttpRequest, HttpSink
from casebell.sandbox.mail_sink import Mail, SmtpSink


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One message for one person or room."""

    #: The room's name, or the mail address.
    recipient: str
    title: str
    #: As it stood on the wire, decoded.
    text: str
    at: Micros


class Inbox:
    """All messages of a chat room and a mail server, in order of arrival.

    Args:
        room: the recipient of the HTTP sink's messages.
    """

    def __init__(self, *, room: str, http: HttpSink, mail: SmtpSink) -> None:
        self._room = room
        self._http = http
        self._mail = mail
        self._read = 0

    def unread(self) -> int:
        """How many messages `read` would give."""
        return len(self.all()) - self._read

    def read(self) -> list[Arrival]:
        """The messages that came in since the last call."""
        arrivals = self.all()[self._read :]
        self._read += len(arrivals)
        return arrivals

    def all(self) -> list[Arrival]:
        """Every message so far."""
        # A message that the room refused did not reach its readers.
        taken = (request for request in self._http.requests if request.answer.status < 300)
        posts = [_from_post(self._room, request) for request in taken]
        mails = [_from_mail(to, mail) for mail in self._mail.mails for to in mail.recipients]
        return sorted([*posts, *mails], key=lambda arrival: arrival.at)


def _from_post(room: str, request: HttpRequest) -> Arrival:
    content = json.loads(request.body)
    return Arrival(recipient=room, title=content["title"], text=content["message"], at=request.at)


def _from_mail(recipient: str, mail: Mail) -> Arrival:
    message = message_from_bytes(mail.content, policy=default)
    body = message.get_body(("plain",))
    return Arrival(
        recipient=recipient,
        title=str(message["Subject"]),
        text="" if body is None else body.get_content().replace("\r\n", "\n"),
        at=mail.at,
    )
