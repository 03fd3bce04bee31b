"""What the image installs: every version and hash is named, and fits what the project asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
ASKED = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}


def entries(lock: str) -> list[str]:
    """The lines of a lock file, continued ones joined, without comments."""
    text = (CHECKOUT / lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if not line.startswith("#")]


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
    locked = {
        canonicalize_name(entry.partition("==")[0]): entry.partition("==")[2].split()[0]
        for entry in entries(lock)
    }
    for asked in map(Requirement, ASKED[lock]):
        assert locked.get(canonicalize_name(asked.name), "0") in asked.specifier, asked
