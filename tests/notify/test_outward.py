"""Certificates of one's own and a proxy: from `.env` to the wire, and what fails on the way."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
import trustme

from casebell.alerts import FailureReason, Outcome, SendResult
from casebell.clock import SystemClock
from casebell.errors import ConfigError
from casebell.notify import outward
from casebell.notify.load import load_channels
from casebell.sandbox.http_sink import HttpSink, reset_connection
from casebell.sandbox.mail_sink import SmtpSink
from casebell.settings import load
from casebell.settings.outward import NAMES
from contracts.channel_contract import MESSAGE, outcome_and_reason

SOURCE = '[sources.parley]\nkind = "parley"\nsecrets = ["Zk3vQ9tLwX2mB7rH8sNcD4fG"]\n'
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TO = "team@example-firm.com"

#: The lines of a channel that leads to a port of this machine.
Https: TypeAlias = Callable[[int], str]


class Proxy:
    """A forward proxy on loopback: it connects, or answers with a status."""

    def __init__(self, status: str = "") -> None:
        self.asked: list[bytes] = []
        self.port = 0
        self._status = status
        self._open: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await end(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if self._status:
            writer.write(f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        self._open.append(back)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pour(reader, back), _pour(there, writer))


async def end(writers: list[asyncio.StreamWriter]) -> None:
    """Have no connection outlive its test."""
    for writer in writers:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose environment names neither; and none of what a test made it use."""
    # What a test of another file made this process use would come back at the end.
    outward.use({})
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    yield
    outward.use({})
    assert not set(NAMES) & os.environ.keys()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """The file of our own authority."""
    path = tmp_path / "firm.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
async def secure(server_tls: ssl.SSLContext) -> AsyncIterator[HttpSink]:
    """A service with a certificate of our own authority."""
    async with HttpSink(tls=server_tls) as server:
        yield server


async def send(folder: Path, channel: str, env: str) -> SendResult:
    """The result of a message over a channel, with these lines in `.env`."""
    (folder / "config.toml").write_text(f"{SOURCE}[channels.team]\n{channel}\n")
    (folder / ".env").write_text(env)
    settings = load(folder / "config.toml", environ={})
    channels = load_channels(settings, clock=SystemClock())
    outward.use(settings.outward)
    team = channels.by_name["team"]
    return await team.send(target=team.targets[0], message=MESSAGE)


@pytest.fixture(params=["apprise", "webhook"])
def https(request: pytest.FixtureRequest) -> Https:
    """Each transport over HTTPS."""

    def channel(port: int) -> str:
        url = f'url = "jsons://localhost:{port}/x"'
        webhook = f'webhook = "https://localhost:{port}/x"\nsecret = "{SIGNING}"'
        return f'{url if request.param == "apprise" else webhook}\ntimeout = "2s"'

    return channel


async def test_an_authority_of_our_own(
    tmp_path: Path, https: Https, bundle: Path, secure: HttpSink
) -> None:
    """SSL_CERT_FILE in `.env`, relative to it, is what HTTP services are checked by."""
    result = await send(tmp_path, https(secure.port), f"SSL_CERT_FILE={bundle.name}\n")
    assert result.outcome is Outcome.SENT


async def test_an_authority_of_our_own_for_mail(
    tmp_path: Path, bundle: Path, server_tls: ssl.SSLContext
) -> None:
    """And mail servers."""
    async with SmtpSink(tls=server_tls) as mail:
        channel = f'url = "mailtos://localhost:{mail.port}?from=a@b.com"\nto = "{TO}"'
        env = f"SSL_CERT_FILE={bundle}\n"
        assert (await send(tmp_path, channel, env)).outcome is Outcome.SENT
        unknown = await send(tmp_path, channel, "")
    assert outcome_and_reason(unknown) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
    assert "not from the public authorities: name the file" in unknown.detail
    assert unknown.detail.endswith("in SSL_CERT_FILE while starting TLS")


