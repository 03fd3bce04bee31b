"""TLS without a proxy: a pair that works, and commands that trust it."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from casebell.cli.preflight import MAX_SOCKET_PATH
from casebell.cli.send import trust
from cli.installation import Installation, serving

PAIR = 'port = 0\ntls_cert = "cert.pem"\ntls_key = "key.pem"'


@pytest.fixture
def secure(bare: Installation) -> Installation:
    """An installation with a certificate for the name people use, not for 127.0.0.1."""
    made = trustme.CA().issue_cert("casebell.example-firm.com")
    (bare.directory / "cert.pem").write_bytes(made.cert_chain_pems[0].bytes())
    (bare.directory / "key.pem").write_bytes(made.private_key_pem.bytes())
    bare.config.write_text(bare.config.read_text().replace("port = 0", PAIR))
    return bare


def test_a_server_with_a_certificate(secure: Installation) -> None:
    """Commands on the same machine reach it: its certificate is trusted for what it is."""
    assert secure("check").code == 0
    with serving(secure) as url:
        assert url.startswith("https://127.0.0.1:")
        sent = secure("send", "--sample", "parley-rfe")
        assert (sent.code, sent.out[:3]) == (0, "200")
        assert "server:        OK" in secure("doctor").out
        assert secure("channels", "test", "team").code == 0


def test_another_certificate_is_not_trusted(secure: Installation) -> None:
    """Who sends to an address trusts the usual authorities; the server's own pair is not one."""
    with serving(secure) as url:
        ran = secure("send", "--sample", "parley-rfe", "--to", url)
        assert (ran.code, ran.out) == (3, "")


@pytest.mark.parametrize("wrong", ["cert.pem", "key.pem"])
def test_a_pair_that_cannot_be_used(secure: Installation, wrong: str) -> None:
    """`check` finds it, and `serve` does not start: a sentence with the key, no traceback."""
    (secure.directory / wrong).write_text("garbage")
    checked, served, seen = secure("check"), secure("serve"), secure("doctor")
    assert (checked.code, served.code, seen.code) == (1, 2, 2)
    for ran in (checked, served):
        assert ran.out == ""
        assert "server.tls_cert: The certificate and its key cannot be used" in ran.err
        assert "garbage" not in ran.err
    assert "configuration: server.tls_cert" in seen.out
    assert not secure.database.exists()


def test_a_key_of_another_certificate(secure: Installation) -> None:
    """A pair that does not belong together is no pair."""
    other = trustme.CA().issue_cert("casebell.example-firm.com")
    (secure.directory / "key.pem").write_bytes(other.private_key_pem.bytes())
    assert secure("check").code == 1


def test_a_key_with_a_pass_phrase(secure: Installation) -> None:
    """Nobody is there to type it: it is refused, and not asked for."""
    key = load_pem_private_key((secure.directory / "key.pem").read_bytes(), None)
    (secure.directory / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    )
    ran = secure("check")
    assert ran.code == 1
    assert "pass phrase" in ran.err


def test_trust_is_for_one_certificate(secure: Installation) -> None:
    """No authority of this machine is trusted beside it."""
    context = trust((secure.directory / "cert.pem").read_text())
    assert len(context.get_ca_certs(binary_form=True)) <= 1
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_path_that_no_socket_can_have(bare: Installation) -> None:
    """`check` finds it, and `serve` does not start: how long it is, how long it may be."""
    folder = bare.directory / ("x" * MAX_SOCKET_PATH)
    folder.mkdir()
    text = bare.config.read_text()
    bare.config.write_text(f'{text}\n[storage]\nurl = "sqlite:///{folder.name}/casebell.db"\n')
    checked, served = bare("check"), bare("serve")
    assert (checked.code, served.code) == (1, 2)
    for ran in (checked, served):
        assert "server.socket: The path of the socket has " in ran.err
        assert f"at most {MAX_SOCKET_PATH}: {folder}/casebell.db.sock" in ran.err
    assert list(folder.iterdir()) == []
    bare.config.write_text(bare.config.read_text().replace("port = 0", 'port = 0\nsocket = "s"'))
    with serving(bare):
        assert bare("events", "list").code == 0
