"""A server with its recipients: sinks for its channels, and the messages that they got."""

import email
import email.policy
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from casebell.sandbox.http_sink import HttpSink
from casebell.sandbox.mail_sink import Mail, SmtpSink
from casebell.uscis.receipts import mask
from e2e.server import Server
from waiting import until


class RecordingSink(HttpSink):
    """A sink for json:// channels, with its messages."""

    def messages_of(self, receipt: str) -> list[dict[str, Any]]:
        """Messages of one case, in order of arrival."""
        return self.messages_with(lambda message: receipt in message or mask(receipt) in message)

    def messages_with(self, fits: Callable[[str], bool]) -> list[dict[str, Any]]:
        """Messages whose text fits, in order of arrival."""
        messages = [{**json.loads(one.body), "at": one.at} for one in self.requests]
        return [one for one in messages if fits(f"{one['title']}\n{one['message']}")]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerWithRecipients:
    """The server, the sinks of its channels and its mail server."""

    server: Server
    hooks: dict[str, RecordingSink]
    mail: SmtpSink

    async def alerts_ended(self, receipt: str) -> list[tuple[str, str]]:
        """Wait until the case's events are decided and its alerts have ended: channel and state."""
        of_case = "event_id IN (SELECT id FROM events WHERE receipt = ?)"
        # In one statement: a decision and its alerts come in one transaction.
        waiting = (
            "SELECT (SELECT count(*) FROM events WHERE receipt = ? AND routed_at IS NULL) + "
            f"(SELECT count(*) FROM alerts WHERE {of_case} AND state NOT IN ('sent', 'failed'))"
        )
        await until(
            lambda: self.server.rows(waiting, receipt, receipt) == [(0,)],
            "the alerts of a case to end",
        )
        alerts = f"SELECT channel, state FROM alerts WHERE {of_case} ORDER BY id"
        return [(channel, state) for channel, state in self.server.rows(alerts, receipt)]


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def text_of(mail: Mail) -> tuple[str, str, str]:
    """Recipient, subject and text of a mail, as its reader sees them."""
    parsed = email.message_from_bytes(mail.content, policy=email.policy.default)
    body = parsed.get_body(("plain",))
    assert body is not None
    return mail.recipients[0], str(parsed["subject"]), body.get_content().replace("\r\n", "\n")
