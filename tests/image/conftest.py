"""The image under test, built for real on a Debian base that is made here."""

import ast
import importlib.util
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.engine import Container, Engine, Image, output_of

CHECKOUT = Path(__file__).parents[2]
TOOLS = ("apt-get", "buildah", "debootstrap", "setpriv", "tar", "unshare")

#: Seconds a stored base is used before a newer one is made.
BASE_LIFETIME = 30 * 24 * 3600
BASE = "localhost/casebell-base"
#: Debian 13, whose Python is the 3.13 that the Dockerfile's own base has.
RELEASE = "trixie"
#: A search path is all that Python's own images add to Debian's files that the build relies on.
BASE_DOCKERFILE = """\
FROM scratch
ADD base.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""

#: What of pip's configuration tells how to reach a package index.
INDEXES = ("index-url", "extra-index-url")
PIP_SETTINGS = (*INDEXES, "trusted-host", "proxy", "timeout")
#: Where the Dockerfile shows the build its certificates.
CERTIFICATES = "/run/secrets/ca.pem"


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The project's image, built from this checkout."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if importlib.util.find_spec("pip") is None:
        pytest.skip("needs pip beside pytest, to build with the package index it is set up for")
    # Not pytest's directory, which outlives the run: this is a gigabyte.
    with tempfile.TemporaryDirectory(prefix="casebell-image-") as directory:
        engine = Engine(directory=Path(directory))
        build_base(engine)
        secrets = build_secrets(engine.directory)
        engine.build("casebell", CHECKOUT, arguments={"BASE": BASE}, secrets=secrets)
        below = engine.layers(BASE)
        layers = engine.layers("casebell")
        yield Image(
            added=sum(size for digest, size in layers.items() if digest not in below),
            configuration=engine.configuration("casebell"),
            root=engine.root("casebell"),
        )


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Container:
    """A container with a new volume, which starts as a copy of what the image has there."""
    volume = tmp_path / "data"
    output_of(["cp", "--archive", str(image.root / "data"), str(volume)])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Container(image=image, volume=volume, port=port)


def build_base(engine: Engine) -> None:
    """Build a stand-in for `python:3.13-slim`: the Debian release that has Python 3.13."""
    context = engine.directory / "base"
    context.mkdir()
    (context / "Dockerfile").write_text(BASE_DOCKERFILE)
    shutil.copyfile(stored_base(), context / "base.tar")
    engine.build(BASE, context, arguments={}, secrets={})


def stored_base() -> Path:
    """A tar archive of the base's files, made once and kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "casebell"
    stored = cache / f"base-{RELEASE}.tar"
    if stored.exists() and time.time() - stored.stat().st_mtime < BASE_LIFETIME:
        return stored
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debootstrap-", dir=cache) as directory:
        root, fresh = Path(directory) / "root", Path(directory) / "base.tar"
        packages = "--include=ca-certificates,python3,python3-venv"
        mirror = debian_mirror()
        output_of(["debootstrap", "--variant=minbase", packages, RELEASE, str(root), mirror])
        left_out = [f"--exclude=./var/{path}/*" for path in ("cache/apt", "lib/apt/lists", "log")]
        output_of(
            ["tar", *left_out, "--directory", str(root), "--create", "--file", str(fresh), "."]
        )
        fresh.replace(stored)
    return stored


def debian_mirror() -> str:
    """The address this machine's own apt reads its release from; a mirror has all of them."""
    own = platform.freedesktop_os_release()["VERSION_CODENAME"]
    targets = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"]
    for line in output_of([*targets, "Created-By: Packages"]).splitlines():
        codename, address = line.split()
        if codename == own:
            return address
    return pytest.skip(f"needs an apt source for {own}")


def build_secrets(directory: Path) -> dict[str, Path]:
    """What pip needs in the build to reach the package index that pip here is set up for."""
    listed = output_of([sys.executable, "-m", "pip", "config", "list"])
    # Sorted so that the environment's settings come last and win, as they do in pip.
    settings = {
        line.partition("=")[0].rpartition(".")[2]: ast.literal_eval(line.partition("=")[2])
        for line in sorted(listed.splitlines(), reverse=True)
        if line.startswith(("global.", ":env:."))
    }
    kept = {name: settings[name] for name in PIP_SETTINGS if name in settings}
    for name in INDEXES:
        # Those in files of this machine are not there in the build.
        kept[name] = " ".join(url for url in kept.get(name, "").split() if "file:" not in url)
    secrets = {"pip.conf": directory / "pip.conf"}
    certificates = settings.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    if certificates:
        secrets["ca.pem"] = Path(certificates)
        kept["cert"] = CERTIFICATES
    lines = [f"{name} = {value}" for name, value in kept.items() if value]
    secrets["pip.conf"].write_text("\n".join(["[global]", *lines, ""]))
    return secrets
