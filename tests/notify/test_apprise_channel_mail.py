"""Mail channels over apprise against a real loopback mail server."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casebell.alerts import FailureReason, Outcome
from casebell.clock import SystemClock
from casebell.notify.apprise_channel import AppriseChannel
from casebell.sandbox.mail_sink import SmtpAnswer, SmtpSink, SmtpStep
from casebell.settings import ChannelSettings
from casebell.settings.interpolation import Interpolation
from contracts.channel_contract import MESSAGE, ChannelSetup, load, outcome_and_reason
from contracts.mail_channel_contract import PASSWORD, TO, USER, MailContract, mail_channel_setup

#: Passwords that a mail server can be sent.
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


async def login_at(sink: SmtpSink, password: str, *, spelled: str) -> tuple[str, str]:
    """The login that the server is sent for a password from the environment."""
    address = f"127.0.0.1:{sink.port}?from=casebell@example.com"
    interpolation = Interpolation(variables={"PW": password}, base_dir=Path())
    if spelled == "keys":
        login = {"user": USER, "password": "${PW}"}
        table = interpolation.fill({"url": f"mailtos://{address}", **login})
    else:
        table = interpolation.fill({"url": f"mailtos://{USER}:${{PW|url}}@{address}"})
    assert interpolation.findings == []
    channel = ChannelSettings.model_validate({"name": "team", "to": [TO], "pace": 0, **table})
    sent = AppriseChannel(channel, schemas=(), clock=SystemClock())
    await sent.send(target=TO, message=MESSAGE)
    return sink.logins[-1]


class TestMailWithStartTlsAndLogin(MailContract):
    """Mail by a submission server: STARTTLS, then a login."""

    @pytest.fixture
    async def mail_sink(self, server_tls: ssl.SSLContext, trusted: None) -> AsyncIterator[SmtpSink]:
        async with SmtpSink(tls=server_tls, login=(USER, PASSWORD)) as sink:
            yield sink

    @pytest.fixture
    def setup(self, mail_sink: SmtpSink) -> ChannelSetup:
        url = f"mailtos://{USER}:{PASSWORD}@{{host}}:{{port}}?from=casebell@example.com"
        return mail_channel_setup(mail_sink, url)

    async def test_it_is_encrypted_and_logged_in(
        self, setup: ChannelSetup, mail_sink: SmtpSink
    ) -> None:
        """The message goes over TLS and under the user's name."""
        await setup.channel().send(target=setup.target, message=MESSAGE)
        (mail,) = mail_sink.mails
        assert (mail.encrypted, mail.user) == (True, USER)

    @pytest.mark.parametrize("spelled", ["keys", "url"])
    @pytest.mark.parametrize("password", ["P@5678", "Ab1#9z", "Ab1%49z", "a:b/c?d&e;f g", " '\"\\"])
    async def test_any_password_logs_in(
        self, password: str, spelled: str, mail_sink: SmtpSink
    ) -> None:
        """The server is sent what the operator was given, by either way to write it."""
        assert await login_at(mail_sink, password, spelled=spelled) == (USER, password)

    @given(password=PRINTABLE, spelled=st.sampled_from(["keys", "url"]))
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    async def test_every_printable_password_logs_in(
        self, password: str, spelled: str, mail_sink: SmtpSink
    ) -> None:
        """Whatever its characters."""
        assert await login_at(mail_sink, password, spelled=spelled) == (USER, password)

    async def test_a_refused_login(self, mail_sink: SmtpSink) -> None:
        """A wrong password fails at once: trying it again could lock the account."""
        url = f"mailtos://{USER}:wrong@127.0.0.1:{mail_sink.port}?from=casebell@example.com"
        result = await load(url, to=(TO,)).send(target=TO, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AUTH, FailureReason.AUTH_FAILED)
        assert result.detail.startswith("SMTP 535 5.7.8 while logging in")

    async def test_a_login_that_is_turned_off(
        self, setup: ChannelSetup, mail_sink: SmtpSink
    ) -> None:
        """Microsoft's refusal of basic authentication is told in words."""
        reply = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled"
        mail_sink.answer(SmtpStep.LOGIN, SmtpAnswer(reply=reply))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AUTH, FailureReason.AUTH_FAILED)
        assert "basic authentication is turned off" in result.detail

    async def test_a_login_refused_for_now(self, setup: ChannelSetup, mail_sink: SmtpSink) -> None:
        """A server that cannot check the password now is tried again."""
        mail_sink.answer(SmtpStep.LOGIN, SmtpAnswer(reply="454 4.7.0 later"))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.SERVER_ERROR)
        assert result.detail == "SMTP 454 4.7.0 while logging in"

    async def test_an_untrusted_certificate(
        self, setup: ChannelSetup, mail_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither login nor message goes to a server whose certificate is not trusted."""
        monkeypatch.delenv("SSL_CERT_FILE")
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
        assert not mail_sink.mails


class TestMailOverTls:
    """Mail by a server that speaks TLS from the first byte (port 465)."""

    URL = "mailtos://127.0.0.1:{port}?from=casebell@example.com&mode=ssl"

    async def test_it_is_encrypted(self, server_tls: ssl.SSLContext, trusted: None) -> None:
        """As by STARTTLS."""
        async with SmtpSink(tls=server_tls, at_once=True) as sink:
            channel = load(self.URL.format(port=sink.port), to=(TO,))
            result = await channel.send(target=TO, message=MESSAGE)
            assert outcome_and_reason(result) == (Outcome.SENT, None)
            (mail,) = sink.mails
        assert mail.encrypted

    async def test_an_untrusted_certificate(self, server_tls: ssl.SSLContext) -> None:
        """Nothing goes to such a server."""
        async with SmtpSink(tls=server_tls, at_once=True) as sink:
            channel = load(self.URL.format(port=sink.port), to=(TO,))
            result = await channel.send(target=TO, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
        assert "certificate" in result.detail
        assert not sink.mails

    async def test_a_server_of_plain_text_gets_nothing(self, trusted: None) -> None:
        """It is told as such."""
        async with SmtpSink() as sink:
            channel = load(self.URL.format(port=sink.port), to=(TO,))
            result = await channel.send(target=TO, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
        assert not sink.mails


class TestPlainMail(MailContract):
    """Mail by a relay on this machine, without TLS or a login."""

    @pytest.fixture
    async def mail_sink(self, trusted: None) -> AsyncIterator[SmtpSink]:
        async with SmtpSink() as sink:
            yield sink

    @pytest.fixture
    def setup(self, mail_sink: SmtpSink) -> ChannelSetup:
        return mail_channel_setup(mail_sink, "mailto://{host}:{port}?from=casebell@example.com")

    @pytest.mark.parametrize(
        ("reply", "outcome", "reason"),
        [
            ("421 busy", Outcome.RETRYABLE, FailureReason.SERVER_ERROR),
            ("554 no", Outcome.PERMANENT, FailureReason.REJECTED),
        ],
    )
    async def test_replies_to_the_greeting(
        self,
        setup: ChannelSetup,
        mail_sink: SmtpSink,
        reply: str,
        outcome: Outcome,
        reason: FailureReason,
    ) -> None:
        """A server that will not talk now and one that will not talk to us are told apart."""
        mail_sink.answer(SmtpStep.HELLO, SmtpAnswer(reply=reply))
        result = await setup.channel().send(target=setup.target, message=MESSAGE)
        assert outcome_and_reason(result) == (outcome, reason)

    async def test_a_server_without_tls_gets_nothing(self, mail_sink: SmtpSink) -> None:
        """mailtos:// never falls back to plain text."""
        url = f"mailtos://127.0.0.1:{mail_sink.port}?from=casebell@example.com"
        result = await load(url, to=(TO,)).send(target=TO, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
        assert not mail_sink.mails

    async def test_a_server_without_logins_is_told_as_such(self, mail_sink: SmtpSink) -> None:
        """A login that the server does not offer fails as a login."""
        url = f"mailto://{USER}:{PASSWORD}@127.0.0.1:{mail_sink.port}?from=casebell@example.com"
        result = await load(url, to=(TO,)).send(target=TO, message=MESSAGE)
        assert outcome_and_reason(result) == (Outcome.AUTH, FailureReason.AUTH_FAILED)
