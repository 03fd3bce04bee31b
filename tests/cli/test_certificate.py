"""The server's own certificate: renewed on disk, near its end, or for another name.

Real pairs, real handshakes.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import trustme

from casebell.http.certificate import Certificate
from cli.installation import Installation, serving
from waiting import until_sync

HOST = "casebell.example-firm.com"
PAIR = 'port = 0\ntls_cert = "cert.pem"\ntls_key = "key.pem"'


class Secure:
    """An installation with a certificate, which is renewed."""

    def __init__(self, installation: Installation) -> None:
        self.run = installation
        self.authority = trustme.CA()
        config = installation.config.read_text()
        installation.config.write_text(config.replace("port = 0", PAIR))
        self.renew()

    def renew(
        self, *parts: str, days: float = 90, name: str = HOST, key: trustme.LeafCert | None = None
    ) -> trustme.LeafCert:
        """Put a new pair in place, or only a part of it, as renewing programs do."""
        ends_at = datetime.now(UTC) + timedelta(days=days)
        made = key or self.authority.issue_cert(name, not_after=ends_at)
        contents = {"cert.pem": made.cert_chain_pems[0], "key.pem": made.private_key_pem}
        for file in parts or contents:
            new = self.run.directory / f"{file}.new"
            new.write_bytes(contents[file].bytes())
            new.replace(self.run.directory / file)
        return made

    def handshake(self, url: str) -> bytes:
        """The certificate that a stranger is shown, verified as a provider does."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        parts = urlsplit(url)
        with (
            socket.create_connection((parts.hostname, parts.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""

    def logged(self, name: str) -> list[dict[str, object]]:
        """Lines of the server's log."""
        lines = (self.run.directory / "serve.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == name]

    def told(self) -> list[str]:
        """Titles of what operations were told of it."""
        asked = "SELECT title FROM attempts WHERE title LIKE '%certificate%' ORDER BY id"
        rows = self.run.rows(asked)
        return [title.removeprefix("Casebell operations: ") for (title,) in rows]


def der(made: trustme.LeafCert) -> bytes:
    """The certificate's bytes."""
    return ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())


@pytest.fixture
def secure(bare: Installation) -> Secure:
    """One that is good for ninety days."""
    return Secure(bare)


@contextmanager
def kept_connection(secure: Secure, url: str) -> Iterator[httpx2.Client]:
    """A client that keeps its connection, as a provider does."""
    context = ssl.create_default_context()
    context.check_hostname = False
    secure.authority.configure_trust(context)
    with httpx2.Client(base_url=url, verify=context, trust_env=False) as client:
        assert client.get("/health").status_code == 200
        yield client


def test_a_renewed_pair_is_used_without_a_restart(secure: Secure) -> None:
    """New connections get it within seconds; open ones stay, and every command goes on."""
    with serving(secure.run) as url, kept_connection(secure, url) as kept:
        before = secure.handshake(url)
        assert secure.run("send", "--sample", "parley-rfe").code == 0
        renewed = secure.renew(days=180)
        until_sync(lambda: secure.handshake(url) == der(renewed), "the renewed certificate")
        assert before != der(renewed)
        assert kept.get("/ready").status_code == 200
        # `send` trusts the certificate that the server uses now, not the one of its start.
        sent = secure.run("send", "--sample", "parley-rfe")
        assert (sent.code, sent.err) == (0, "")
        seen = secure.run("doctor").out
        assert "server:        OK" in seen
        assert "certificate:   OK" in seen
        ends_at = Certificate.read(secure.run.directory / "cert.pem").ends_at / 1_000_000
        metric = "casebell_certificate_expiry_timestamp_seconds"
        (shown,) = [
            line for line in kept.get("/metrics").text.splitlines() if line.startswith(metric)
        ]
        assert shown.startswith(f'{metric}{{name="{HOST}"}} ')
        assert float(shown.split()[-1]) == ends_at
    (line,) = secure.logged("certificate.renewed")
    assert line["names"] == [HOST]


@pytest.mark.slow
def test_half_a_pair_is_not_used(secure: Secure) -> None:
    """Until both files belong together the old pair stays, and the log says why; nothing breaks."""
    with serving(secure.run) as url:
        before = secure.handshake(url)
        renewed = secure.renew("cert.pem")
        until_sync(lambda: secure.logged("certificate.not_used"), "the warning")
        assert secure.handshake(url) == before
        (secure.run.directory / "cert.pem").unlink()
        until_sync(lambda: len(secure.logged("certificate.not_used")) > 1, "another warning")
        assert secure.handshake(url) == before
        assert secure.run("events", "list").code == 0
        secure.renew("cert.pem", "key.pem", key=renewed)
        until_sync(lambda: secure.handshake(url) == der(renewed), "the renewed certificate")
    reasons = [str(line["reason"]) for line in secure.logged("certificate.not_used")]
    assert reasons[:2] == ["the key is of another certificate", "No such file or directory"]
    assert "BEGIN" not in (secure.run.directory / "serve.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days", "said", "urgent"),
    [
        (13.5, "The certificate ends in 13 days", 1),
        (2.5, "The certificate ends in 2 days", 0),
        (-1.0, "The certificate has ended", 0),
    ],
)
def test_it_ends_soon(secure: Secure, days: float, said: str, urgent: int) -> None:
    """Operations hear of it once at each stage, and `check` and `doctor` say so."""
    secure.renew(days=days)
    assert f"Warning: {said} (20" in secure.run("check").out
    for _ in range(2):
        with serving(secure.run):
            ran = secure.run("doctor")
            assert ran.code == 1
            assert f"certificate:   {said} (20" in ran.out
            until_sync(secure.told, "the message")
    assert secure.told() == [said]
    assert secure.run.rows("SELECT priority FROM alerts WHERE subject LIKE 'cert%'") == [(urgent,)]


@pytest.mark.slow
def test_it_is_for_another_name(secure: Secure) -> None:
    """Whoever delivers to `public_url` would refuse it."""
    secure.renew(name="other.example-firm.com")
    said = f"The certificate is not for {HOST}, the host of server.public_url"
    ran = secure.run("check")
    assert ran.code == 0
    assert f"Warning: {said}." in ran.out
    assert "Certificate   other.example-firm.com, until 20" in ran.out
    with serving(secure.run):
        assert f"certificate:   {said} → renew it" in secure.run("doctor").out


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["casebell.example-firm.com"], "casebell.example-firm.com", True),
        (["Casebell.Example-Firm.com"], "CASEBELL.example-firm.com", True),
        (["*.example-firm.com"], "casebell.example-firm.com", True),
        (["*.example-firm.com"], "example-firm.com", False),
        (["*.example-firm.com"], "a.casebell.example-firm.com", False),
        (["203.0.113.7"], "203.0.113.7", True),
        (["2001:db8::7"], "2001:db8:0::7", True),
        (["203.0.113.7"], "203.0.113.8", False),
        (["example-firm.com"], "203.0.113.7", False),
    ],
)
def test_whom_a_certificate_is_for(
    tmp_path: Path, names: list[str], host: str, covered: bool
) -> None:
    """As whoever connects judges it."""
    made = trustme.CA().issue_cert(*names)
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    assert Certificate.read(tmp_path / "cert.pem").covers(host) is covered


@pytest.mark.slow
def test_a_tls_failure_is_no_silence(secure: Secure) -> None:
    """That something answers, and what is wrong, is said: not that nothing answers."""
    with serving(secure.run) as url:
        ran = secure.run("send", "--sample", "parley-rfe", "--to", url)
        assert (ran.code, ran.out) == (3, "")
        assert "TLS fails with that address: " in ran.err
        assert "Nothing answers" not in ran.err
    ran = secure.run("send", "--sample", "parley-rfe", "--to", url)
    assert "Nothing answers at that address." in ran.err
