"""The loopback servers, spoken to by ordinary clients."""

import asyncio
import contextlib
import http.client
import smtplib
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
import trustme

from casebell.sandbox.http_sink import Ending, HttpAnswer, HttpSink
from casebell.sandbox.mail_sink import SmtpAnswer, SmtpSink, SmtpStep
from waiting import TIMEOUT


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def post(url: str, body: bytes = b"{}", *, tls: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Status and body of the answer to a POST."""
    request = urllib.request.Request(url, data=body, headers={"X-Test": "yes"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=tls) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


async def test_a_request_is_kept() -> None:
    """Method, path with query, headers, body and time of a request are there to read."""
    async with HttpSink() as sink:
        before = time.time_ns() // 1000
        assert await asyncio.to_thread(post, f"{sink.url}/a/b?c=d", b"\x00body") == (200, b"ok")
        (request,) = await sink.received(1)
    assert (request.method, request.path, request.body) == ("POST", "/a/b?c=d", b"\x00body")
    assert request.headers["x-test"] == "yes"
    assert before <= request.at <= time.time_ns() // 1000


async def test_answers_are_given_in_turn() -> None:
    """Each request gets the next answer, and the last one stays."""
    async with HttpSink() as sink:
        sink.answer(HttpAnswer(status=503, body=b"later"), HttpAnswer(status=202, body=b""))
        answers = [await asyncio.to_thread(post, sink.url) for _ in range(3)]
    assert answers == [(503, b"later"), (202, b""), (202, b"")]


async def test_it_speaks_tls(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """With a context the sink is an https server."""
    async with HttpSink(tls=server_tls) as sink:
        assert sink.url.startswith("https://")
        assert await asyncio.to_thread(post, sink.url, tls=client_tls) == (200, b"ok")


@pytest.mark.parametrize(
    ("answer", "least"),
    [(HttpAnswer(delay=0.15), 0.15), (HttpAnswer(drip=0.002), 0.1)],
)
async def test_slow_answers(answer: HttpAnswer, least: float) -> None:
    """An answer that is late or drips is whole in the end."""
    async with HttpSink() as sink:
        sink.answer(answer)
        begun = time.monotonic()
        assert await asyncio.to_thread(post, sink.url) == (200, b"ok")
    assert time.monotonic() - begun >= least


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        (Ending.CLOSE, http.client.RemoteDisconnected),
        (Ending.RESET, ConnectionResetError),
    ],
)
async def test_endings(ending: Ending, error: type[Exception]) -> None:
    """A connection can end without an answer, politely or not; the request is kept all the same."""
    async with HttpSink() as sink:
        sink.answer(HttpAnswer(ending=ending))
        with pytest.raises((error, urllib.error.URLError)) as caught:
            await asyncio.to_thread(post, sink.url)
        cause = getattr(caught.value, "reason", caught.value)
        assert type(cause) is error
        assert len(sink.requests) == 1


async def test_a_sink_that_hangs_can_be_left() -> None:
    """Leaving the block does not wait for an answer that would take a minute."""
    async with HttpSink() as sink:
        sink.answer(HttpAnswer(delay=60.0))
        hanging = asyncio.ensure_future(asyncio.to_thread(post, sink.url))
        await sink.received(1)
        begun = time.monotonic()
    assert time.monotonic() - begun < TIMEOUT
    with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
        await hanging


@pytest.mark.parametrize(
    "junk",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"x" * 70_000,
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_junk_is_no_request(junk: bytes) -> None:
    """What is not HTTP is dropped, and the sink goes on."""
    async with HttpSink() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        writer.write(junk)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()
        assert await asyncio.to_thread(post, sink.url) == (200, b"ok")
        assert len(sink.requests) == 1


TEXT = b"Subject: RFE\r\n\r\nline one\r\n.hidden dot\r\n"


def mail(
    sink: SmtpSink, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
) -> None:
    """Send one mail."""
    with smtplib.SMTP(sink.host, sink.port, timeout=TIMEOUT) as client:
        if tls is not None:
            client.starttls(context=tls)
        if login is not None:
            client.login(*login)
        client.sendmail("a@example.com", ["b@example.com", "c@example.com"], TEXT)


async def test_a_mail_is_kept() -> None:
    """Sender, recipients and the text as it stood on the wire are there to read."""
    async with SmtpSink() as sink:
        await asyncio.to_thread(mail, sink)
        (kept,) = await sink.received(1)
    assert (kept.sender, kept.recipients) == ("a@example.com", ("b@example.com", "c@example.com"))
    assert kept.content == TEXT
    assert (kept.encrypted, kept.user) == (False, "")


async def test_tls_and_login_are_insisted_on(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """A sink with both takes no mail without either, and none with a wrong password."""
    async with SmtpSink(tls=server_tls, login=("jane", "right")) as sink:

        async def attempt(**how: object) -> None:
            await asyncio.to_thread(mail, sink, **how)  # type: ignore[arg-type]

        await attempt(tls=client_tls, login=("jane", "right"))
        for how in ({}, {"tls": client_tls}):
            with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                await attempt(**how)
            assert refused.value.smtp_code == 530
        with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
            await attempt(tls=client_tls, login=("jane", "wrong"))
        assert wrong.value.smtp_code == 535
    (kept,) = sink.mails
    assert (kept.encrypted, kept.user) == (True, "jane")


@pytest.mark.parametrize(
    ("step", "code", "kind"),
    [
        (SmtpStep.HELLO, 421, smtplib.SMTPHeloError),
        (SmtpStep.SENDER, 451, smtplib.SMTPSenderRefused),
        (SmtpStep.DATA, 554, smtplib.SMTPDataError),
    ],
)
async def test_scripted_refusals(
    step: SmtpStep, code: int, kind: type[smtplib.SMTPResponseException]
) -> None:
    """The reply told for a step is given there, and no mail is kept."""
    async with SmtpSink() as sink:
        sink.answer(step, SmtpAnswer(reply=f"{code} 4.0.0 told"))
        with pytest.raises(kind) as refused:
            await asyncio.to_thread(mail, sink)
    assert refused.value.smtp_code == code
    assert not sink.mails


async def test_scripted_refusal_of_recipients() -> None:
    """Every recipient is refused with the reply told."""
    async with SmtpSink() as sink:
        sink.answer(SmtpStep.RECIPIENT, SmtpAnswer(reply="550 5.1.1 nobody"))
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            await asyncio.to_thread(mail, sink)
    assert {code for code, _ in refused.value.recipients.values()} == {550}


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("step", [SmtpStep.HELLO, SmtpStep.RECIPIENT, SmtpStep.DATA])
async def test_scripted_endings(step: SmtpStep, ending: Ending) -> None:
    """The connection ends at the step told, and no mail is kept at a step before the text."""
    async with SmtpSink() as sink:
        sink.answer(step, SmtpAnswer(ending=ending))
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            await asyncio.to_thread(mail, sink)
        assert len(sink.mails) == (1 if step is SmtpStep.DATA else 0)


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("make", [HttpSink, SmtpSink])
async def test_a_connection_of_the_last_moment_is_closed(
    make: Callable[[], HttpSink | SmtpSink], turns: int
) -> None:
    """However far it had come when the sink goes."""
    with socket.socket() as client:
        client.settimeout(TIMEOUT)
        async with make() as sink:
            client.connect(("127.0.0.1", sink.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1_000):
                pass


@pytest.mark.parametrize("sink", [HttpSink, SmtpSink])
async def test_waiting_for_what_does_not_come_ends(
    sink: Callable[[], HttpSink | SmtpSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`received` gives up instead of hanging a demo or a test."""
    monkeypatch.setattr("casebell.sandbox.http_sink._TIMEOUT", 0.05)
    async with sink() as waiting:
        with pytest.raises(TimeoutError):
            await waiting.received(1)