async def test_an_unknown_authority_is_named_with_the_cure(
    tmp_path: Path, https: Https, secure: HttpSink
) -> None:
    """By which authorities it was checked, and where to name another."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    result = await send(tmp_path, https(secure.port), f"REQUESTS_CA_BUNDLE={other}\n")
    assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
    assert f"the certificate is not from the authorities in {other}" in result.detail
    assert "SSL_CERT_FILE" in result.detail
    assert not secure.requests


@pytest.mark.parametrize("case", ["expired", "name"])
async def test_another_fault_of_a_certificate(
    tmp_path: Path, https: Https, bundle: Path, authority: trustme.CA, case: str
) -> None:
    """It is told as such: another authority would not help."""
    past = datetime.now(UTC) - timedelta(days=1)
    names, expires = (["localhost"], past) if case == "expired" else (["mail.example"], None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=expires).configure_cert(context)
    async with HttpSink(tls=context) as sink:
        result = await send(tmp_path, https(sink.port), f"SSL_CERT_FILE={bundle}\n")
    assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.TLS_FAILED)
    assert case in result.detail


async def test_a_proxy_leads_out(
    tmp_path: Path, https: Https, bundle: Path, secure: HttpSink
) -> None:
    """HTTPS_PROXY in `.env`, with a login; NO_PROXY goes past it."""
    async with Proxy() as proxy:
        env = f"SSL_CERT_FILE={bundle}\nHTTPS_PROXY=http://u:p%40ss@127.0.0.1:{proxy.port}\n"
        assert (await send(tmp_path, https(secure.port), env)).outcome is Outcome.SENT
        (asked,) = proxy.asked
        assert asked.startswith(f"CONNECT localhost:{secure.port}".encode())
        assert b"Basic dTpwQHNz" in asked  # u:p@ss
        env += "NO_PROXY=localhost\n"
        assert (await send(tmp_path, https(secure.port), env)).outcome is Outcome.SENT
        assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("407 Proxy Authentication Required", (Outcome.AUTH, FailureReason.PROXY_AUTH_FAILED)),
        ("403 Forbidden", (Outcome.RETRYABLE, FailureReason.PROXY_FAILED)),
        ("502 Bad Gateway", (Outcome.RETRYABLE, FailureReason.PROXY_FAILED)),
    ],
)
async def test_a_proxy_that_does_not_connect(
    tmp_path: Path, https: Https, secure: HttpSink, status: str, expected: object
) -> None:
    """Nothing was sent, so the result is not ambiguous; 407 wants another login."""
    async with Proxy(status) as proxy:
        env = f"HTTPS_PROXY=http://127.0.0.1:{proxy.port}\n"
        result = await send(tmp_path, https(secure.port), env)
    assert outcome_and_reason(result) == expected
    assert result.detail == f"the proxy answered {status[:3]}"
    assert not secure.requests


@pytest.mark.parametrize(
    "channel",
    [
        'url = "json://localhost:9/x"',
        f'webhook = "http://localhost:9/x"\nsecret = "{SIGNING}"',
    ],
)
async def test_a_proxy_of_plain_http_that_wants_a_login(tmp_path: Path, channel: str) -> None:
    """It answers in the place of the service."""
    async with Proxy("407 Proxy Authentication Required") as proxy:
        env = f"http_proxy=http://127.0.0.1:{proxy.port}\n"
        result = await send(tmp_path, channel, env)
    assert outcome_and_reason(result) == (Outcome.AUTH, FailureReason.PROXY_AUTH_FAILED)


async def test_a_proxy_that_is_not_there(tmp_path: Path, https: Https, secure: HttpSink) -> None:
    """Nothing was sent."""
    async with Proxy() as proxy:
        port = proxy.port
    result = await send(tmp_path, https(secure.port), f"HTTPS_PROXY=http://127.0.0.1:{port}\n")
    assert outcome_and_reason(result) == (Outcome.RETRYABLE, FailureReason.PROXY_FAILED)


@pytest.mark.parametrize("silent", [False, True])
async def test_what_fails_before_the_request_is_not_ambiguous(
    tmp_path: Path, https: Https, silent: bool
) -> None:
    """A handshake that is cut off or not answered: no byte of the message has left."""
    opened: list[asyncio.StreamWriter] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await reader.read(5)
        if not silent:
            reset_connection(writer.transport)
        await reader.read()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        result = await send(tmp_path, https(port), "")
        await end(opened)
    assert result.outcome is Outcome.RETRYABLE
    assert result.reason in (
        FailureReason.CONNECTION_LOST,
        FailureReason.TIMEOUT,
        FailureReason.CONNECT_TIMEOUT,
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SSL_CERT_FILE=missing.pem", "No such file"),
        ("REQUESTS_CA_BUNDLE=config.toml", "no certificate"),
        ("HTTPS_PROXY=http://u:hunter2@x@proxy:3128", "proxy's address"),
        ("HTTPS_PROXY=http://u:hunter2#x@proxy:3128", "proxy's address"),
    ],
)
async def test_what_cannot_be_used_is_refused(tmp_path: Path, line: str, words: str) -> None:
    """The libraries would pass over it, or fail every message for it."""
    with pytest.raises(ConfigError) as raised:
        await send(tmp_path, 'url = "json://localhost:9/x"', f"{line}\n")
    (problem,) = raised.value.problems
    assert problem.key == line.partition("=")[0]
    assert problem.where == str(tmp_path / ".env")
    assert words in problem.message
    assert "hunter2" not in problem.message + problem.hint


def test_a_file_that_is_written_again_is_read_again(tmp_path: Path, bundle: Path) -> None:
    """Also where neither its size nor its time tells: a reload must see that it was mended."""
    (tmp_path / "config.toml").write_text(SOURCE)
    good = bundle.read_text()
    file = tmp_path / "authorities.pem"
    (tmp_path / ".env").write_text(f"SSL_CERT_FILE={file}\n")
    (tmp_path / ".env").chmod(0o600)
    file.write_text("x" * len(good))
    os.utime(file, (1, 1))
    with pytest.raises(ConfigError):
        load(tmp_path / "config.toml", environ={})
    file.write_text(good)
    os.utime(file, (1, 1))
    load(tmp_path / "config.toml", environ={})


def test_a_file_of_few_authorities_is_warned_of(tmp_path: Path, bundle: Path) -> None:
    """It is trusted in the place of the public ones."""
    (tmp_path / "config.toml").write_text(SOURCE)
    settings = load(tmp_path / "config.toml", environ={"SSL_CERT_FILE": str(bundle)})
    assert any("SSL_CERT_FILE names a file with 1 authorities" in w for w in settings.warnings)
    assert settings.outward == dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(bundle))
