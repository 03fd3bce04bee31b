"""README.md on a bare Debian, line by line: installed, started, asked, backed up, restored.

There is no init in a chroot: what systemd would start is read from the unit and run as its user.
"""

import asyncio
import configparser
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from casebell.sandbox.mail_sink import SmtpSink
from docs.pages import blocks, marked_block
from image.conftest import CERTIFICATES, CHECKOUT, TOOLS, build_secrets, stored_base
from image.engine import START_LIMIT, STOP_LIMIT, output_of
from waiting import until_sync

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

#: Where the checkout is, and where root's terminal is: no other user can look into it.
HOME = "/root/casebell"
ROOTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What cron gives its jobs.
CRON = {"HOME": "/etc/casebell", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "casebell"}

_ENTER = """
set -eu
root=$1 directory=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --types proc proc "$root/proc"
exec chroot "$root" /usr/bin/env --ignore-environment --chdir="$directory" "$@"
"""


class Host:
    """A Debian of its own, with nothing but Python; it shares the machine's network."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def enter(
        self, script: str, *, user: str = "", directory: str = HOME, environ: dict[str, str]
    ) -> list[str]:
        """A command that runs a script there, as root or another user."""
        inside = ["bash", "-euo", "pipefail", "-c", script]
        if user:
            inside = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *inside]
        variables = [f"{name}={value}" for name, value in environ.items()]
        enter = ["sh", "-c", _ENTER, "host", str(self.root), directory, *variables, *inside]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", *enter]

    async def run(self, script: str, *, user: str = "") -> str:
        """Standard output of a script that must succeed."""
        environ = {"PATH": ROOTS_PATH, "HOME": "/root"}
        return await asyncio.to_thread(output_of, self.enter(script, user=user, environ=environ))

    async def run_from_cron(self, line: str) -> str:
        """The same of a line of the service's crontab."""
        command = line.split(maxsplit=5)[5].replace(r"\%", "%")
        script = self.enter(command, user="casebell", directory="/etc/casebell", environ=CRON)
        return await asyncio.to_thread(output_of, script)

    def unit(self) -> configparser.SectionProxy:
        """What systemd is told of the service."""
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(self.root / "etc/systemd/system/casebell.service")
        return unit["Service"]

    def serve(self) -> subprocess.Popen[bytes]:
        """Start what the unit names, and wait until it serves."""
        unit = self.unit()
        command = self.enter(
            f"exec {unit['ExecStart']}",
            user=unit["User"],
            directory=unit["WorkingDirectory"],
            environ={"PATH": "/usr/bin:/bin"},
        )
        log = self.root.parent / "serve.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)

        def serves() -> bool:
            assert process.poll() is None, log.read_text()
            return '"server.started"' in log.read_text()

        until_sync(serves, "the server to start", within=START_LIMIT)
        return process


def stop(server: subprocess.Popen[bytes]) -> int:
    """End the server as systemd does."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(children[0]), 15)
    return server.wait(timeout=STOP_LIMIT)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A new one, with the checkout in root's home and the machine's package index."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    root = tmp_path / "host"
    root.mkdir()
    output_of(["tar", "--directory", str(root), "--extract", "--file", str(stored_base())])
    home = root / HOME.lstrip("/")
    home.mkdir(parents=True)
    files = "git ls-files -z --cached --others --exclude-standard | tar --null --files-from - -c"
    output_of(["sh", "-c", f"cd '{CHECKOUT}' && {files} | tar -C '{home}' -x"])
    secrets = build_secrets(tmp_path)
    shutil.copyfile(secrets["pip.conf"], root / "etc/pip.conf")
    if "ca.pem" in secrets:
        (root / "run/secrets").mkdir(parents=True)
        shutil.copyfile(secrets["ca.pem"], root / CERTIFICATES.lstrip("/"))
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    yield Host(root)
    shutil.rmtree(root)


async def test_every_line_works_as_written(host: Host) -> None:
    """From nothing to a restored backup, by README.md and docs/operations.md alone."""
    await host.run(marked_block("install"))
    folder = host.root / "etc/casebell"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with SmtpSink() as mail:
        configure(folder, port=port, smtp_port=mail.port)
        start = [line for line in marked_block("start").splitlines() if "systemctl" not in line]
        check, install_unit, doctor, test = start
        assert "email-team" in await host.run(check)
        await host.run(f"install -d /etc/systemd/system\n{install_unit}")
        server = host.serve()
        try:
            assert set(re.findall(r": +(\S+)", await host.run(doctor))) == {"OK"}
            await host.run(test)
            await host.run(f"casebell send --sample parley-rfe --to http://127.0.0.1:{port}")
            assert len(await mail.received(2)) == 2
            assert httpx2.get(f"http://127.0.0.1:{port}/health").json() == {"status": "ok"}
            listed = await host.run("casebell events list --json", user="casebell")
            (crontab, _) = blocks("README.md", "crontab")
            await host.run_from_cron(crontab.strip())
        finally:
            assert stop(server) == 0
    (backup,) = (host.root / "var/backups/casebell").iterdir()
    restore = marked_block("restore", page="docs/operations.md")
    kept = [line for line in restore.splitlines() if "systemctl" not in line]
    await host.run("\n".join(kept).replace("2026-03-01.db", backup.name))
    server = host.serve()
    try:
        assert await host.run("casebell events list --json") == listed
    finally:
        assert stop(server) == 0
    owners = {path: path.stat().st_uid for path in (backup, *folder.iterdir())}
    assert set(owners.values()) == {folder.stat().st_uid}, owners
    assert folder.stat().st_uid != 0


def configure(folder: Path, *, port: int, smtp_port: int) -> None:
    """What a person does with an editor: a channel, which every rule and operations name."""
    config = folder / "config.toml"
    text = config.read_text().replace("port = 8080", f"port = {port}")
    text = text.replace("notify = []", 'notify = ["email-team"]')
    channel = (
        f'[channels.email-team]\nurl = "mailto://127.0.0.1:{smtp_port}?from=it@example-firm.com"\n'
        'to = ["rfe-team@example-firm.com"]\n'
    )
    # In place, as an editor writes it: the owner stays.
    config.write_text(f"{text}\n{channel}")
