"""Mail over a real Postfix: what arrives, what is refused at once, and what comes back later."""

from dataclasses import replace

import pytest
import trustme

from casebell.alerts import FailureReason, Outcome
from casebell.sandbox.mail_sink import SmtpAnswer, SmtpSink, SmtpStep
from contracts.channel_contract import MESSAGE, load, outcome_and_reason
from contracts.mail_channel_contract import text_in
from notify.postfix import ELSEWHERE, MAILBOXES, Postfix, missing

pytestmark = [
    # Postfix takes seconds to start and to stop.
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "Postfix is here"),
]

TEAM, SENDER = MAILBOXES
URL = "mailtos://127.0.0.1:{port}?from=" + SENDER


async def test_what_becomes_of_a_mail(authority: trustme.CA, trusted: None) -> None:
    """It arrives whole; who is unknown is refused at once; what bounces, Casebell does not see."""
    async with SmtpSink() as elsewhere, Postfix(authority, elsewhere=elsewhere.port) as relay:
        url = URL.format(port=relay.port)
        message = replace(MESSAGE, urgent=True, id="alert-1", thread="case-1")
        result = await load(url, to=(TEAM,), timeout=20.0).send(target=TEAM, message=message)
        assert outcome_and_reason(result) == (Outcome.SENT, None)
        mail = await relay.delivered("team")
        assert mail.get_all("Message-ID") == ["<alert-1@example-firm.com>"]
        assert mail["References"] == "<case-1@example-firm.com>"
        assert (mail["Subject"], mail["Importance"]) == (MESSAGE.title, "high")
        assert "with ESMTPS" in mail["Received"]
        assert text_in(mail, "plain") == MESSAGE.body

        nobody = "nobody@example-firm.com"
        result = await load(url, to=(nobody,), timeout=20.0).send(target=nobody, message=message)
        assert outcome_and_reason(result) == (Outcome.PERMANENT, FailureReason.RECIPIENT_REFUSED)
        words = "SMTP 550 5.1.1 while naming sender and recipient: no such mailbox"
        assert result.detail == words

        # The relay takes it, and hears of the refusal from the next server.
        elsewhere.answer(SmtpStep.RECIPIENT, SmtpAnswer(reply="550 5.1.1 gone"))
        gone = f"gone@{ELSEWHERE}"
        result = await load(url, to=(gone,), timeout=20.0).send(target=gone, message=message)
        assert outcome_and_reason(result) == (Outcome.SENT, None)
        bounce = await relay.delivered("sender")
        assert bounce.get_content_type() == "multipart/report"
        assert "550 5.1.1 gone" in bounce.as_string()
