"""How the clients get out: certificates and proxies as all that we send; what is no HTTP at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from casebell.errors import UpstreamError, UpstreamUnreachable
from casebell.notify import outward
from casebell.sandbox.http_sink import HttpSink
from casebell.settings.outward import NAMES
from casebell.store.engine import Store
from casebell.upstream.asking import Patience
from casebell.upstream.told import CaseProblem, Told
from upstream.harness import FIRST, parley, raw_server, says, state


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose environment names neither certificates nor proxies."""
    outward.use({})
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    yield
    outward.use({})


async def _asked(store: Store, url: str) -> object:
    async with parley(store, url) as client:
        return (await client.statuses([FIRST]))[FIRST]


async def test_certificates(sqlite_store: Store, tmp_path: Path) -> None:
    """A service is checked by the authorities that are named; a wrong one is tried once."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "firm.pem"
    authority.cert_pem.write_to_path(str(bundle))
    async with HttpSink(tls=context) as sink:
        sink.answer(says(state()))
        url = f"https://localhost:{sink.port}"
        with pytest.raises(UpstreamUnreachable, match="SSL_CERT_FILE") as caught:
            await _asked(sqlite_store, url)
        assert not caught.value.passes
        outward.use({"REQUESTS_CA_BUNDLE": str(bundle)})
        assert isinstance(await _asked(sqlite_store, url), Told)
        with pytest.raises(UpstreamUnreachable, match="for another address"):
            await _asked(sqlite_store, f"https://127.0.0.1:{sink.port}")
    bundle.unlink()
    with pytest.raises(UpstreamUnreachable, match="cannot be read"):
        await _asked(sqlite_store, url)


@asynccontextmanager
async def _answering(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers each request with these bytes; and the heads that came."""
    heads: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()

    async with raw_server(converse) as url:
        yield url, heads


async def test_proxies(sqlite_store: Store) -> None:
    """HTTPS goes over the proxy that is named, and the token through it; its refusal is told."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with _answering(refusal) as (url, heads):
        outward.use({"HTTPS_PROXY": url.replace("//", "//u:p@")})
        with pytest.raises(UpstreamUnreachable, match="the proxy answered 407"):
            await _asked(sqlite_store, "https://api.example.com")
        (head,) = heads
    assert head.startswith(b"CONNECT api.example.com:443")
    assert b"Bearer" not in head
    outward.use({"HTTPS_PROXY": "quic://127.0.0.1:1"})
    with pytest.raises(UpstreamUnreachable, match="unknown kind"):
        await _asked(sqlite_store, "https://api.example.com")


async def test_plain_http_stays_on_this_machine(sqlite_store: Store) -> None:
    """It is not given to a proxy, which would read the token."""
    async with _answering(b"") as (url, heads), HttpSink() as sink:
        sink.answer(says(state()))
        outward.use({"HTTP_PROXY": url})
        assert isinstance(await _asked(sqlite_store, sink.url), Told)
    assert heads == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x00\x05hello",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 999999 Hm\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 50 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Type: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: " + b"9" * 5_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 No\r\nRetry-After: \xff\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 No\r\nX-Request-Id: \xff\x1b[31m\r\nContent-Length: 4\r\n\r\n\xff\xfe{}",
    ],
    ids=lambda answer: repr(answer[:40] + answer[-30:]),
)
async def test_what_is_no_answer(sqlite_store: Store, answer: bytes) -> None:
    """Each is an error of ours, with a sentence in visible characters."""
    async with _answering(answer) as (url, _):
        try:
            said = await _asked(sqlite_store, url)
        except UpstreamError as error:
            message, hint = error.message, error.hint
        else:
            assert isinstance(said, CaseProblem)
            message, hint = said.message, said.hint
    assert message.isprintable()
    assert message.endswith(".")
    assert hint.endswith(".")


async def test_a_server_that_sends_early_hints_for_ever(sqlite_store: Store) -> None:
    """What comes before an answer counts in its time, too."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(converse) as url:
        patience = Patience(tries=1)
        async with parley(sqlite_store, url, timeout=1, patience=patience) as client:
            with pytest.raises(UpstreamUnreachable, match="within 1 s"):
                await client.statuses([FIRST])
