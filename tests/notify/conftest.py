"""Certificates, watches and servers for the tests of channels; a store for the dispatcher's."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from casebell.sandbox.http_sink import HttpSink
from casebell.store.engine import Store
from contracts.case_events import classified_event
from contracts.leaks import LeakWatch
from contracts.stores import store_classified, store_in


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS for a loopback server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process trusts the authority, as an operator's does who names it."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))


@pytest.fixture
def leaks(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> LeakWatch:
    """Watches logs and standard streams from the start of the test."""
    return LeakWatch(caplog=caplog, capfd=capfd)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store with one event: a request for evidence."""
    async with store_in(tmp_path) as opened:
        await store_classified(opened, classified_event())
        yield opened


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """Where Slack's messages go."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[HttpSink]:
    """Where another channel's messages go."""
    async with HttpSink() as server:
        yield server
