"""The container image: small, without privileges, read-only, and a server that stops cleanly."""

import hashlib
import hmac
import json
import ssl
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
import trustme

from casebell import __version__
from image.engine import Container, Image, Server

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

MEGABYTE = 1_000_000

SECRET = "throw-away-secret-of-an-image-test"
CONFIGURATION = f"""\
[server]
host = "127.0.0.1"
port = 1

[storage]
url = "sqlite:///casebell.db"

[sources.parley]
kind = "parley"
secrets = ["{SECRET}"]

[[rules]]
name = "Nobody"
when = {{}}
notify = []
"""

DELIVERY = {
    "id": "evt_image",
    "type": "case.status.updated",
    "receipt_number": "IOE0912345678",
    "normalized_status": "rfe_issued",
    "raw_status_text": "We sent you a request for evidence.",
    "occurred_at": "2025-10-14T19:22:03Z",
}


@pytest.fixture
def configured(container: Container) -> Container:
    """A container whose volume holds a configuration."""
    (container.volume / "config.toml").write_text(CONFIGURATION)
    return container


def deliver(server: Server) -> tuple[int, str]:
    """POST the delivery, signed as Parley signs it; the answer's status code and word."""
    body = json.dumps(DELIVERY).encode()
    at = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Authorization": f"Parley-Signature=t={at},v1={digest}"}
    answer = httpx2.post(server.url("/webhooks/parley"), content=body, headers=headers)
    return answer.status_code, answer.json().get("status")


def test_adds_less_than_200_megabytes(image: Image) -> None:
    """The layers on top of the base stay under 200 MB, uncompressed."""
    assert 10 * MEGABYTE < image.added < 200 * MEGABYTE


def test_declares_how_it_is_run(image: Image) -> None:
    """The image names an ordinary user, one volume, its port and a signal to stop it with."""
    assert image.configuration["User"] == "10001:10001"
    assert image.configuration["Volumes"] == {"/data": {}}
    assert image.configuration["ExposedPorts"] == {"8080/tcp": {}}
    assert image.configuration["StopSignal"] == "SIGTERM"
    assert image.command() == ["casebell", "serve"]


def test_runs_on_python_3_13(container: Container) -> None:
    """The Python of the Dockerfile's own base; the other suites run on the oldest, 3.11."""
    told = container.run(["python", "-c", "import sys; print(*sys.version_info[:2])"])
    assert told.stdout == "3 13\n", told.stderr


def test_keeps_nothing_of_the_build(image: Image) -> None:
    """No installer, no sources, no cache and none of the build's secrets are left in the image."""
    installed = image.root / "opt/casebell/lib"
    assert list(installed.glob("*/site-packages/casebell/__init__.py"))
    for left_over in ("pip", "setuptools", "hatchling"):
        assert not list(installed.glob(f"*/site-packages/{left_over}*"))
    for path in ("build", "root/.cache", "etc/pip.conf", "run/secrets"):
        assert not (image.root / path).exists()


def test_writes_to_its_volume_only(container: Container) -> None:
    """An ordinary user runs it, who can write to /data and nowhere else."""
    program = """
import errno, os, pathlib
assert os.getuid() == os.getgid() == 10001 and os.getgroups() == []
pathlib.Path("/data/written").touch()
for place in ("/tmp/written", "/opt/casebell/written", "/written"):
    try:
        pathlib.Path(place).touch()
    except OSError as error:
        assert error.errno == errno.EROFS, error
    else:
        raise AssertionError(place)
"""
    result = container.run(["python", "-c", program])
    assert result.returncode == 0, result.stderr
    assert (container.volume / "written").exists()


def test_tells_its_version(container: Container) -> None:
    """`casebell --version` in the image names the version of this checkout."""
    result = container.run(container.image.command("--version"))
    assert result.returncode == 0, result.stderr
    assert __version__ in result.stdout


def test_plays_the_demo(container: Container) -> None:
    """`casebell demo --once` runs to its end on a read-only root."""
    result = container.run(container.image.command("demo", "--once"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_sets_up_its_volume(container: Container) -> None:
    """`casebell init` writes a first configuration into the volume, for its owner's eyes only."""
    result = container.run(container.image.command("init"))
    assert result.returncode == 0, result.stderr
    assert "[server]" in (container.volume / "config.toml").read_text()
    assert (container.volume / ".env").stat().st_mode & 0o077 == 0


def test_serves_and_stops(configured: Container) -> None:
    """It takes a delivery from outside, is healthy meanwhile, and ends with 0 at SIGTERM."""
    with configured.serving() as server:
        assert httpx2.get(server.url("/health")).json() == {"status": "ok"}
        assert deliver(server) == (200, "stored")
        assert configured.run(health_check(configured.image)).returncode == 0
        assert server.stop() == 0
    assert configured.run(health_check(configured.image)).returncode != 0


def test_is_asked_and_backed_up_from_the_host(configured: Container) -> None:
    """README's `docker exec casebell casebell …`: commands in the image reach its server."""
    with configured.serving() as server:
        assert deliver(server) == (200, "stored")
        doctor = configured.run(["casebell", "doctor"])
        assert "server:        OK" in doctor.stdout, doctor.stderr
        listed = configured.run(["casebell", "events", "list", "--json"])
        assert [json.loads(line)["key"] for line in listed.stdout.splitlines()] == ["evt_image"]
        assert configured.run(["casebell", "backup", "/data/backup-1.db"]).returncode == 0
    kept = (configured.volume / "backup-1.db").stat()
    assert (kept.st_uid, kept.st_mode & 0o077) == (10001, 0)


def test_keeps_what_it_received(configured: Container) -> None:
    """A new container on the same volume knows what the one before it stored."""
    with configured.serving() as server:
        assert deliver(server) == (200, "stored")
        assert server.stop() == 0
    assert (configured.volume / "casebell.db").stat().st_mode & 0o077 == 0
    with configured.serving() as server:
        assert deliver(server) == (200, "duplicate")


@pytest.mark.parametrize("answer", [HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE])
@pytest.mark.parametrize("encrypted", [False, True])
def test_health_check_believes_the_server(
    container: Container, answer: HTTPStatus, encrypted: bool
) -> None:
    """Healthy means that /health says 200, over TLS too, where the server has certificates."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer if self.path == "/health" else HTTPStatus.NOT_FOUND)
            self.end_headers()

        def log_message(self, *line: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", container.port), Answer) as server:
        if encrypted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert("casebell.example-firm.com").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            result = container.run(health_check(container.image))
        finally:
            server.shutdown()
            thread.join()
    assert (result.returncode == 0) == (answer == HTTPStatus.OK), result.stderr


def health_check(image: Image) -> list[str]:
    """The command by which an engine asks whether the container is healthy."""
    kind, *command = image.configuration["Healthcheck"]["Test"]
    assert kind == "CMD"
    return list(command)
