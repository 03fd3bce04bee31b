"""A container engine for one test: builds with buildah, runs with Linux's own namespaces.

Where no container engine runs, buildah still builds an image (chroot isolation, one directory per
layer). Its `run` has no read-only root, so a container here is what an engine would make of the
image's configuration: namespaces of its own for mounts and processes, the image's files read-only,
only the volume writable, the image's user, environment and command, and no capabilities.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from waiting import until_sync

#: Seconds a server may take until it answers, and from SIGTERM to its end (Docker's own limit).
START_LIMIT = 60.0
STOP_LIMIT = 10.0

# Becomes process 1 of the container. Arguments: root, volume, user:group, then the command.
_ENTER = """
set -eu
root=$1 volume=$2 user=$3; shift 3
mount --bind --options ro "$root" "$root"
mount --bind "$volume" "$root/data"
mount --bind /dev "$root/dev"
mount --types proc proc "$root/proc"
exec chroot "$root" \
    /usr/bin/setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --no-new-privs \
        --pdeathsig KILL \
    /usr/bin/env --ignore-environment "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Images and mounted roots in a directory of their own."""

    directory: Path

    def build(
        self,
        tag: str,
        context: Path,
        *,
        arguments: Mapping[str, str],
        secrets: Mapping[str, Path],
    ) -> None:
        """Build `context` as `tag`; what `secrets` name is readable while building, never kept."""
        # The Docker format: the OCI one has no place for HEALTHCHECK.
        options = ["--isolation", "chroot", "--format", "docker", "--pull-never", "--tag", tag]
        for name, value in arguments.items():
            options += ["--build-arg", f"{name}={value}"]
        for name, path in secrets.items():
            options += ["--secret", f"id={name},src={path}"]
        self._buildah("bud", *options, str(context))

    def layers(self, image: str) -> dict[str, int]:
        """Bytes of each of the image's layers, uncompressed, by digest; its base's included."""
        # `buildah images` tells sizes rounded, as text.
        pushed = self.directory / "pushed"
        self._buildah("push", "--quiet", "--disable-compression", image, f"dir:{pushed}")
        manifest = json.loads((pushed / "manifest.json").read_text())
        return {layer["digest"]: layer["size"] for layer in manifest["layers"]}

    def configuration(self, image: str) -> dict[str, Any]:
        """The image's configuration as Docker names it: `User`, `Env`, `Entrypoint` and so on."""
        inspected = json.loads(self._buildah("inspect", "--type", "image", image))
        configuration: dict[str, Any] = inspected["Docker"]["config"]
        return configuration

    def root(self, image: str) -> Path:
        """The image's files, mounted."""
        container = self._buildah("from", "--pull-never", image).strip()
        return Path(self._buildah("mount", container).strip())

    def _buildah(self, *arguments: str) -> str:
        storage = ["--root", str(self.directory / "storage")]
        storage += ["--runroot", str(self.directory / "run"), "--storage-driver", "vfs"]
        return output_of(["buildah", *storage, *arguments])


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image, ready to be run."""

    #: Bytes it adds to its base.
    added: int
    configuration: Mapping[str, Any]
    root: Path

    def command(self, *arguments: str) -> list[str]:
        """What an engine would start: the entry point with `arguments`, or with its own."""
        return [*self.configuration["Entrypoint"], *(arguments or self.configuration["Cmd"])]


@dataclass(frozen=True, kw_only=True)
class Container:
    """An image with a volume of its own; it shares the machine's network."""

    image: Image
    #: The directory mounted as /data.
    volume: Path
    #: The port its server listens on.
    port: int

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end."""
        return subprocess.run(
            self._enter(command), capture_output=True, text=True, check=False, timeout=120
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator["Server"]:
        """Start what the image starts, and wait until it answers."""
        log = self.volume.with_suffix(".log")
        with log.open("wb") as sink:
            process = subprocess.Popen(
                self._enter(self.image.command()), stdout=sink, stderr=subprocess.STDOUT
            )
        server = Server(process=process, port=self.port, log=log)
        try:
            server.wait_until_healthy()
            yield server
        finally:
            # The container's processes are set to die with their parent.
            process.kill()
            process.wait()

    def _enter(self, command: Sequence[str]) -> list[str]:
        environment = [*self.image.configuration["Env"], f"CASEBELL_SERVER__PORT={self.port}"]
        directory = f"--chdir={self.image.configuration['WorkingDir']}"
        script = ["sh", "-c", _ENTER, "container", str(self.image.root), str(self.volume)]
        script += [self.image.configuration["User"], directory, *environment, *command]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", *script]


@dataclass(frozen=True, kw_only=True)
class Server:
    """The running container's server, seen from outside."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def url(self, path: str) -> str:
        """Where it is reached: an address that only a server listening on all of them answers."""
        return f"http://127.0.0.2:{self.port}{path}"

    def wait_until_healthy(self) -> None:
        """Return once /health answers 200; fail with the log if it does not."""

        def healthy() -> bool:
            assert self.process.poll() is None, "the server did not start"
            try:
                return httpx2.get(self.url("/health")).status_code == httpx2.codes.OK
            except httpx2.TransportError:
                return False

        try:
            until_sync(healthy, "200 from /health", within=START_LIMIT)
        except AssertionError as error:
            error.add_note(self.log.read_text())
            raise

    def stop(self) -> int:
        """Send SIGTERM to process 1 of the container; the exit code it ends with."""
        unshare = self.process.pid
        children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        return self.process.wait(timeout=STOP_LIMIT)


def output_of(command: Sequence[str]) -> str:
    """Standard output of a command that must succeed; its errors where it does not."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}:\n{result.stdout}{result.stderr}"
    return result.stdout
