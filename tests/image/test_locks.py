"""What README, CI and the image install: each version and hash is named, and fits the project."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
DEPENDENCIES = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = {
    "requirements.lock": DEPENDENCIES,
    "requirements-build.lock": PROJECT["build-system"]["requires"],
    "requirements-demo.lock": EXTRAS["demo"],
    "requirements-test.lock": [*DEPENDENCIES, *EXTRAS["demo"], *EXTRAS["test"], *EXTRAS["lint"]],
}


def entries(lock: str) -> list[str]:
    """The lines of a lock file, continued ones joined, without comments."""
    text = (CHECKOUT / lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if not line.startswith("#")]


def versions(lock: str) -> dict[str, str]:
    """The version that a lock file has of each package."""
    parts = [entry.partition("==") for entry in entries(lock)]
    return {canonicalize_name(name): rest.split()[0] for name, _, rest in parts}


@pytest.mark.parametrize("lock", ASKED)
def test_every_entry_is_pinned_and_hashed(lock: str) -> None:
    """An entry is one version with its hashes, and says nothing of where it comes from."""
    assert entries(lock)
    for entry in entries(lock):
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ;[^:]+?)?( +--hash=sha256:[0-9a-f]{64})+", entry)


@pytest.mark.parametrize("lock", ASKED)
def test_lock_fits_the_project(lock: str) -> None:
    """Each requirement of pyproject.toml is locked at a version it allows.

    Where this fails, pyproject.toml has moved on: run the command at the head of the lock file.
    """
    locked = versions(lock)
    for asked in map(Requirement, ASKED[lock]):
        assert locked.get(canonicalize_name(asked.name), "0") in asked.specifier, asked


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-build.lock", "requirements-demo.lock"]
)
def test_the_tests_run_on_what_is_locked(lock: str) -> None:
    """Where two locks name a package, they name one version of it."""
    tested = versions("requirements-test.lock")
    apart = {
        name: (version, tested[name])
        for name, version in versions(lock).items()
        if tested.get(name, version) != version
    }
    assert not apart
    if lock != "requirements-build.lock":
        assert set(versions(lock)) <= set(tested)


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("lock", ASKED)
def test_each_python_has_a_wheel_of_everything(lock: str, python: str, tmp_path: Path) -> None:
    """The locks resolve for it, and nothing would have to be compiled."""
    command = ["uv", "pip", "install", "--dry-run", "--quiet", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-version", python]
    command += ["--target", str(tmp_path), "--requirement", str(CHECKOUT / lock)]
    found = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
