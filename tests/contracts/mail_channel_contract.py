"""What every mail channel must make of a server's replies, beside `channel_contract`."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern

import pytest

from casebell.alerts import FailureReason, Outcome
from casebell.notify.apprise_channel import AppriseChannel
from casebell.sandbox.http_sink import Ending
from casebell.sandbox.mail_sink import Mail, SmtpAnswer, SmtpSink, SmtpStep
from contracts.channel_contract import (
    LINK,
    MESSAGE,
    MESSAGE_WORDS,
    SILENCE,
    ChannelContract,
    ChannelSetup,
    Shown,
    load,
    outcome_and_reason,
)
from contracts.html_pages import Page
from contracts.leaks import LeakWatch

USER, PASSWORD = "casebell", "correct-horse-battery"
TO = "rfe-team@example-firm.com"
#: Not now: try again.
BUSY = (Outcome.RETRYABLE, FailureReason.SERVER_ERROR)


def shown_mail(mail: Mail) -> Shown:
    assert mail.sender == "casebell@example.com"
    assert mail.recipients == (TO,)
    parsed = parsed_mail(mail)
    assert parsed["To"] == TO
    assert parsed["From"] == "casebell@example.com"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    text = text_in(parsed, "plain")
    page = Page(text_in(parsed, "html"))
    assert [line.strip() for line in page.lines] == [
        line.strip() for line in text.split("\n") if line.strip()
    ]
    assert {address for _, address in page.links} <= {LINK}
    return Shown(title=parsed["Subject"], body=text, at=mail.at)


def parsed_mail(mail: Mail) -> EmailMessage:
    """As a mail program reads it, with each header once."""
    parsed = message_from_bytes(mail.content, policy=modern)
    assert isinstance(parsed, EmailMessage)
    assert len(set(map(str.lower, parsed))) == len(parsed.keys())
    return parsed


def text_in(mail: EmailMessage, kind: str) -> str:
    """The text of a part."""
    body = mail.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content.replace("\r\n", "\n").rstrip("\n")


def mail_channel_setup(sink: SmtpSink, url: str) -> ChannelSetup:
    def load_at(host: str, port: int, *, timeout: float = 5.0) -> AppriseChannel:
        # An unknown name is another machine, where mail goes encrypted or not at all.
        schema = "mailtos" if host != "127.0.0.1" else url.partition("://")[0]
        address = url.partition("://")[2].format(host=host, port=port)
        return load(f"{schema}://{address}", to=(TO,), timeout=timeout)

    async def shown(count: int) -> list[Shown]:
        return [shown_mail(mail) for mail in await sink.received(count)]

    return ChannelSetup(
        load=load_at,
        host=sink.host,
        port=sink.port,
        target=TO,
        secrets=(PASSWORD,),
        shown=shown,
        delay=lambda seconds: sink.answer(SmtpStep.DATA, SmtpAnswer(delay=seconds)),
        cut_off=lambda: sink.answer(SmtpStep.DATA, SmtpAnswer(ending=Ending.RESET)),
    )


class MailContract(ChannelContract):
    """The suite for mail; a subclass gives `mail_sink` and `setup`."""

    @pytest.mark.parametrize(
        ("step", "reply", "expected"),
        [
            ("sender", "421 busy", BUSY),
            ("sender", "530 5.7.57 x", (Outcome.AUTH, FailureReason.AUTH_FAILED)),
            ("sender", "553 no", (Outcome.PERMANENT, FailureReason.REJECTED)),
            ("recipient", "421 4.7.0 x", BUSY),
            ("recipient", "450 4.2.0 x", BUSY),
            ("recipient", "550 5.1.1 x", (Outcome.PERMANENT, FailureReason.RECIPIENT_REFUSED)),
            ("data", "451 4.3.0 x", BUSY),
            ("data", "421 busy", BUSY),
            ("data", "554 5.7.1 x", (Outcome.PERMANENT, FailureReason.REJECTED)),
        ],
    )
    async def test_replies(
        self, setup: ChannelSetup, mail_sink: SmtpSink, step: str, reply: str, expected: object
    ) -> None:
        """Each refusal at each step leads to one outcome, and its codes are in the detail."""
        mail_sink.answer(SmtpStep(step), SmtpAnswer(reply=reply))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == expected
        assert result.detail.startswith(f"SMTP {reply.rpartition(' ')[0]} while ")

    async def test_codes_get_our_words(self, setup: ChannelSetup, mail_sink: SmtpSink) -> None:
        """A code with a usual cause is explained, without the server's own words."""
        mail_sink.answer(SmtpStep.RECIPIENT, SmtpAnswer(reply="550 5.1.1 <b@x> go away"))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        words = "SMTP 550 5.1.1 while naming sender and recipient: no such mailbox"
        assert result.detail == words

    @pytest.mark.parametrize("step", ["hello", "sender", "recipient"])
    @pytest.mark.parametrize("ending", [Ending.CLOSE, Ending.RESET])
    async def test_a_connection_lost_before_the_message_is_retried(
        self, setup: ChannelSetup, mail_sink: SmtpSink, step: str, ending: Ending
    ) -> None:
        """Cut off before the text was handed over: it cannot have arrived."""
        mail_sink.answer(SmtpStep(step), SmtpAnswer(ending=ending))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.CONNECTION_LOST)

    @pytest.mark.parametrize("step", ["hello", "sender", "recipient"])
    async def test_silence_before_the_message_is_retried(
        self, setup: ChannelSetup, mail_sink: SmtpSink, step: str
    ) -> None:
        """Silence before the text was handed over: it cannot have arrived."""
        mail_sink.answer(SmtpStep(step), SmtpAnswer(delay=30.0))
        result = await setup.channel(timeout=SILENCE).send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TIMEOUT)

    async def test_a_refusal_that_quotes_us_does_not_leak(
        self,
        setup: ChannelSetup,
        mail_sink: SmtpSink,
        leaks: LeakWatch,
    ) -> None:
        """A server that repeats the subject and our password does not make us do so."""
        reply = f"554 5.6.0 {MESSAGE.title} {PASSWORD} {LINK}".encode("ascii", "replace").decode()
        mail_sink.answer(SmtpStep.DATA, SmtpAnswer(reply=reply))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert result.detail == "SMTP 554 5.6.0 while handing over the message"
        leaks.assert_none((*setup.secrets, *MESSAGE_WORDS), shown=(result,))
